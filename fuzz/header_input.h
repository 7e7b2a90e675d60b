// What the target header_fuzz takes.

#ifndef VHDXKIT_FUZZ_HEADER_INPUT_H_
#define VHDXKIT_FUZZ_HEADER_INPUT_H_

#include <array>
#include <cstddef>

#include "bytes/endian.h"
#include "format/header.h"

namespace vhdx::fuzz {

/// The file, and of each header all fields and the first of the reserved bytes; the others are
/// zeros.
struct HeaderInput {
  static constexpr size_t kHeaderBytes = 128;
  static_assert(kHeaderBytes > offsetof(format::Header, reserved));

  le64 file_size;
  std::array<std::array<std::byte, kHeaderBytes>, 2> headers;
};

}  // namespace vhdx::fuzz

#endif  // VHDXKIT_FUZZ_HEADER_INPUT_H_
