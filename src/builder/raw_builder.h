// RawBuilder: a new raw file, whose bytes are those of the disk.

#ifndef VHDXKIT_BUILDER_RAW_BUILDER_H_
#define VHDXKIT_BUILDER_RAW_BUILDER_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/operation.h>
#include <vhdxkit/raw_device.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "builder/disk_builder.h"

namespace vhdx {

class RawBuilder final : public DiskBuilder {
 public:
  /// A disk of that size, all of it a hole, or one whose size is not known yet. Errors: those of
  /// StageTarget and File::Resize.
  static Result<std::unique_ptr<RawBuilder>> Begin(FileSystem& files, const std::string& path,
                                                   std::optional<uint64_t> size_bytes,
                                                   BuildOptions options);

  BlockDevice& device() override { return *device_; }
  Result<void> SetSize(uint64_t size_bytes) override;

 private:
  using DiskBuilder::DiskBuilder;
  Result<void> Finish(const OperationControl&) override { return {}; }

  std::unique_ptr<File> growing_;  // what the device is on while the size is not known
  std::unique_ptr<RawDevice> device_;
};

}  // namespace vhdx

#endif  // VHDXKIT_BUILDER_RAW_BUILDER_H_
