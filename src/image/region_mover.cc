#include "image/region_mover.h"

#include "bytes/arithmetic.h"
#include "bytes/try.h"
#include "format/layout.h"
#include "image/structure_pages.h"
#include "io/holes.h"

namespace vhdx {
namespace {

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

}  // namespace

Result<void> MoveBat(ImageOpener& opener, uint64_t length_bytes) {
  const auto image = VHDX_TRY(opener.Open());
  Journal& journal = image->writer()->journal();
  // A copy of the region table that was repaired is an entry of its own.
  VHDX_TRY(journal.Flush());
  const auto space = VHDX_TRY(journal.Allocate(AlignUp(length_bytes, format::kAlignment)));
  return Switch(*image, MovedRegion::kBat, space);
}

Result<bool> MoveRegionDown(ImageOpener& opener, MovedRegion region) {
  const auto image = VHDX_TRY(opener.Open());
  Journal& journal = image->writer()->journal();
  VHDX_TRY(journal.Flush());
  const RegionInfo& info =
      region == MovedRegion::kBat ? image->info().bat_region : image->info().metadata_region;
  const auto space = journal.AllocateBelow(info.length_bytes, info.file_offset);
  if (!space) {
    VHDX_TRY(image->writer()->Close());
    return false;
  }
  VHDX_TRY(Switch(*image, region, *space));
  return true;
}

}  // namespace vhdx
