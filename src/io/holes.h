// Keeping and filling the holes of a file.

#ifndef VHDXKIT_IO_HOLES_H_
#define VHDXKIT_IO_HOLES_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>

namespace vhdx {

/// Zeroes the allocated parts of the range; holes stay holes. Does nothing past the end of the
/// file. Errors: kIo, kNoSpace.
Result<void> ZeroData(File& file, FileRange range);

/// Allocates the holes in the range; their bytes stay zero. Space that was allocated but never
/// written counts as a hole too, and costs nothing. Does nothing past the end of the file. Errors:
/// kIo, kNoSpace.
Result<void> AllocateHoles(File& file, FileRange range);

/// Copies what is not a hole of `source`, as far as the file goes, to the same place of a range
/// that begins at `target` and does not overlap it. Errors: kIo, kNoSpace.
Result<void> CopyData(File& file, FileRange source, uint64_t target);

/// Whether every byte of the range is zero; holes are not read, and there is nothing past the end
/// of the file. Errors: kIo.
Result<bool> ReadsAsZeros(File& file, FileRange range);

/// Makes the range read as zeros, and frees its space if the host can. Errors: those of
/// File::ZeroRange.
Result<void> PunchOrZero(File& file, FileRange range);

}  // namespace vhdx

#endif  // VHDXKIT_IO_HOLES_H_
