// A disk that is written at random, and what it has to hold: plain bytes, kept beside it for the
// blocks that are written.
//
// Threads share the blocks: each owns one slice of every block, and whoever changes a whole block
// keeps the others out meanwhile. Slices end anywhere, so that neighbours meet inside of sectors.

#ifndef VHDXKIT_TESTS_MODEL_DISK_H_
#define VHDXKIT_TESTS_MODEL_DISK_H_

#include <vhdxkit/disk.h>

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <shared_mutex>
#include <string>
#include <utility>
#include <vector>

#include "image/write_limits.h"
#include "testing/image_layout.h"
#include "testing/image_spec.h"
#include "testing/memory_file_system.h"
#include "testing/page_image.h"

namespace vhdx::tests {

struct ModelShape {
  Subformat subformat = Subformat::kDynamic;
  unsigned chain_length = 1;
  uint32_t sector_size = 512;
  uint64_t block_size = kMiB;
  unsigned threads = 1;
};

std::string Describe(const ModelShape& shape);

/// One block that is written.
struct ModelBlock {
  uint64_t number = 0;
  DiskRange range;                        ///< of the disk, without what lies past its end
  std::vector<uint64_t> slice_ends = {};  ///< one for each thread, from the start of the block
  std::vector<testing::PageImage> slices = {};  ///< what they hold
  std::shared_mutex mutex = {};                 ///< held alone by whoever changes more than a slice
};

class ModelDisk {
 public:
  ModelDisk(const ModelShape& shape, uint64_t seed);

  const ModelShape& shape() const { return shape_; }
  Disk& device() { return *device_; }
  std::vector<std::unique_ptr<ModelBlock>>& blocks() { return blocks_; }

  /// Errors of the disk.
  Result<void> Open();
  Result<void> Close();
  /// Closes the disk and changes entries of blocks that read as zeros to other states that do, as
  /// other programs leave them.
  Result<void> CloseAndChangeStates(std::mt19937_64& random);

  /// The entry of the BAT as it stands in the file: the state of a block once all is flushed.
  uint64_t EntryInFile(const ModelBlock& block) const;
  /// "" or a sentence on the first bytes of any block that are wrong.
  std::string CompareAll(std::mt19937_64& random);
  /// "" or what a check of the closed file finds.
  std::string Check();

  /// Bytes that the model has there, in one slice.
  static std::vector<std::byte> Expected(const ModelBlock& block, size_t slice, DiskRange range);

 private:
  void Build(std::mt19937_64& random);
  std::vector<testing::ImageSpec> Specs(std::mt19937_64& random) const;
  void AddBlock(uint64_t number, const testing::PageImage& initial, std::mt19937_64& random);
  std::string CompareSlice(const ModelBlock& block, size_t slice, std::mt19937_64& random);

  const ModelShape shape_;
  const std::string path_ = "/vm/disk0.vhdx";
  testing::MemoryFileSystem files_;
  WriteLimits limits_;
  uint64_t disk_size_ = 0;
  std::vector<uint64_t> numbers_;
  testing::ImageLayout layout_;
  std::vector<std::unique_ptr<ModelBlock>> blocks_;
  std::unique_ptr<Disk> device_;
};

}  // namespace vhdx::tests

#endif  // VHDXKIT_TESTS_MODEL_DISK_H_
