#include <vhdxkit/statistics.h>

#include <optional>
#include <utility>

#include "bytes/border.h"
#include "bytes/try.h"
#include "disk/open_image.h"
#include "guest/disk_contents.h"
#include "image/bat_scan.h"

namespace vhdx {
namespace {

using format::PayloadState;

class StateCounter {
 public:
  explicit StateCounter(const BatRules& bat_rules) : bat_rules_(bat_rules) {
    counts_.total = bat_rules.geometry().payload_block_count();
  }

  void Count(const ScannedEntry& scanned) {
    if (scanned.slot.kind != BatSlot::Kind::kPayload) return;
    switch (scanned.entry.state()) {
      case PayloadState::kFullyPresent:
        ++counts_.present;
        CountPlace(scanned.entry.file_offset());
        break;
      case PayloadState::kPartiallyPresent:
        ++counts_.partial;
        CountPlace(scanned.entry.file_offset());
        break;
      case PayloadState::kZero:
        ++counts_.zero;
        break;
      case PayloadState::kUnmapped:
      case PayloadState::kOldUnmapped:
        ++counts_.unmapped;
        break;
      case PayloadState::kUndefined:
      case PayloadState::kReserved:
        ++counts_.undefined;
        break;
      case PayloadState::kNotPresent:
        break;
    }
  }

  BlockStatistics Finish() {
    counts_.not_present = counts_.total - counts_.present - counts_.partial - counts_.zero -
                          counts_.unmapped - counts_.undefined;
    return counts_;
  }

 private:
  void CountPlace(uint64_t file_offset) {
    const uint64_t block_size = bat_rules_.geometry().block_size();
    const bool first = counts_.present + counts_.partial == 1;
    if (!first && file_offset != previous_end_) ++counts_.fragmented;
    previous_end_ = file_offset + block_size;
    if (!FitsInside(file_offset, block_size, bat_rules_.file_size())) ++counts_.beyond_end;
  }

  const BatRules& bat_rules_;
  BlockStatistics counts_;
  uint64_t previous_end_ = 0;
};

}  // namespace

Result<BlockStatistics> CountBlocks(FileSystem& files, const std::string& path,
                                    const ImageOptions& options,
                                    const OperationControl& control) try {
  Findings findings;
  auto image = VHDX_TRY(OpenImage(files, path, options, findings));
  StateCounter counter(image->block_map().rules());
  VHDX_TRY(ScanBat(image->file(), image->block_map().rules(),
                   [&](std::span<const ScannedEntry> entries) -> Result<void> {
                     if (control.cancelled()) {
                       return Fail(ErrorCode::kCancelled, "the count was cancelled");
                     }
                     for (const ScannedEntry& entry : entries) counter.Count(entry);
                     return {};
                   }));
  return counter.Finish();
} catch (...) {
  return CaughtException();
}

Result<DiskMinimum> MinimumSize(BlockDevice& disk) try {
  auto contents = VHDX_TRY(guest::ReadDiskContents(disk));
  return contents.MinimumSize();
} catch (...) {
  return CaughtException();
}

}  // namespace vhdx
