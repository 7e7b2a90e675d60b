// What the blocks of a disk hold to begin with, where a test writes them at random.

#ifndef VHDXKIT_TESTS_RANDOM_BLOCKS_H_
#define VHDXKIT_TESTS_RANDOM_BLOCKS_H_

#include <cstdint>
#include <random>
#include <vector>

#include "testing/image_spec.h"

namespace vhdx::tests {

/// Of the BAT, in a page that the log carries.
inline constexpr uint64_t kEntriesPerPage = 512;

/// Blocks with zeros between their ends cost next to nothing.
testing::BlockSpec WithEnds(testing::BlockSpec block);

/// Sectors in the first 128 KiB of a block, where the models look.
std::vector<testing::SectorRun> RandomRuns(std::mt19937_64& random, uint32_t sector_size);

}  // namespace vhdx::tests

#endif  // VHDXKIT_TESTS_RANDOM_BLOCKS_H_
