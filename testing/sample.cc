#include "testing/sample.h"

namespace vhdx::testing {
namespace {

constexpr uint64_t kZeroBlockEvery = 16;

uint64_t BlockCount(const ImageSpec& spec) {
  return DivideRoundingUp(spec.parameters.virtual_disk_size_bytes,
                          uint64_t{spec.parameters.block_size_bytes});
}

// Every block whose share of the percentage makes the next whole one.
bool IsData(uint64_t block, uint32_t percent) {
  return (block + 1) * percent / 100 > block * percent / 100;
}

SampleFile Checkpoint(const SampleFile& parent, const std::string& name) {
  SampleFile file{.name = name, .spec = ChildOf(parent.spec, ".\\" + parent.name)};
  const std::string path = "Hyper-V\\Virtual Hard Disks\\" + parent.name;
  file.spec.locator =
      HyperVLocator(parent.spec.data_write_guid,
                    {.absolute_win32_path = "C:\\" + path,
                     .relative_path = ".\\" + parent.name,
                     .volume_path = "\\\\?\\Volume{" + TestGuid(100).ToString() + "}\\" + path});
  return file;
}

// A session in a child: every `stride`th block from `first` on gets some sectors, one in four of
// these is written in whole, one in eight zeroed.
void AddSession(ImageSpec& spec, uint64_t first, uint64_t stride) {
  const uint64_t sectors = spec.parameters.block_size_bytes / spec.parameters.logical_sector_size;
  uint64_t visited = 0;
  for (uint64_t block = first; block < BlockCount(spec); block += stride, ++visited) {
    if (visited % 8 == 7) {
      spec.blocks.push_back(ZeroBlock(block));
    } else if (visited % 4 == 3) {
      spec.blocks.push_back(FullBlock(block));
    } else {
      spec.blocks.push_back(
          PartialBlock(block, {{0, 8}, {sectors / 4, sectors / 8}, {sectors - 16, 8}}));
    }
  }
}

}  // namespace

ImageSpec SampleDisk(const SampleShape& shape) {
  const DiskShape disk{.disk_size = shape.disk_size,
                       .block_size = shape.block_size,
                       .logical_sector_size = shape.logical_sector_size};
  if (shape.fixed) return FixedImage(disk);
  ImageSpec spec = DynamicImage(disk);
  for (uint64_t block = 0; block < BlockCount(spec); ++block) {
    if (IsData(block, shape.data_percent)) {
      spec.blocks.push_back(FullBlock(block));
    } else if (block % kZeroBlockEvery == kZeroBlockEvery / 2) {
      spec.blocks.push_back(ZeroBlock(block));
    }
  }
  return spec;
}

std::vector<SampleFile> SampleChain(const SampleShape& shape) {
  std::vector<SampleFile> files;
  files.push_back({.name = "base.vhdx", .spec = SampleDisk(shape)});
  files.push_back(Checkpoint(files[0], "child.avhdx"));
  AddSession(files[1].spec, 3, 7);
  files.push_back(Checkpoint(files[1], "leaf.avhdx"));
  AddSession(files[2].spec, 1, 13);
  return files;
}

}  // namespace vhdx::testing
