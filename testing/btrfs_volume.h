// A Btrfs file system of one device, as small as its readers need it: for tests, and as a seed of
// the fuzzer. Blocks and sectors have 4 KiB; checksums are right; what is not said to be in use is
// zeros.

#ifndef VHDXKIT_TESTING_BTRFS_VOLUME_H_
#define VHDXKIT_TESTING_BTRFS_VOLUME_H_

#include <vhdxkit/block_device.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "testing/guest_disk.h"
#include "testing/memory_contents.h"

namespace vhdx::testing {

/// Offsets in the superblock.
enum class BtrfsField : uint16_t {
  kFlags = 56,
  kGeneration = 72,
  kLogTree = 96,
  kTotalBytes = 112,
  kUsedBytes = 120,
  kDeviceCount = 136,
  kSystemChunksBytes = 160,
  kReadOnlyFeatures = 180,
  kIncompatibleFeatures = 188,
  kChecksumType = 196,
  kChunkLevel = 199,
  kDeviceId = 201,
  kDeviceTotalBytes = 209,
  kDeviceUsedBytes = 217,
};

struct BtrfsVolumeOptions {
  bool block_group_tree = false;  ///< block groups are in a tree of their own
};

class BtrfsVolume {
 public:
  static constexpr uint64_t kBytes = uint64_t{80} << 20;
  static constexpr uint64_t kSuperblock = 65536;
  static constexpr uint64_t kCopy = uint64_t{64} << 20;
  static constexpr uint64_t kBlockBytes = 4096;
  // The trees: where a copy of the root of each is on the device. The extent tree has two leaves.
  static constexpr uint64_t kChunkRoot = uint64_t{2} << 20;
  static constexpr uint64_t kRootTree = uint64_t{8} << 20;
  static constexpr uint64_t kDeviceTree = kRootTree + kBlockBytes;
  static constexpr uint64_t kExtentRoot = kRootTree + 3 * kBlockBytes;
  static constexpr uint64_t kFirstExtentLeaf = kRootTree + 4 * kBlockBytes;
  static constexpr uint64_t kLastExtentLeaf = kRootTree + 5 * kBlockBytes;
  static constexpr uint64_t kBlockGroupTree = kRootTree + 7 * kBlockBytes;
  static constexpr size_t kHeaderBytes = 101;  ///< of each block; its items follow, of 25 bytes

  explicit BtrfsVolume(BtrfsVolumeOptions options = {});

  const GuestDisk& disk() const { return disk_; }
  GuestDisk& disk() { return disk_; }
  /// What is free of the device.
  const std::vector<DiskRange>& free() const { return free_; }

  /// Changes a field of the superblock, and makes its checksum right.
  void Set(BtrfsField field, uint64_t value, size_t bytes = 8);
  /// Copies the superblock to the place of its copy.
  void CopySuperblock();
  /// Changes a block of a tree, and makes its checksum right. Only that copy of it.
  void ChangeBlock(uint64_t disk_offset, const std::function<void(std::span<std::byte>)>& change);
  /// Where the data of an item of a leaf is in its block.
  size_t DataOf(uint64_t disk_offset, size_t item) const;

 private:
  void WriteSuperblock(const BtrfsVolumeOptions& options);

  GuestDisk disk_;
  std::vector<DiskRange> free_;
};

/// Makes the checksums right of the superblocks and of everything that could be a block of a tree.
void FixBtrfsChecksums(MemoryContents& contents);

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_BTRFS_VOLUME_H_
