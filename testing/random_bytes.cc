#include "testing/random_bytes.h"

#include <algorithm>
#include <cstring>

#include "testing/mix.h"

namespace vhdx::testing {

Result<void> RandomBytes::Fill(MutableByteSpan bytes) {
  while (!bytes.empty()) {
    const uint64_t word = Mix(state_ += 0x9e3779b97f4a7c15);
    const size_t length = std::min(bytes.size(), sizeof(word));
    std::memcpy(bytes.data(), &word, length);
    bytes = bytes.subspan(length);
  }
  return {};
}

}  // namespace vhdx::testing
