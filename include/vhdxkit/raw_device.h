// vhdx::RawDevice: a raw file or block device as a BlockDevice. Offsets in the disk and in the file
// are equal.
//
// The bytes past the end of the file, up to the next multiple of a sector, are padding.

#ifndef VHDXKIT_RAW_DEVICE_H_
#define VHDXKIT_RAW_DEVICE_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/error.h>
#include <vhdxkit/export.h>
#include <vhdxkit/file.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace vhdx {

class RequestGate;  // internal

class VHDXKIT_EXPORT RawDevice final : public BlockDevice {
 public:
  /// Of a file, which does not say; and of a block device, unless that has sectors of
  /// kLargeSectorSize.
  static constexpr uint32_t kSectorSize = 512;
  static constexpr uint32_t kLargeSectorSize = 4096;

  /// Takes ownership of the file. The size of the disk is the size of the file at this time,
  /// rounded up to a multiple of kSectorSize; the added bytes read as zeros. Errors: kIo.
  static Result<std::unique_ptr<RawDevice>> Open(std::unique_ptr<File> file);

  /// The same, but the caller keeps ownership and must keep the file open while the device exists.
  static Result<std::unique_ptr<RawDevice>> OnFile(File& file);
  ~RawDevice() override;

  const std::string& name() const override;
  uint64_t size_bytes() const override;
  uint32_t logical_sector_size() const override;
  uint32_t physical_sector_size() const override;
  bool writable() const override;
  using BlockDevice::Read;
  using BlockDevice::Write;
  Result<void> Read(uint64_t disk_offset, std::span<const MutableByteSpan> buffers) override;
  /// Errors also: kInvalidArgument if something else than zeros is written to the padding.
  Result<void> Write(uint64_t disk_offset, std::span<const ByteSpan> buffers,
                     WriteFlag flag) override;
  Result<void> WriteZeroes(DiskRange range) override;
  Result<void> Trim(DiskRange range) override;
  Result<void> Flush() override;
  Result<void> Close() override;
  Result<std::vector<Extent>> Extents(DiskRange range, size_t max_extents) override;
  Result<uint64_t> NextData(DiskRange range) override;
  bool Uses(const FileIdentity& file) const override;
  Result<void> CloneTo(DiskRange range, File& target, uint64_t file_offset) override;
  Result<void> CloneFrom(uint64_t disk_offset, BlockDevice& source,
                         DiskRange source_range) override;

 private:
  /// The part of a range of the disk that is in the file.
  FileRange InFile(DiskRange range) const;
  Result<void> WriteUpToPadding(FileRange in_file, DiskRange range,
                                std::span<const ByteSpan> buffers);
  RawDevice(File& file, uint64_t file_size);

  std::unique_ptr<RequestGate> gate_;
  std::unique_ptr<File> owned_file_;
  File& file_;
  uint64_t file_size_;
};

}  // namespace vhdx

#endif  // VHDXKIT_RAW_DEVICE_H_
