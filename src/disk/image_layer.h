// ImageLayer: a .vhdx file as a layer.

#ifndef VHDXKIT_DISK_IMAGE_LAYER_H_
#define VHDXKIT_DISK_IMAGE_LAYER_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/image_info.h>

#include <memory>
#include <utility>

#include "disk/layer.h"
#include "image/image.h"

namespace vhdx {

class ImageLayer final : public Layer {
 public:
  explicit ImageLayer(std::unique_ptr<Image> image) : image_(std::move(image)) {}

  Result<Piece> Find(DiskRange range) override;
  std::unique_ptr<Walk> NewWalk() override;
  Result<void> RefuseSharedSpace() override;
  File& file() override { return image_->file(); }
  const ImageInfo& info() const override { return image_->info(); }
  void CountInto(EngineCounters& counters) const override;
  Image* image() override { return image_.get(); }

 private:
  const std::unique_ptr<Image> image_;
};

}  // namespace vhdx

#endif  // VHDXKIT_DISK_IMAGE_LAYER_H_
