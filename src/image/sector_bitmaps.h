// The sector bitmaps of a differencing image ([MS-VHDX] 2.4): which sectors of a partially present
// block are in this file.
//
// 4 KiB pages of bits are read when needed, and some are kept; the memory used is bounded. Pages
// are numbered as if the bitmaps of all chunks lay one after the other, 256 pages each, wherever
// they are in the file. Any number of threads.

#ifndef VHDXKIT_IMAGE_SECTOR_BITMAPS_H_
#define VHDXKIT_IMAGE_SECTOR_BITMAPS_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/error.h>
#include <vhdxkit/file.h>

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "bytes/mutex.h"
#include "format/bat.h"
#include "image/block_map.h"

namespace vhdx {

class SectorBitmaps {
 public:
  /// Both outlive the bitmaps; `file` is read through (the replayed one).
  SectorBitmaps(File& file, BlockMap& block_map) : file_(file), block_map_(block_map) {}

  /// Sectors that come from the same place.
  struct Run {
    bool in_this_file = false;
    uint64_t length_bytes = 0;
  };

  /// The run that holds disk_offset, from there on: at most max_length bytes, and never past the
  /// end of a page of bits (32768 sectors) or of the chunk. The block is partially present. Errors:
  /// kIo; kCorrupt: bat.entry.partial-without-bitmap, or the rule that the bitmap's entry breaks.
  Result<Run> RunAt(uint64_t disk_offset, uint64_t max_length);

  // For the writer of the image. SetBits and NoteCheckpointed are called with the commit lock held.
  // Readers see a page before or after a change.

  /// What becomes of the bits of a block that are not set.
  enum class OtherBits : uint8_t { kKeep, kClear };
  /// The pages of one block, as they were when they were loaded.
  class LoadedPages;
  /// Loads the pages of the block of `range`, which lies in one block whose chunk has a bitmap.
  /// Errors: kIo, kCorrupt.
  Result<LoadedPages> LoadPages(DiskRange range);
  /// Brings them up to date for SetBits, reading nothing. False if a page has changed since and is
  /// not in memory any more: they are then to be loaded again. Nobody changes a page until SetBits.
  bool Refresh(LoadedPages& loaded);
  /// Sets the bits of the range that they were loaded for; adds the numbers of the pages that
  /// changed. Reads nothing.
  void SetBits(const LoadedPages& loaded, OtherBits others, std::vector<uint64_t>& changed);
  struct PageRange {
    uint64_t first = 0;
    uint64_t end = 0;  ///< after the last
  };
  /// The pages that have the bits of a range that lies in one block.
  PageRange PagesOf(DiskRange range) const;
  /// Where a page is in the file. Its chunk has a bitmap. Errors: kIo, kCorrupt.
  Result<uint64_t> PageOffset(uint64_t page_number) const;
  /// Whether every sector of the block is in this file. Errors: kIo.
  Result<bool> AllSet(uint64_t block);
  /// Encodes a changed page as it is to be logged and checkpointed.
  void EncodePage(uint64_t page_number, std::span<std::byte, format::kLogSectorSize> bytes);
  /// The page was written in place with these bytes. If it has not changed since, it is no longer
  /// kept in memory.
  void NoteCheckpointed(uint64_t page_number,
                        std::span<const std::byte, format::kLogSectorSize> bytes);

 private:
  static constexpr uint64_t kPageSize = format::kLogSectorSize;
  static constexpr uint64_t kBitsPerPage = kPageSize * 8;
  static constexpr uint64_t kPagesPerChunk = format::kSectorBitmapBlockSize / kPageSize;
  static constexpr size_t kShardCount = 16;
  static constexpr size_t kPagesPerShard = 64;  // 4 MiB in all

  using Page = std::array<uint64_t, kPageSize / sizeof(uint64_t)>;
  using PagePointer = std::shared_ptr<const Page>;

  // The oldest page goes when a shard is full: walks touch a page many times in a row and never
  // again.
  struct Shard {
    Mutex mutex;
    std::unordered_map<uint64_t, PagePointer> pages VHDX_GUARDED_BY(mutex);
    // Those that the file does not have yet; they stay.
    std::unordered_map<uint64_t, PagePointer> changed VHDX_GUARDED_BY(mutex);
    std::deque<uint64_t> order VHDX_GUARDED_BY(mutex);
    uint64_t changes VHDX_GUARDED_BY(mutex) = 0;

    /// The newest page that is in memory, or null.
    PagePointer Find(uint64_t page_number) const VHDX_REQUIRES(mutex);
    void Keep(uint64_t page_number, PagePointer page) VHDX_REQUIRES(mutex);
  };

  struct LoadedPage {
    uint64_t number = 0;
    PagePointer page;
    uint64_t changes = 0;  // of its shard, before it was loaded
  };

  // The bits of one block.
  struct Slice {
    uint64_t first_bit = 0;  // of all bitmaps
    uint64_t bit_count = 0;
  };

  Shard& ShardOf(uint64_t page_number) { return shards_[page_number % kShardCount]; }
  Result<PagePointer> GetPage(uint64_t page_number);
  Result<PagePointer> ReadPage(uint64_t page_number);
  Slice SliceOf(uint64_t block) const;

  File& file_;
  BlockMap& block_map_;
  std::array<Shard, kShardCount> shards_;
};

class SectorBitmaps::LoadedPages {
 private:
  friend class SectorBitmaps;
  DiskRange range_;
  Slice slice_;
  std::vector<LoadedPage> pages_;
};

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_SECTOR_BITMAPS_H_
