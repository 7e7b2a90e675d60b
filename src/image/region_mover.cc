#include "image/region_mover.h"

#include <algorithm>

#include "bytes/arithmetic.h"
#include "bytes/try.h"
#include "format/layout.h"
#include "image/claims.h"
#include "image/structure_pages.h"
#include "io/holes.h"

namespace vhdx {
namespace {

const RegionInfo& RegionOf(const Image& image, MovedRegion region) {
  return region == MovedRegion::kBat ? image.info().bat_region : image.info().metadata_region;
}

// What of the region is to be copied: of the BAT nothing after the last entry of the disk.
FileRange ContentsOf(Image& image, MovedRegion region) {
  if (region == MovedRegion::kMetadata) {
    return {image.info().metadata_region.file_offset, image.info().metadata_region.length_bytes};
  }
  const BatRules& bat_rules = image.block_map().rules();
  return {bat_rules.bat_offset(), bat_rules.entry_count() * format::kBatEntrySize};
}

// The session has just begun: no page of the region is dirty or only in the log, so the file has
// all of it.
Result<void> Switch(Image& image, MovedRegion region, const Space::Allocation& space) {
  ImageWriter& writer = *image.writer();
  Journal& journal = writer.journal();
  VHDX_TRY(journal.Apply({.allocated = space.range}));
  if (space.contents == Space::Contents::kStale) {
    VHDX_TRY(writer.file().ZeroRange(space.range));
  }
  VHDX_TRY(CopyData(writer.file(), ContentsOf(image, region), space.range.file_offset));
  // The region, and the length of the file, are durable before anything names it.
  journal.NoteWrite();
  VHDX_TRY(journal.Flush());
  const Guid& guid =
      region == MovedRegion::kBat ? format::kBatRegionGuid : format::kMetadataRegionGuid;
  auto pages = VHDX_TRY(PagesWithRegion(image, guid, space.range));
  VHDX_TRY(journal.Replace(pages));
  VHDX_TRY(journal.Flush());
  return writer.Close();
}

Result<bool> HasPlaceBefore(ImageOpener& opener, MovedRegion region) {
  const auto image = VHDX_TRY(opener.Look());
  Findings findings;
  const auto claims = VHDX_TRY(ScanClaims(image->file(), image->block_map().rules(), findings));
  const RegionInfo& info = RegionOf(*image, region);
  return std::ranges::any_of(claims.space.Unclaimed(info.file_offset), [&](const FileRange& free) {
    return free.length_bytes >= info.length_bytes;
  });
}

}  // namespace

Result<void> MoveBat(ImageOpener& opener, uint64_t length_bytes) {
  const auto image = VHDX_TRY(opener.Open());
  Journal& journal = image->writer()->journal();
  // A copy of the region table that was repaired is an entry of its own.
  VHDX_TRY(journal.Flush());
  const auto space = VHDX_TRY(journal.Allocate(AlignUp(length_bytes, format::kAlignment)));
  return Switch(*image, MovedRegion::kBat, space);
}

// Without beginning a session where there is nothing to do.
Result<bool> MoveRegionDown(ImageOpener& opener, MovedRegion region) {
  const bool has_place = VHDX_TRY(HasPlaceBefore(opener, region));
  if (!has_place) return false;
  const auto image = VHDX_TRY(opener.Open());
  Journal& journal = image->writer()->journal();
  VHDX_TRY(journal.Flush());
  const RegionInfo& info = RegionOf(*image, region);
  const auto space = journal.AllocateBelow(info.length_bytes, info.file_offset);
  if (!space) {
    VHDX_TRY(image->writer()->Close());
    return false;
  }
  VHDX_TRY(Switch(*image, region, *space));
  return true;
}

}  // namespace vhdx
