// New GUIDs: version 4, variant 1 of RFC 9562, from random bytes.

#ifndef VHDXKIT_IO_RANDOM_GUID_H_
#define VHDXKIT_IO_RANDOM_GUID_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/guid.h>

#include <functional>

namespace vhdx {

/// Never zero, which would mean that there is none. `fill` fills a buffer with random bytes.
/// Errors: those of `fill`.
Result<Guid> RandomGuid(const std::function<Result<void>(MutableByteSpan)>& fill);

/// The same from a file system's random bytes. Errors: kIo.
Result<Guid> RandomGuid(FileSystem& files);

}  // namespace vhdx

#endif  // VHDXKIT_IO_RANDOM_GUID_H_
