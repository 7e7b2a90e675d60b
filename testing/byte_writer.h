// ByteWriter: puts values at offsets into a buffer, as a table of a structure's fields reads.

#ifndef VHDXKIT_TESTING_BYTE_WRITER_H_
#define VHDXKIT_TESTING_BYTE_WRITER_H_

#include <algorithm>
#include <cstddef>
#include <span>
#include <string_view>

#include "bytes/endian.h"

namespace vhdx::testing {

class ByteWriter {
 public:
  explicit ByteWriter(std::span<std::byte> bytes) : bytes_(bytes) {}

  template <OnDisk T>
  void Put(size_t offset, const T& value) {
    StoreTo(bytes_.subspan(offset), value);
  }
  void PutBytes(size_t offset, std::span<const std::byte> bytes) {
    std::ranges::copy(bytes, bytes_.subspan(offset, bytes.size()).begin());
  }
  void PutText(size_t offset, std::string_view text) {
    PutBytes(offset, std::as_bytes(std::span(text)));
  }

 private:
  std::span<std::byte> bytes_;
};

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_BYTE_WRITER_H_
