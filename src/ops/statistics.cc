#include <vhdxkit/statistics.h>

#include "bytes/border.h"
#include "bytes/try.h"
#include "disk/open_image.h"
#include "guest/disk_contents.h"
#include "image/claims.h"

namespace vhdx {
Result<BlockStatistics> CountBlocks(FileSystem& files, const std::string& path,
                                    const ImageOptions& options,
                                    const OperationControl& control) try {
  Findings findings;
  auto image = VHDX_TRY(OpenImage(files, path, options, findings));
  auto claims = VHDX_TRY(ScanClaims(image->file(), image->block_map().rules(), findings, control));
  return claims.blocks;
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
