// Holes of a file, and what is done to leave or to fill them.

#ifndef VHDXKIT_IO_HOLES_H_
#define VHDXKIT_IO_HOLES_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>

namespace vhdx {

/// What of the range the host has as data becomes zeros; what is a hole stays one. Nothing happens
/// behind the end of the file. Errors: kIo, kNoSpace.
Result<void> ZeroData(File& file, FileRange range);

/// The host allocates what of the range it has as a hole; its bytes stay as they are, zeros. What
/// was allocated and never written counts as a hole too, and costs nothing. Nothing happens behind
/// the end of the file. Errors: kIo, kNoSpace.
Result<void> AllocateHoles(File& file, FileRange range);

}  // namespace vhdx

#endif  // VHDXKIT_IO_HOLES_H_
