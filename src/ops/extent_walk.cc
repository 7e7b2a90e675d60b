#include "ops/extent_walk.h"

#include <cassert>
#include <utility>

#include "bytes/try.h"

namespace vhdx {

Result<std::optional<Extent>> ExtentWalk::Peek() {
  if (current_ == extents_.size()) {
    if (position_ == end_) return std::nullopt;
    auto extents = VHDX_TRY(device_.Extents({position_, end_ - position_}, kExtentsAtATime));
    extents_ = std::move(extents);
    current_ = 0;
    position_ = extents_.back().range.end();
  }
  return extents_[current_];
}

void ExtentWalk::Skip(uint64_t length_bytes) {
  assert(current_ < extents_.size() && length_bytes <= extents_[current_].range.length_bytes);
  Extent& extent = extents_[current_];
  extent.range.disk_offset += length_bytes;
  extent.range.length_bytes -= length_bytes;
  if (extent.place) extent.place->file_offset += length_bytes;
  if (extent.range.length_bytes == 0) ++current_;
}

Result<std::optional<Extent>> ExtentWalk::Next() {
  auto extent = Peek();
  if (extent && *extent) Skip((*extent)->range.length_bytes);
  return extent;
}

}  // namespace vhdx
