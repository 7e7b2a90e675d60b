#include "image/table_padding.h"

#include <algorithm>
#include <optional>

#include "bytes/try.h"
#include "format/layout.h"
#include "image/bat_scan.h"

namespace vhdx {
namespace {

constexpr uint64_t kEntriesPerPage = format::kBatEntriesPerPage;

// The last bitmap entry is live, although padding may come before it.
std::optional<uint64_t> LastBitmapIndex(const BatRules& bat_rules) {
  if (!bat_rules.has_parent()) return std::nullopt;
  return bat_rules.geometry().BitmapIndex(bat_rules.geometry().chunk_count() - 1);
}

// An entry of the page that is live; only the last ones may share a page with padding.
std::optional<uint64_t> LiveEntryOf(const BatRules& bat_rules, uint64_t page) {
  const format::BatGeometry& geometry = bat_rules.geometry();
  const uint64_t payload = geometry.PayloadIndex(geometry.payload_block_count() - 1);
  if (payload / kEntriesPerPage == page) return payload;
  const auto bitmap = LastBitmapIndex(bat_rules);
  return bitmap && *bitmap / kEntriesPerPage == page ? bitmap : std::nullopt;
}

}  // namespace

Result<std::vector<uint64_t>> DirtyPadding(Image& image, const format::BatGeometry& larger) {
  const BatRules& bat_rules = image.block_map().rules();
  const auto last_bitmap = LastBitmapIndex(bat_rules);
  const uint64_t first =
      bat_rules.geometry().PayloadIndex(bat_rules.geometry().payload_block_count());
  const uint64_t end = std::min(larger.EntryCountWithParent(),
                                image.info().bat_region.length_bytes / format::kBatEntrySize);
  std::vector<uint64_t> pages;
  if (first >= end) return pages;
  const FileRange padding{bat_rules.EntryOffset(first), (end - first) * format::kBatEntrySize};
  VHDX_TRY(ScanRawBat(image.file(), padding, [&](uint64_t number, uint64_t) -> Result<void> {
    const uint64_t index = first + number;
    if (index == last_bitmap) return {};
    const uint64_t page = index / kEntriesPerPage;
    if (pages.empty() || pages.back() != page) pages.push_back(page);
    return {};
  }));
  return pages;
}

// A page with a live entry goes through the log. Nothing points at the others: nobody has logged
// them, and nobody reads them before the disk is larger.
Result<void> ClearPadding(Image& image, const std::vector<uint64_t>& pages) {
  Journal& journal = image.writer()->journal();
  for (const uint64_t page : pages) {
    const auto live = LiveEntryOf(image.block_map().rules(), page);
    if (live) {
      // As it is; the page is encoded without its padding.
      const auto entry = VHDX_TRY(image.block_map().Entry(*live));
      VHDX_TRY(journal.Apply({.entry = MetadataChange::Entry{*live, entry}}));
      continue;
    }
    const FileRange range{image.block_map().PageOffset(page), format::kLogSectorSize};
    VHDX_TRY(image.writer()->file().ZeroRange(range));
    journal.NoteWrite();
  }
  return {};
}

}  // namespace vhdx
