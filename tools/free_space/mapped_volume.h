// MappedVolume: a volume that is scattered over a device, in one piece: a linear logical volume. It
// is for reading alone.

#ifndef VHDXKIT_TOOLS_FREE_SPACE_MAPPED_VOLUME_H_
#define VHDXKIT_TOOLS_FREE_SPACE_MAPPED_VOLUME_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/error.h>
#include <vhdxkit/file.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tools/free_space/free_space.h"

namespace vhdx::free_space {

/// A part of a volume, and where it is on the device.
struct MappedSegment {
  uint64_t volume_offset = 0;
  uint64_t device_offset = 0;
  uint64_t length_bytes = 0;
  uint64_t volume_end() const { return volume_offset + length_bytes; }
  friend bool operator==(const MappedSegment&, const MappedSegment&) = default;
};

class MappedVolume final : public BlockDevice {
 public:
  /// The device must exist as long as the volume. The segments are in order of the volume, without
  /// gaps, from 0 on; each has a length, and is inside the device.
  MappedVolume(BlockDevice& device, std::vector<MappedSegment> segments, std::string name);
  ~MappedVolume() override;

  /// The same on the device, in order; ranges that touch there are joined.
  std::vector<DiskRange> OnDevice(std::span<const DiskRange> ranges) const;
  /// The same of what is free of the volume. Its unit is that of the volume, or a smaller one if
  /// segments are not whole numbers of it.
  FreeSpace OnDevice(const FreeSpace& space) const;

  const std::string& name() const override { return name_; }
  uint64_t size_bytes() const override;
  uint32_t logical_sector_size() const override { return device_.logical_sector_size(); }
  uint32_t physical_sector_size() const override { return device_.physical_sector_size(); }
  bool writable() const override { return false; }
  using BlockDevice::Read;
  using BlockDevice::Write;
  Result<void> Read(uint64_t disk_offset, std::span<const MutableByteSpan> buffers) override;
  Result<void> Write(uint64_t disk_offset, std::span<const ByteSpan> buffers,
                     WriteFlag flag) override;
  Result<void> WriteZeroes(DiskRange range) override;
  Result<void> Trim(DiskRange range) override;
  Result<void> Flush() override { return {}; }
  Result<std::vector<Extent>> Extents(DiskRange range, size_t max_extents) override;
  bool Uses(const FileIdentity& file) const override { return device_.Uses(file); }
  const std::string& FileOf(uint32_t depth) const override { return device_.FileOf(depth); }

 private:
  Result<void> CheckInside(DiskRange range) const;
  /// The parts of a range that is inside the volume, each in one segment, in the volume's order.
  std::vector<MappedSegment> Parts(DiskRange range) const;

  BlockDevice& device_;
  const std::vector<MappedSegment> segments_;
  const std::string name_;
};

}  // namespace vhdx::free_space

#endif  // VHDXKIT_TOOLS_FREE_SPACE_MAPPED_VOLUME_H_
