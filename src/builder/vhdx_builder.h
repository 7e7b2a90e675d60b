// VhdxBuilder: a new VHDX image.

#ifndef VHDXKIT_BUILDER_VHDX_BUILDER_H_
#define VHDXKIT_BUILDER_VHDX_BUILDER_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/image_info.h>
#include <vhdxkit/operation.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "builder/disk_builder.h"
#include "builder/new_disk.h"
#include "builder/new_image.h"

namespace vhdx {

struct NewVhdx {
  NewImage image;            ///< a size of 0 is not known yet
  bool preallocate = false;  ///< the file has no holes when it is complete
};

class VhdxBuilder final : public DiskBuilder {
 public:
  /// Writes the log and allocates the blocks of a fixed disk, as far as its size is known. Errors:
  /// kInvalidArgument (see CheckNewImage); kNoSpace, with what to do about it; kCancelled; those of
  /// StageTarget and File.
  static Result<std::unique_ptr<VhdxBuilder>> Begin(FileSystem& files, const std::string& path,
                                                    NewVhdx vhdx, BuildOptions options,
                                                    const OperationControl& control = {});

  BlockDevice& device() override { return *disk_; }
  Result<void> SetSize(uint64_t size_bytes) override;
  Result<void> NoteZeros(DiskRange range) override;
  uint64_t zeros_not_cloned() const override { return disk_->zeros_not_cloned(); }
  /// Sets the locator of a child, as long as the one that it was begun with.
  void SetLocator(std::vector<LocatorEntryInfo> entries) { disk_->SetLocator(std::move(entries)); }

 private:
  using DiskBuilder::DiskBuilder;
  Result<void> BeginDisk(NewVhdx vhdx, const OperationControl& control);
  Result<void> AllocateFixed(const OperationControl& control);
  Result<void> Finish(const OperationControl& control) override;

  bool is_fixed_ = false;
  bool preallocate_ = false;
  std::unique_ptr<NewDisk> disk_;
};

}  // namespace vhdx

#endif  // VHDXKIT_BUILDER_VHDX_BUILDER_H_
