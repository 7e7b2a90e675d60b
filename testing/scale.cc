#include "testing/scale.h"

#include <algorithm>
#include <cstdlib>

namespace vhdx::testing {

uint64_t Scale() {
  const char* text = std::getenv("VHDXKIT_SCALE");
  const uint64_t scale = text == nullptr ? 1 : std::strtoull(text, nullptr, 10);
  return std::max<uint64_t>(scale, 1);
}

uint64_t Scaled(uint64_t count) { return std::max<uint64_t>(count / Scale(), 1); }

}  // namespace vhdx::testing
