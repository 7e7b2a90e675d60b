// vhdx::Disk: a .vhdx image with all its parents, as a guest sees it.
//
// Disk::Open opens the image, replays a dirty log in memory (the file does not change by one byte),
// finds and checks the parents, and gives a BlockDevice. Nothing is loaded that is not needed: a 64
// TiB disk opens in milliseconds. A Disk owns its files; the FileSystem need not outlive Open.
// Reads and writes may come from any number of threads.
//
// Writing: a disk that was opened for writing and never written stays as it was, to the byte. What
// was written is durable after a Flush; what was not flushed may be lost in a crash, in part too,
// but a sector never holds anything else than what it held since the last flush, and the file
// always opens again. After a failed sync or metadata write nothing more is written, and every call
// fails with that first error. Close ends the session; a Disk that is destroyed without it closes
// itself, and nobody hears of a failure.
//
// Parents are looked for only where the caller allows: below the real folder of the image that
// names them, and below OpenOptions::parent_folders. The identity of a parent (its DataWriteGuid)
// is checked before anything is read from it.

#ifndef VHDXKIT_DISK_H_
#define VHDXKIT_DISK_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/counters.h>
#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/image_info.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace vhdx {

struct WriteLimits;  // internal

/// Of the image that is opened; its parents are only ever read.
enum class DiskAccess : uint8_t { kReadOnly, kReadWrite };

enum class LockPolicy : uint8_t {
  kLock,    ///< take the lock; fail with kBusy where somebody writes the file
  kIgnore,  ///< without a lock: what is read may be a mixture of old and new, and what is written
            ///< may be lost or worse if somebody else writes too
};

struct OpenOptions {
  DiskAccess access = DiskAccess::kReadOnly;
  std::vector<std::string> parent_folders =
      {};                          ///< where parents may lie, besides each image's own folder
  bool allow_any_parent = false;   ///< follow paths to anywhere
  uint32_t max_chain_depth = 256;  ///< images in a chain, the first included
  LockPolicy lock = LockPolicy::kLock;
  bool direct = false;  ///< read payload past the host's page cache
};

/// What a search for a parent did, for people.
struct ParentAttempt {
  std::string path = {};
  std::string outcome = {};  ///< why it was not taken; empty for the one that was
};

/// What is known of the parent of an image without opening the rest of the chain.
struct ParentState {
  enum class Identity : uint8_t { kOk, kMismatch, kMissing };
  Identity identity = Identity::kMissing;
  std::string resolved = {};  ///< its path, where one was found
  std::vector<ParentAttempt> attempts = {};
};

class Disk final : public BlockDevice {
 public:
  /// Opens the image at `path`, and its parents.
  /// Errors: those of FileSystem::Open; kCorrupt with the rule; kNotFound (rule "parent.missing":
  /// the sentence says which, by name and by GUID, and where it was looked for); kBusy;
  /// kUnsupported. For writing also kCorrupt with the rule that forbids it (severity kReadOnly).
  static Result<std::unique_ptr<Disk>> Open(FileSystem& files, const std::string& path,
                                            const OpenOptions& options = {});
  ~Disk() override;

  /// Images in the chain, the one that was opened included.
  size_t chain_length() const;
  /// What the image at `depth` says of itself; 0 is the one that was opened.
  const ImageInfo& image(size_t depth) const;

  const std::string& name() const override;
  uint64_t size_bytes() const override;
  uint32_t logical_sector_size() const override;
  uint32_t physical_sector_size() const override;
  bool writable() const override;
  Result<void> Read(uint64_t disk_offset, MutableByteSpan buffer) override;
  Result<void> Write(uint64_t disk_offset, ByteSpan buffer) override;
  Result<void> WriteZeroes(DiskRange range) override;
  Result<void> Trim(DiskRange range) override;
  Result<void> Flush() override;
  /// Of a disk that is being written they say what was there a moment ago.
  Result<std::vector<Extent>> Extents(DiskRange range, size_t max_extents) override;
  /// Allocates whole blocks and shares the bytes of `source` with them.
  Result<void> CloneFrom(uint64_t disk_offset, File& source, FileRange source_range) override;
  bool Uses(const FileIdentity& file) const override;

  /// Ends writing: flushes, retires the log, gives back what the file has grown ahead. Nothing may
  /// be called afterwards but the destructor. Errors: as Flush.
  Result<void> Close();
  /// What writing has cost so far.
  EngineCounters counters() const;

 private:
  class Chain;
  friend Result<std::unique_ptr<Disk>> OpenDisk(FileSystem& files, const std::string& path,
                                                const OpenOptions& options,
                                                const WriteLimits& limits);
  explicit Disk(std::unique_ptr<Chain> chain);
  std::unique_ptr<Chain> chain_;
};

}  // namespace vhdx

#endif  // VHDXKIT_DISK_H_
