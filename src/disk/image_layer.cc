#include "disk/image_layer.h"

#include <algorithm>
#include <cstdint>

#include "bytes/try.h"
#include "format/bat.h"
#include "image/block_map.h"
#include "image/claims.h"
#include "image/image_writer.h"
#include "image/sector_bitmaps.h"

namespace vhdx {
namespace {

// `find_blocks(block, max_count)` gives the run of blocks that starts at one.
template <typename FindBlocks>
Result<Layer::Piece> FindInImage(Image& image, DiskRange range, FindBlocks&& find_blocks) {
  using Where = Layer::Piece::Where;
  const format::BatGeometry& geometry = image.geometry();
  const uint64_t within = geometry.OffsetInBlock(range.disk_offset);
  const uint64_t block = geometry.BlockOf(range.disk_offset);
  const BatCursor::Run run =
      VHDX_TRY(find_blocks(block, geometry.BlockOf(range.end() - 1) - block + 1));
  const uint64_t length = std::min(range.length_bytes, run.count * geometry.block_size() - within);
  const uint64_t file_offset = run.block.file_offset + within;
  switch (run.block.kind) {
    case Block::Kind::kPresent:
      return Layer::Piece{Where::kHere, length, file_offset};
    case Block::Kind::kZero:
      return Layer::Piece{Where::kZero, length};
    case Block::Kind::kPartial: {
      const SectorBitmaps::Run sectors =
          VHDX_TRY(image.sector_bitmaps().RunAt(range.disk_offset, length));
      if (!sectors.in_this_file) return Layer::Piece{Where::kBelow, sectors.length_bytes};
      return Layer::Piece{Where::kHere, sectors.length_bytes, file_offset};
    }
    case Block::Kind::kNotPresent:
      break;
  }
  return Layer::Piece{Where::kBelow, length};
}

class ImageWalk final : public Layer::Walk {
 public:
  explicit ImageWalk(Image& image) : image_(image), cursor_(image.block_map()) {}

  Result<Layer::Piece> Find(DiskRange range) override {
    return FindInImage(image_, range, [this](uint64_t block, uint64_t max_count) {
      return cursor_.RunAt(block, max_count);
    });
  }

 private:
  Image& image_;
  BatCursor cursor_;
};

}  // namespace

Result<Layer::Piece> ImageLayer::Find(DiskRange range) {
  // One block at a time: what is asked for is rarely longer.
  const auto find_block = [this](uint64_t block, uint64_t) -> Result<BatCursor::Run> {
    const Block found = VHDX_TRY(image_->block_map().PayloadBlock(block));
    return BatCursor::Run{found, 1};
  };
  return FindInImage(*image_, range, find_block);
}

std::unique_ptr<Layer::Walk> ImageLayer::NewWalk() { return std::make_unique<ImageWalk>(*image_); }

Result<void> ImageLayer::RefuseSharedSpace() {
  return vhdx::RefuseSharedSpace(image_->file(), image_->block_map().rules());
}

void ImageLayer::CountInto(EngineCounters& counters) const {
  if (const ImageWriter* const writer = image_->writer()) writer->CountInto(counters);
}

}  // namespace vhdx
