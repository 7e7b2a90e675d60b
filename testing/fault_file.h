// FaultFile: passes calls on until one of them is to fail.
//
// The plan is shared by all files of a FaultFileSystem, so that "the 7th write" is the 7th of a
// whole chain. A failed read gives no bytes; a failed write has written none of its bytes or, with
// `torn`, the first half (of whole 512-byte sectors, if it is not less than one).

#ifndef VHDXKIT_TESTING_FAULT_FILE_H_
#define VHDXKIT_TESTING_FAULT_FILE_H_

#include <vhdxkit/file.h>
#include <vhdxkit/forwarding_file.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bytes/mutex.h"
#include "testing/file_calls.h"

namespace vhdx::testing {

enum class FaultLength : uint8_t {
  kOnce,     ///< that call only
  kFromThen  ///< that call and every later one like it
};

struct Fault {
  std::optional<FileCall> call = {};  ///< nothing: any call
  uint64_t nth = 1;  ///< of those that match, counted from 1 and from when this was added
  std::optional<FileRange> range = {};  ///< only calls that touch these bytes of their file
  std::string name_ends_with = {};      ///< only files whose name ends so
  FaultLength length = FaultLength::kOnce;
  ErrorCode code = ErrorCode::kIo;
  int sys_errno = EIO;
  bool throws = false;  ///< as the host that has no memory does: std::bad_alloc
  bool torn = false;    ///< the first half of a write reaches the file, in whole sectors
};

class FaultPlan {
 public:
  void Add(Fault fault);
  /// No more faults, and all the space there is.
  void Clear();
  /// Writes and zeros fail with kNoSpace once so many more bytes have been written; what fits is
  /// written.
  void SetSpace(uint64_t bytes);
  /// Reads and writes reach the file in pieces of at most this size. 0: as they come.
  void SetPieces(size_t bytes);

  uint64_t fired() const;              ///< how many calls were made to fail
  uint64_t Seen(FileCall call) const;  ///< how many such calls there were, failed ones included

  // For the files.

  /// What a call meets: nothing, or the fault that it runs into.
  std::optional<Fault> Meet(FileCall call, const std::string& name, FileRange range);
  /// How many of the bytes there is space for; takes them.
  uint64_t TakeSpace(uint64_t bytes);
  size_t pieces() const;

 private:
  struct Armed {
    Fault fault;
    uint64_t matched = 0;
  };
  static bool Matches(const Fault& fault, FileCall call, const std::string& name, FileRange range);

  mutable Mutex mutex_;
  std::vector<Armed> faults_ VHDX_GUARDED_BY(mutex_);
  std::array<uint64_t, kFileCalls> seen_ VHDX_GUARDED_BY(mutex_) = {};
  std::optional<uint64_t> space_ VHDX_GUARDED_BY(mutex_);
  size_t pieces_ VHDX_GUARDED_BY(mutex_) = 0;
  uint64_t fired_ VHDX_GUARDED_BY(mutex_) = 0;
};

class FaultFile final : public ForwardingFile {
 public:
  using File::ReadAt;
  using File::WriteAt;

  FaultFile(std::unique_ptr<File> base, std::shared_ptr<FaultPlan> plan)
      : ForwardingFile(std::move(base)), plan_(std::move(plan)) {}

  FaultPlan& plan() { return *plan_; }

  Result<size_t> ReadAt(uint64_t file_offset, std::span<const MutableByteSpan> buffers) override;
  Result<void> WriteAt(uint64_t file_offset, std::span<const ByteSpan> buffers) override;
  Result<void> Sync() override;
  Result<uint64_t> Size() override;
  Result<void> Resize(uint64_t length_bytes) override;
  Result<void> ZeroRange(FileRange range) override;
  Result<void> PunchHole(FileRange range) override;
  Result<void> CloneRange(uint64_t file_offset, File& source, FileRange source_range) override;
  Result<uint64_t> NextData(uint64_t file_offset) override;
  Result<uint64_t> NextHole(uint64_t file_offset) override;
  Result<void> Lock(LockMode mode) override;

 private:
  /// The error that this call is to give, if any.
  Result<void> Check(FileCall call, FileRange range);
  /// The first `length_bytes` of the buffers, in the pieces that the plan wants.
  Result<void> WritePieces(uint64_t file_offset, std::span<const ByteSpan> buffers,
                           uint64_t length_bytes);

  const std::shared_ptr<FaultPlan> plan_;
};

class FaultFileSystem final : public ForwardingFileSystem {
 public:
  FaultFileSystem(FileSystem& base, std::shared_ptr<FaultPlan> plan)
      : ForwardingFileSystem(base), plan_(std::move(plan)) {}

  FaultPlan& plan() { return *plan_; }

  Result<std::unique_ptr<File>> Open(const std::string& path,
                                     const OpenFileOptions& options) override;
  Result<void> Rename(const std::string& from, const std::string& to, RenameMode mode) override;
  Result<void> Remove(const std::string& path) override;
  Result<void> SyncFolder(const std::string& folder) override;
  Result<void> FillRandom(MutableByteSpan bytes) override;

 private:
  Result<void> Check(FileCall call, const std::string& path);

  const std::shared_ptr<FaultPlan> plan_;
};

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_FAULT_FILE_H_
