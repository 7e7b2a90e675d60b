#include "fuzz/mutation.h"

#include <algorithm>

namespace vhdx::fuzz {

uint64_t Choices::Border(const std::vector<uint64_t>& known) {
  uint64_t value = 0;
  switch (Below(known.empty() ? 3 : 6)) {
    case 0:
      break;
    case 1:
      value = ~uint64_t{0};
      break;
    case 2:
      value = uint64_t{1} << Below(64);
      break;
    default:
      value = known[Below(known.size())];
      break;
  }
  constexpr uint64_t kUnits[] = {0, 0, 1, 512, 4096, 65536, 1 << 20};
  const uint64_t beside = kUnits[Below(std::size(kUnits))];
  return OneIn(2) ? value + beside : value - beside;
}

void Mutate(std::vector<std::byte>& bytes, size_t max_size) {
  const size_t size = bytes.size();
  bytes.resize(std::max(size, max_size));
  // libFuzzer speaks of uint8_t; both are plain bytes.
  bytes.resize(LLVMFuzzerMutate(reinterpret_cast<uint8_t*>(bytes.data()), size, bytes.size()));
}

}  // namespace vhdx::fuzz
