// The BAT of one open image: the location of each block.
//
// Pages of 512 entries are read on first use and kept; an entry is read with one atomic 64-bit
// load, so reads take no lock. All pages of zeros share one page. Walks over the whole disk use a
// BatCursor, which reads ahead, skips holes of the file and keeps nothing. Any number of threads.

#ifndef VHDXKIT_IMAGE_BLOCK_MAP_H_
#define VHDXKIT_IMAGE_BLOCK_MAP_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bytes/try.h"
#include "format/bat.h"
#include "image/bat_rules.h"

namespace vhdx {

/// What a block is to a reader.
struct Block {
  enum class Kind : uint8_t {
    kNotPresent,  ///< ask the parent; zeros if there is none
    kZero,        ///< reads as zeros, whatever the parent contains
    kPresent,     ///< all of it is in this file
    kPartial,     ///< the sectors whose bits are set are in this file
  };
  Kind kind = Kind::kNotPresent;
  uint64_t file_offset = 0;  ///< kPresent, kPartial

  friend bool operator==(const Block&, const Block&) = default;
};

class BlockMap {
 public:
  /// `file` is the replayed file and outlives the map.
  BlockMap(File& file, BatRules bat_rules);
  ~BlockMap();
  BlockMap(const BlockMap&) = delete;
  BlockMap& operator=(const BlockMap&) = delete;

  const BatRules& rules() const { return rules_; }
  const format::BatGeometry& geometry() const { return rules_.geometry(); }

  /// The block with this number. Errors: kIo; kCorrupt with the rule that its entry breaks.
  Result<Block> PayloadBlock(uint64_t block) {
    auto entry = VHDX_TRY(Entry(geometry().PayloadIndex(block)));
    return ToBlock(entry);
  }

  /// The file offset of a chunk's sector bitmap block; 0 if it has none. Errors: as above.
  Result<uint64_t> BitmapBlockOffset(uint64_t chunk);

  /// The entry at an index, checked, as it is kept: reserved bits cleared. Errors: as above.
  Result<format::BatEntry> Entry(uint64_t index) {
    const Page* page = pages_[index / format::kBatEntriesPerPage].load(std::memory_order_acquire);
    if (page != nullptr) [[likely]] {
      const uint64_t raw =
          page->entries[index % format::kBatEntriesPerPage].load(std::memory_order_relaxed);
      if ((raw & kRefused) == 0) [[likely]]
        return format::BatEntry(raw);
    }
    return EntrySlowly(index);
  }

  /// The file offset of a block that is completely in this file. 0 if it is not, or if finding out
  /// takes more than a lookup in a loaded page.
  uint64_t OffsetIfPresent(uint64_t block) const {
    const uint64_t index = geometry().PayloadIndex(block);
    const Page* page = pages_[index / format::kBatEntriesPerPage].load(std::memory_order_acquire);
    if (page == nullptr) return 0;
    const format::BatEntry entry(
        page->entries[index % format::kBatEntriesPerPage].load(std::memory_order_relaxed));
    const bool present = entry.state() == format::PayloadState::kFullyPresent;
    return present && (entry.raw() & kRefused) == 0 ? entry.file_offset() : 0;
  }

  static Block ToBlock(format::BatEntry entry);

  /// The file has another length from now on. Meanwhile nobody asks for a block; the geometry may
  /// be asked for.
  void SetFileSize(uint64_t file_size) { rules_.set_file_size(file_size); }

  /// Where a page of 512 entries is in the file.
  uint64_t PageOffset(uint64_t page_index) const {
    return rules_.bat_offset() + page_index * format::kLogSectorSize;
  }

  // For the writer of the image. Setting an entry requires a reference to the block, the journal's
  // lock, and that the page of the entry has been made ready.

  /// Loads the page of an entry and makes it changeable. Errors: kIo; kCorrupt with the rule that
  /// an entry of the page breaks, since the whole page is going to be written.
  Result<void> MakeReady(uint64_t index);
  void SetEntry(uint64_t index, format::BatEntry entry);
  /// The page as it will be written to the file.
  void EncodePage(uint64_t page_index, std::span<std::byte, format::kLogSectorSize> bytes) const;

 private:
  friend class BatCursor;

  struct Page {
    std::array<std::atomic<uint64_t>, format::kBatEntriesPerPage> entries{};
    std::atomic<bool> checked = false;  // nothing in it is refused: it may be written
  };
  using RawPage = std::array<uint64_t, format::kBatEntriesPerPage>;

  // Set in an entry that breaks a rule and must not be used; the bit is reserved in the file and
  // cleared in every entry that is kept.
  static constexpr uint64_t kRefused = 1 << 3;

  Result<format::BatEntry> EntrySlowly(uint64_t index);
  Result<Page*> LoadPage(uint64_t page_index);
  Result<void> ReadRawPages(uint64_t first_page, std::span<std::byte> bytes);
  uint64_t Normalize(BatSlot slot, uint64_t raw) const;
  RawPage NormalizePage(uint64_t page_index, std::span<const std::byte> bytes) const;
  Error Diagnose(uint64_t index, format::BatEntry entry) const;

  File& file_;
  BatRules rules_;
  Page zero_page_;  // never changed
  std::vector<std::atomic<Page*>> pages_;
  std::atomic<bool> changed_ = false;  // loaded pages may be newer than the file
};

/// Walks the payload blocks in order without keeping the BAT in memory. One thread.
class BatCursor {
 public:
  explicit BatCursor(BlockMap& map) : map_(map) {}

  struct Run {
    Block block;         ///< of the first; if present, the others follow it in the file
    uint64_t count = 0;  ///< blocks, at least 1
  };

  /// The run of blocks of one kind that starts at this block, at most max_count of them. A partial
  /// block is a run of its own. Errors: as BlockMap::PayloadBlock.
  Result<Run> RunAt(uint64_t block, uint64_t max_count);

 private:
  static constexpr uint64_t kPagesAhead = 64;

  // Entries [first_index_, first_index_ + entries_.size()), normalized; none at all in a hole of
  // the file.
  Result<void> Load(uint64_t index);
  void AppendPage(uint64_t page, std::span<const std::byte> bytes);
  Result<uint64_t> RawEntry(uint64_t index);

  BlockMap& map_;
  uint64_t first_index_ = 0;
  uint64_t end_index_ = 0;  // after the last entry that is loaded
  bool hole_ = false;       // all of them are zero
  std::vector<uint64_t> entries_;
  uint64_t next_window_ = 1;  // pages to load next
  Run last_run_;              // the last result of RunAt, complete, and where it starts
  uint64_t last_run_start_ = 0;
};

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_BLOCK_MAP_H_
