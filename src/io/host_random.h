// Random bytes from the operating system.

#ifndef VHDXKIT_IO_HOST_RANDOM_H_
#define VHDXKIT_IO_HOST_RANDOM_H_

#include <vhdxkit/file.h>

namespace vhdx {

/// Suitable for keys. Errors: kIo, kUnsupported.
Result<void> FillWithHostRandom(MutableByteSpan bytes);

}  // namespace vhdx

#endif  // VHDXKIT_IO_HOST_RANDOM_H_
