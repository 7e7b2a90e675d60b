// Whether the host can read the sector bitmaps that an image needs ([MS-VHDX] 2.4).

#ifndef VHDXKIT_OPS_BITMAP_READS_H_
#define VHDXKIT_OPS_BITMAP_READS_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/operation.h>

#include <cstddef>
#include <vector>

#include "format/findings.h"
#include "image/block_map.h"

namespace vhdx {

/// Reads pages of bits, those that follow each other in one call. Each page that cannot be read is
/// a finding, file.unreadable.
class BitmapReads {
 public:
  /// Both outlive it.
  BitmapReads(File& file, Findings& findings) : file_(file), findings_(findings) {}

  /// The bits of a partially present block. They may not be read before Finish.
  /// Errors: those of File::ReadAt other than kIo.
  Result<void> Add(FileRange bits);
  Result<void> Finish();

 private:
  Result<void> ReadPages(FileRange pages);
  Result<void> ReadEachPage(FileRange pages);

  File& file_;
  Findings& findings_;
  FileRange pending_ = {};  // whole pages
  std::vector<std::byte> buffer_;
};

/// Reads the bits of all partially present blocks. Blocks whose entry, or whose chunk's, is broken
/// have findings of their own. Errors: as BitmapReads, and kIo (the BAT); kCancelled.
Result<void> ReadBitmaps(File& file, BlockMap& block_map, Findings& findings,
                         const OperationControl& control);

}  // namespace vhdx

#endif  // VHDXKIT_OPS_BITMAP_READS_H_
