// The bytes that a fuzzer made up, taken apart from the front. What is missing at the end reads as
// zeros, so that every input means something.

#ifndef VHDXKIT_FUZZ_INPUT_H_
#define VHDXKIT_FUZZ_INPUT_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "bytes/endian.h"

namespace vhdx::fuzz {

class Input {
 public:
  explicit Input(std::span<const std::byte> bytes) : rest_(bytes) {}
  Input(const uint8_t* data, size_t size) : rest_(std::as_bytes(std::span(data, size))) {}

  bool empty() const { return rest_.empty(); }
  std::span<const std::byte> rest() const { return rest_; }

  /// The next bytes: as many as are wanted, or as there are.
  std::span<const std::byte> TakeUpTo(size_t count) {
    const auto taken = rest_.first(std::min(count, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }

  /// The next `count` bytes, with zeros for those that are missing.
  std::vector<std::byte> Take(size_t count) {
    const auto taken = TakeUpTo(count);
    std::vector<std::byte> bytes(taken.begin(), taken.end());
    bytes.resize(count);
    return bytes;
  }

  template <OnDisk T>
  T Take() {
    return LoadFrom<T>(Take(sizeof(T)));
  }

 private:
  std::span<const std::byte> rest_;
};

}  // namespace vhdx::fuzz

#endif  // VHDXKIT_FUZZ_INPUT_H_
