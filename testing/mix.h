// The finaliser of SplitMix64: neighbours come out unlike each other.

#ifndef VHDXKIT_TESTING_MIX_H_
#define VHDXKIT_TESTING_MIX_H_

#include <cstdint>

namespace vhdx::testing {

inline uint64_t Mix(uint64_t value) {
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
  return value ^ (value >> 31);
}

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_MIX_H_
