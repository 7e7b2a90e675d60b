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

#include <new>

namespace vhdx {

/// The exception that is being handled, as an error; call it inside a catch block only. Memory that
/// ran out is kNoMemory, with empty strings, so that this needs none. Anything else is kInternal
/// with the words of the exception: it came from a callback of the caller, or is a defect.
std::unexpected<Error> CaughtException() noexcept;

/// Does the work, a function that returns a Result, and catches what it throws. For work after
/// which something has to be given back or undone.
template <typename Work>
auto Caught(Work&& work) -> decltype(work()) try {
  return work();
} catch (...) {
  return CaughtException();
}

/// The result as it is. Where an error is not passed on, but taken for a fact about a file, such as
/// that it is no image: memory that ran out is no such fact, and is thrown as std::bad_alloc.
template <typename T>
Result<T> ThrowIfNoMemory(Result<T> result) {
  if (!result && result.error().code == ErrorCode::kNoMemory) throw std::bad_alloc();
  return result;
}

}  // namespace vhdx

#endif  // VHDXKIT_BYTES_BORDER_H_
