// RangeReader: how the parsers of this folder see a range of a disk.
//
// The contents are hostile and may be cut off anywhere, so a read that does not fit into the range
// yields nothing, which is not an error. An error of the disk itself is kept, and every read after
// it yields nothing: a parser need not look at it, and ends soon. Whoever made the reader asks for
// that error at the end.

#ifndef VHDXKIT_GUEST_RANGE_READER_H_
#define VHDXKIT_GUEST_RANGE_READER_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/error.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "bytes/endian.h"

namespace vhdx::guest {

class RangeReader {
 public:
  explicit RangeReader(BlockDevice& disk) : RangeReader(disk, {0, disk.size_bytes()}) {}
  /// The part of `range` that is inside the disk. Offsets below count from its start.
  RangeReader(BlockDevice& disk, DiskRange range);

  uint64_t size_bytes() const { return range_.length_bytes; }

  /// The bytes, if the range has all of them.
  std::optional<std::vector<std::byte>> Read(uint64_t offset, size_t length);

  /// The first bytes of the range, with zeros for those past its end.
  std::vector<std::byte> ReadHead(size_t length);

  /// The structure at that offset, if the range has all of it.
  template <OnDisk T>
  std::optional<T> Load(uint64_t offset) {
    const auto bytes = Read(offset, sizeof(T));
    return bytes ? std::optional(LoadFrom<T>(*bytes)) : std::nullopt;
  }

  /// The first error of the disk, if there was one. Call it once, at the end.
  Result<void> Finish();

 private:
  bool Fill(uint64_t offset, MutableByteSpan buffer);

  BlockDevice& disk_;
  DiskRange range_;
  Result<void> status_;
};

}  // namespace vhdx::guest

#endif  // VHDXKIT_GUEST_RANGE_READER_H_
