// The extents of a disk, one after the other, without ever holding all of them.

#ifndef VHDXKIT_OPS_EXTENT_WALK_H_
#define VHDXKIT_OPS_EXTENT_WALK_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/error.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace vhdx {

class ExtentWalk {
 public:
  /// The device outlives the walk; the range lies inside it.
  ExtentWalk(BlockDevice& device, DiskRange range)
      : device_(device), position_(range.disk_offset), end_(range.end()) {}

  /// What is left of the current extent; nothing at the end of the range. Errors: those of Extents.
  Result<std::optional<Extent>> Peek();

  /// Goes on by that many bytes, which are not more than Peek gave.
  void Skip(uint64_t length_bytes);

  /// Peek, and Skip all of it.
  Result<std::optional<Extent>> Next();

 private:
  static constexpr size_t kExtentsAtATime = 1024;

  BlockDevice& device_;
  uint64_t position_;  // after the last extent that was fetched
  uint64_t end_;
  std::vector<Extent> extents_;
  size_t current_ = 0;
};

}  // namespace vhdx

#endif  // VHDXKIT_OPS_EXTENT_WALK_H_
