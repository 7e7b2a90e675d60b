// How much a random test does: VHDXKIT_SCALE in the environment divides its counts, for runs under
// sanitizers, which are many times slower.

#ifndef VHDXKIT_TESTING_SCALE_H_
#define VHDXKIT_TESTING_SCALE_H_

#include <cstdint>

namespace vhdx::testing {

/// The divisor, 1 where none is set.
uint64_t Scale();

/// `count` divided by it, at least 1.
uint64_t Scaled(uint64_t count);

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_SCALE_H_
