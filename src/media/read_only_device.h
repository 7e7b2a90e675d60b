// What devices that can only be read have in common: all writing is refused, and all of the device
// is one extent of data, of which nobody knows where it is stored.

#ifndef VHDXKIT_MEDIA_READ_ONLY_DEVICE_H_
#define VHDXKIT_MEDIA_READ_ONLY_DEVICE_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/error.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace vhdx {

/// Implementations add Read.
class ReadOnlyDevice : public BlockDevice {
 public:
  const std::string& name() const final { return facts_.name; }
  uint64_t size_bytes() const final { return facts_.size_bytes; }
  uint32_t logical_sector_size() const final { return facts_.logical_sector_size; }
  uint32_t physical_sector_size() const final { return facts_.physical_sector_size; }
  bool writable() const final { return false; }

  using BlockDevice::Read;
  using BlockDevice::Write;
  Result<void> Write(uint64_t disk_offset, std::span<const ByteSpan> buffers, WriteFlag flag) final;
  Result<void> WriteZeroes(DiskRange range) final;
  Result<void> Trim(DiskRange range) final;
  Result<void> Flush() final { return {}; }
  Result<std::vector<Extent>> Extents(DiskRange range, size_t max_extents) final;
  bool Uses(const FileIdentity&) const final { return false; }

 protected:
  struct Facts {
    std::string name;
    uint64_t size_bytes = 0;
    uint32_t logical_sector_size = 512;
    uint32_t physical_sector_size = 512;
  };
  explicit ReadOnlyDevice(Facts facts) : facts_(std::move(facts)) {}

 private:
  const Facts facts_;
};

/// A range of another device, as a device.
class DeviceRange final : public ReadOnlyDevice {
 public:
  /// The part of `range` that is inside of the device, which must outlive this.
  DeviceRange(BlockDevice& device, DiskRange range);

  using ReadOnlyDevice::Read;
  Result<void> Read(uint64_t disk_offset, std::span<const MutableByteSpan> buffers) override;

 private:
  BlockDevice& device_;
  const uint64_t start_;
};

}  // namespace vhdx

#endif  // VHDXKIT_MEDIA_READ_ONLY_DEVICE_H_
