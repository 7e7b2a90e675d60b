#include "tests/random_blocks.h"

#include <algorithm>

#include "bytes/arithmetic.h"

namespace vhdx::tests {

testing::BlockSpec WithEnds(testing::BlockSpec block) {
  block.content = testing::BlockContent::kEnds;
  return block;
}

std::vector<testing::SectorRun> RandomRuns(std::mt19937_64& random, uint32_t sector_size) {
  const uint64_t sectors = 128 * kKiB / sector_size;
  std::vector<testing::SectorRun> runs;
  for (uint64_t at = random() % 8; at < sectors;) {
    const uint64_t count = std::min(1 + random() % 12, sectors - at);
    runs.push_back({at, count});
    at += count + 1 + random() % 40;
  }
  return runs;
}

}  // namespace vhdx::tests
