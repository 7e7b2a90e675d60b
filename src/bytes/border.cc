#include "bytes/border.h"

#include <exception>
#include <new>
#include <stdexcept>
#include <string>

namespace vhdx {
namespace {

// Lets the exception being handled choose its error; may run out of memory itself.
Error Translate() {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return {.code = ErrorCode::kNoMemory};
  } catch (const std::length_error&) {  // a container that would be larger than memory can be
    return {.code = ErrorCode::kNoMemory};
  } catch (const std::exception& thrown) {
    return {.code = ErrorCode::kInternal,
            .sentence = "an exception ended the operation: " + std::string(thrown.what())};
  } catch (...) {
    return {.code = ErrorCode::kInternal,
            .sentence = "an exception of an unknown type ended the operation"};
  }
}

}  // namespace

std::unexpected<Error> CaughtException() noexcept {
  try {
    return std::unexpected(Translate());
  } catch (...) {
    return std::unexpected(Error{.code = ErrorCode::kNoMemory});
  }
}

}  // namespace vhdx
