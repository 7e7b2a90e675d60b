// NewDisk: the contents of an image that is being made, in a new, empty file that nobody else uses.
//
// Blocks are allocated one after the other as they are first written, their entries are kept in
// memory, and Finish writes all structures. There is no log to write and nothing to sync, and a
// block that is never written takes no space. What is there can be read at any time. Any number of
// threads may use the device; Begin, SetSize and Finish are called by one.

#ifndef VHDXKIT_BUILDER_NEW_DISK_H_
#define VHDXKIT_BUILDER_NEW_DISK_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/error.h>
#include <vhdxkit/file.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "builder/new_image.h"
#include "bytes/mutex.h"
#include "bytes/request_gate.h"
#include "format/bat.h"

namespace vhdx {

class NewDisk final : public BlockDevice {
 public:
  /// Sets the length of the file, which outlives the disk, and fills the log with zeros that the
  /// host has really allocated: writing it later needs no space. A size of 0 in `image` means that
  /// it is not known yet: SetSize must then be called before Finish, and the BAT is placed after
  /// the blocks. Errors: kInvalidArgument (see CheckNewImage); those of File::Resize and WriteAt.
  static Result<std::unique_ptr<NewDisk>> Begin(File& file, NewImage image);

  /// Allocates blocks of a fixed disk as zeros; required for all blocks before anything is written.
  /// Errors: those of File::ZeroRange.
  Result<void> Allocate(DiskRange range);
  /// Sets the size of a disk that was begun without one. Nothing may have been written past it, and
  /// nobody uses the device meanwhile.
  void SetSize(uint64_t size_bytes);
  /// Sets the locator of a child, as long as the one that it was begun with.
  void SetLocator(std::vector<LocatorEntryInfo> entries) {
    image_.locator_entries = std::move(entries);
  }
  /// Waits for the requests under way, refuses others, and writes all structures. Errors: those of
  /// File.
  Result<void> Finish();
  /// Bytes of CloneFrom that were zeros, and were left out.
  uint64_t zeros_not_cloned() const { return zeros_not_cloned_; }

  const std::string& name() const override { return file_.name(); }
  uint64_t size_bytes() const override { return geometry_.virtual_disk_size(); }
  uint32_t logical_sector_size() const override { return geometry_.logical_sector_size(); }
  uint32_t physical_sector_size() const override { return image_.parameters.physical_sector_size; }
  bool writable() const override { return true; }
  using BlockDevice::Read;
  using BlockDevice::Write;
  Result<void> Read(uint64_t disk_offset, std::span<const MutableByteSpan> buffers) override;
  Result<void> Write(uint64_t disk_offset, std::span<const ByteSpan> buffers,
                     WriteFlag flag) override;
  Result<void> WriteZeroes(DiskRange range) override;
  Result<void> Trim(DiskRange range) override { return WriteZeroes(range); }
  /// Makes what was written durable, in a file that is no image before Finish.
  Result<void> Flush() override;
  Result<void> Close() override;
  Result<std::vector<Extent>> Extents(DiskRange range, size_t max_extents) override;
  Result<uint64_t> NextData(DiskRange range) override;
  bool Uses(const FileIdentity& file) const override { return file == file_.identity(); }
  Result<void> CloneTo(DiskRange range, File& target, uint64_t file_offset) override;
  /// Blocks that are all zeros in `source` are left out, as if they had been copied.
  Result<void> CloneFrom(uint64_t disk_offset, BlockDevice& source,
                         DiskRange source_range) override;

 private:
  // A part of a request that lies in one block.
  struct Part {
    uint64_t block = 0;
    uint64_t offset_in_block = 0;
    DiskRange range;
  };
  using BatPage = std::array<uint64_t, format::kBatEntriesPerPage>;

  NewDisk(File& file, NewImage image, bool size_is_known);

  bool is_fixed() const { return image_.parameters.leave_blocks_allocated; }
  Part FirstPart(DiskRange range) const;
  // Calls `use(const Part&)`, a Result<void>, for each part of the range in order, until one fails.
  template <typename Use>
  Result<void> ForEachPart(DiskRange range, Use&& use) const;
  uint64_t FixedBlockOffset(uint64_t block) const {
    return first_block_offset_ + geometry_.BlockStart(block);
  }
  /// The file offset of a block; 0: not allocated yet.
  uint64_t FindBlock(uint64_t block) VHDX_EXCLUDES(mutex_);
  /// The same; allocates the block if necessary.
  uint64_t AllocateBlock(uint64_t block) VHDX_EXCLUDES(mutex_);
  BatPage& PageOf(uint64_t index) VHDX_REQUIRES(mutex_);
  // The same as FindBlock, of a part, and all of it is in the file.
  Result<uint64_t> FindToRead(const Part& part) VHDX_EXCLUDES(mutex_);
  Result<void> CloneOne(const Part& part, BlockDevice& source, uint64_t source_offset);
  Result<void> WriteBat(FileRange bat) VHDX_EXCLUDES(mutex_);
  Result<void> WriteFixedBat(FileRange bat);
  Result<void> AllocateRestOfLastBlock();
  uint64_t FixedEntry(uint64_t index) const;

  RequestGate gate_;
  File& file_;
  NewImage image_;
  const bool size_is_known_;
  format::BatGeometry geometry_;
  NewImageLayout layout_;
  uint64_t first_block_offset_ = 0;
  std::atomic<uint64_t> zeros_not_cloned_ = 0;
  Mutex mutex_;
  uint64_t next_offset_ VHDX_GUARDED_BY(mutex_) = 0;  // where the next block goes
  uint64_t covered_ VHDX_GUARDED_BY(mutex_) = 0;      // the file has at least this length
  // Raw entries, page by page; pages without a block are absent.
  std::vector<std::unique_ptr<BatPage>> pages_ VHDX_GUARDED_BY(mutex_);
};

}  // namespace vhdx

#endif  // VHDXKIT_BUILDER_NEW_DISK_H_
