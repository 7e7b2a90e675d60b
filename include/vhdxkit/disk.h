// vhdx::Disk: a .vhdx image with all its parents, as a guest sees it.
//
// Disk::Open opens the image, replays a dirty log in memory (the file is not modified), finds and
// verifies the parents, and returns a BlockDevice. The BAT is loaded on demand: a disk of 64 TiB
// opens in milliseconds. A Disk owns its files. The FileSystem must outlive a Disk that was opened
// for writing. Any number of threads may read and write at the same time.
//
// Writing: a disk that is opened for writing but never written is not modified. A write is durable
// once a Flush that was called after it has succeeded. A crash may lose writes that were not
// flushed, or parts of them, but each sector then holds a value that it had at or since the last
// flush, and the file always opens again. After a failed sync, or a metadata write that fails for
// another reason than lack of space, nothing more is written, and every later write, flush and
// Close fails with kPoisoned and the words of that first error. Close ends the session.
//
// Parents are searched for only where the caller allows it: in and below the real directory of the
// image that names them, and in and below SearchOptions::folders. The identity of a parent (its
// DataWriteGuid) is verified before anything is read from it.

#ifndef VHDXKIT_DISK_H_
#define VHDXKIT_DISK_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/chain_options.h>
#include <vhdxkit/counters.h>
#include <vhdxkit/error.h>
#include <vhdxkit/export.h>
#include <vhdxkit/file.h>
#include <vhdxkit/image_info.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace vhdx {

struct WriteLimits;  // internal
class FrozenDisk;    // internal

/// Access to the image that is opened. Its parents are always opened read-only.
enum class DiskAccess : uint8_t { kReadOnly, kReadWrite };

/// How the image that is written uses the host's page cache.
enum class PageCache : uint8_t {
  kAsHost,  ///< as the host does by itself
  /// For servers. On ext4, a file that was read or written in large pieces is cached in folios of
  /// up to 2 MiB, and overwriting 4 KiB of one takes twelve times as long as overwriting a page:
  /// the host is told that access is random, so that it caches pages (what is in the cache already
  /// stays as it is), and the disk reads ahead of sequential readers itself.
  kForServing,
};

struct OpenOptions {
  /// kReadWrite: writes change the image, never its parents. Not with an option of `chain` that is
  /// for reading only: kInvalidArgument.
  DiskAccess access = DiskAccess::kReadOnly;
  /// Open every file of the chain with O_DIRECT: metadata and payload, reads and writes bypass the
  /// host's page cache. Requests that are not aligned to FileCapabilities::io_alignment are copied.
  /// If the host cannot do that: kUnsupported; a parent counts as one that cannot be opened.
  bool direct = false;
  /// Only for writing; without effect on parents, and with `direct`.
  PageCache page_cache = PageCache::kAsHost;
  /// Where the parents are, and how all files are locked and read.
  ChainOptions chain = {};
};

class VHDXKIT_EXPORT Disk final : public BlockDevice {
 public:
  /// Opens the image at `path` and its parents. Errors: those of FileSystem::Open and File::Lock;
  /// kInvalidArgument (an option that is for reading only, for writing; an option that does not fit
  /// the image); kCorrupt with the rule; kNotFound with rule "parent.missing" (the sentence names
  /// the parent and says where it was looked for); kUnsupported. Opening for writing reads the
  /// whole BAT of the image, and refuses an image that breaks a rule which forbids writing
  /// (severity kReadOnly).
  static Result<std::unique_ptr<Disk>> Open(FileSystem& files, const std::string& path,
                                            const OpenOptions& options = {});
  ~Disk() override;

  /// Number of images in the chain, including the one that was opened.
  size_t chain_length() const;
  /// The image at `depth` as it was when it was opened; 0 is the one that is written, which a
  /// Snapshot has made since if there was one. Since the first write the GUIDs, the state of the
  /// log and the size of its file are others: Inspect reads them.
  const ImageInfo& image_at_open(size_t depth) const;

  const std::string& name() const override;
  uint64_t size_bytes() const override;
  uint32_t logical_sector_size() const override;
  uint32_t physical_sector_size() const override;
  bool writable() const override;
  using BlockDevice::Read;
  using BlockDevice::Write;
  Result<void> Read(uint64_t disk_offset, std::span<const MutableByteSpan> buffers) override;
  Result<void> Write(uint64_t disk_offset, std::span<const ByteSpan> buffers,
                     WriteFlag flag) override;
  Result<void> WriteZeroes(DiskRange range) override;
  Result<void> Trim(DiskRange range) override;
  Result<void> Flush() override;
  /// The list ends before a block that cannot be resolved (its entry is broken, or cannot be read);
  /// the call fails if that is the first. If the disk is being written, the result may be out of
  /// date when it is returned.
  Result<std::vector<Extent>> Extents(DiskRange range, size_t max_extents) override;
  Result<uint64_t> NextData(DiskRange range) override;
  /// Fails with kCorrupt, rule bat.entry.overlap or bat.bitmap.overlap, if two blocks of one image
  /// of the chain have their data in the same space of the file: one of them then reads as the
  /// other. Reads all BATs; meant to be called before the whole disk is read. Of a disk that is
  /// being written the image itself is left out: its writer sees to that. Errors: kIo.
  Result<void> RefuseSharedSpace();
  Result<void> CloneTo(DiskRange range, File& target, uint64_t file_offset) override;
  /// The range must consist of whole logical sectors, else kUnsupported.
  Result<void> CloneFrom(uint64_t disk_offset, BlockDevice& source,
                         DiskRange source_range) override;
  bool Uses(const FileIdentity& file) const override;
  const std::string& FileOf(uint32_t depth) const override;

  /// Also writes all metadata to its place, marks the log as empty, and truncates the file to its
  /// last structure. The destructor does the same, but any error is lost.
  Result<void> Close() override;
  /// Statistics about writing, since the disk was opened.
  EngineCounters counters() const;

 private:
  class VHDXKIT_HIDDEN State;
  friend class FrozenDisk;
  friend Result<std::unique_ptr<Disk>> OpenDisk(FileSystem& files, const std::string& path,
                                                const OpenOptions& options,
                                                const WriteLimits& limits);
  explicit Disk(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace vhdx

#endif  // VHDXKIT_DISK_H_
