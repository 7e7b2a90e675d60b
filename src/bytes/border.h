// The border of the library: each public function that returns a Result catches here whatever
// was thrown below it, so that no exception reaches the caller or ends a thread.
//
//   Result<void> Disk::Flush() try {
//     …
//   } catch (...) {
//     return CaughtException();
//   }

#ifndef VHDXKIT_BYTES_BORDER_H_
#define VHDXKIT_BYTES_BORDER_H_

#include <vhdxkit/error.h>

namespace vhdx {

/// The exception that is being handled, as an error; call it inside a catch block only. Memory that
/// ran out is kNoMemory, with empty strings, so that this needs none. Anything else is kInternal
/// with the words of the exception: it came from a callback of the caller, or is a defect.
std::unexpected<Error> CaughtException() noexcept;

}  // namespace vhdx

#endif  // VHDXKIT_BYTES_BORDER_H_
