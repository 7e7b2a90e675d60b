// LossyFile: a file that loses what was not synced when its power is cut.
//
// Changes reach the file below at once, so that everybody reads what was written last; what they
// replaced is kept in memory until a Sync that began after them has ended. CutPower puts some of
// that back, and the file below is then what a disk may hold after a power cut: a CrashFate says
// what survives, as in a CrashCursor. From then on every change and sync fails, or hangs.
//
// Unlike a CrashStore, which keeps a whole history in memory and goes back to any point of it, this
// one stands on a file of the host as large as one likes, and its power is cut once. Names are the
// host's, and are not lost.

#ifndef VHDXKIT_TESTING_LOSSY_FILE_H_
#define VHDXKIT_TESTING_LOSSY_FILE_H_

#include <vhdxkit/file.h>
#include <vhdxkit/forwarding_file.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "bytes/mutex.h"
#include "testing/crash_fate.h"

namespace vhdx::testing {

enum class SyncMode : uint8_t {
  kWorks,
  kDoesNothing,  ///< the mutation that every test on a LossyFile must find
};

/// A change or a sync of a file without power ...
enum class AfterCut : uint8_t {
  kFails,
  kHangs,  ///< never returns: where the power is gone, nobody hears of an error
};

struct LossyOptions {
  uint64_t seed = 1;
  SyncMode sync = SyncMode::kWorks;
  std::chrono::microseconds longest_sync = {};  ///< syncs take up to so long, as on a real disk
  AfterCut after_cut = AfterCut::kFails;
};

/// What a power cut did.
struct Loss {
  size_t unsynced_changes = 0;
  uint64_t unsynced_sectors = 0;  ///< of these changes, each sector counted once
  uint64_t lost_sectors = 0;      ///< of these, put back to something older
  uint64_t length_before = 0;     ///< of the file, in bytes
  uint64_t length_after = 0;
};

class LossyFile;

/// Files whose power goes at the same moment.
class PowerSwitch {
 public:
  /// Of all that are open: changes that no sync has made durable yet.
  size_t UnsyncedChanges();
  /// Cuts the power of all that are open.
  Result<std::vector<Loss>> Cut();

 private:
  friend class LossyFile;
  Mutex mutex_;
  std::vector<LossyFile*> files_ VHDX_GUARDED_BY(mutex_);
};

class LossyFile final : public ForwardingFile {
 public:
  using File::ReadAt;
  using File::WriteAt;

  static constexpr uint64_t kSectorBytes = CrashFate::kSectorBytes;  ///< nothing tears inside

  LossyFile(std::unique_ptr<File> base, std::shared_ptr<PowerSwitch> power, LossyOptions options);
  ~LossyFile() override;

  const FileCapabilities& capabilities() const override { return capabilities_; }
  Result<void> WriteAt(uint64_t file_offset, std::span<const ByteSpan> buffers) override;
  Result<void> Sync() override;
  Result<void> Resize(uint64_t length_bytes) override;
  Result<void> ZeroRange(FileRange range) override;
  Result<void> PunchHole(FileRange range) override;
  Result<void> CloneRange(uint64_t file_offset, File& source, FileRange source_range) override;

 private:
  friend class PowerSwitch;

  struct Piece {
    uint64_t file_offset = 0;
    std::vector<std::byte> bytes = {};
  };
  /// One that was not synced, and what it replaced.
  struct Change {
    FileRange range = {};  ///< whole sectors; empty if only the length changed
    uint64_t length_before = 0;
    std::vector<Piece> before = {};  ///< what it leaves out of the range was zeros, and is now
  };
  /// Whether what a change is about to replace is all kept, or only what is not zeros already.
  enum class Keep : uint8_t { kAll, kData };
  class Reversal;

  template <typename Operation>
  Result<void> DoChange(FileRange range, Keep keep, Operation operation) VHDX_EXCLUDES(mutex_);
  Result<void> Remember(FileRange range, Keep keep) VHDX_REQUIRES(mutex_);
  Result<Piece> ReadPiece(FileRange range, uint64_t length);
  Result<std::vector<Piece>> ReadAll(FileRange range, uint64_t length);
  Result<std::vector<Piece>> ReadData(FileRange range, uint64_t length);
  size_t UnsyncedChanges() VHDX_EXCLUDES(mutex_);
  Result<Loss> CutPower() VHDX_EXCLUDES(mutex_);
  uint64_t LengthAfterCut(uint64_t length_now, CrashFate& fate) const VHDX_REQUIRES(mutex_);
  std::unexpected<Error> NoPower() const;

  const std::shared_ptr<PowerSwitch> power_;
  const LossyOptions options_;
  const FileCapabilities capabilities_;
  Mutex mutex_;
  bool powered_ VHDX_GUARDED_BY(mutex_) = true;
  std::mt19937_64 random_ VHDX_GUARDED_BY(mutex_);
  std::deque<Change> unsynced_ VHDX_GUARDED_BY(mutex_);  ///< oldest first
  uint64_t forgotten_ VHDX_GUARDED_BY(mutex_) = 0;       ///< changes that a sync made durable
};

/// `base`, in which what is opened for writing is lossy.
class LossyFileSystem final : public ForwardingFileSystem {
 public:
  LossyFileSystem(FileSystem& base, LossyOptions options)
      : ForwardingFileSystem(base), options_(options) {}

  PowerSwitch& power() { return *power_; }

  Result<std::unique_ptr<File>> Open(const std::string& path,
                                     const OpenFileOptions& options) override;

 private:
  const LossyOptions options_;
  const std::shared_ptr<PowerSwitch> power_ = std::make_shared<PowerSwitch>();
};

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_LOSSY_FILE_H_
