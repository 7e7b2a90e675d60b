// Sample disks for demonstrations and benchmarks.

#ifndef VHDXKIT_TESTING_SAMPLE_H_
#define VHDXKIT_TESTING_SAMPLE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "testing/image_spec.h"

namespace vhdx::testing {

struct SampleShape {
  uint64_t disk_size = 256 * kMiB;
  uint64_t block_size = 2 * kMiB;
  uint32_t logical_sector_size = 512;
  uint32_t data_percent = 25;  ///< of the blocks, spread evenly
  bool fixed = false;          ///< all blocks; data_percent does not count then
};

/// A disk with so much data, and a ZERO block here and there.
ImageSpec SampleDisk(const SampleShape& shape);

/// One file of a chain, by its name in a folder.
struct SampleFile {
  std::string name;
  ImageSpec spec;
};

/// base.vhdx, child.avhdx on it, leaf.avhdx on that, as Hyper-V's checkpoints leave them: the leaf
/// is last. With blocks written in whole and in part, and zeroed, in each layer.
std::vector<SampleFile> SampleChain(const SampleShape& shape);

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_SAMPLE_H_
