// Moves blocks from the end of an image's file into the space that is free before them, so that the
// file can be cut.
//
// A block is copied; its copy is durable before its entry points there, and its old place is
// neither used nor punched before that entry is durable. What the disk reads never changes.

#ifndef VHDXKIT_IMAGE_BLOCK_MOVER_H_
#define VHDXKIT_IMAGE_BLOCK_MOVER_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/operation.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "image/bat_scan.h"
#include "image/image.h"
#include "image/write_limits.h"

namespace vhdx {

class BlockMover {
 public:
  /// A session of the image has begun, and nothing was changed yet; nobody else uses it.
  BlockMover(Image& image, const WriteLimits& limits);

  /// Called with the bytes that were moved.
  using OnMoved = std::function<void(uint64_t length_bytes)>;

  /// Moves what it can, from the end of the file on. Returns how many blocks it has moved, payload
  /// and sector bitmaps. All of it is durable. Errors: kCancelled, after which the image may be
  /// closed; those of Journal::Apply and Flush; kIo.
  Result<uint64_t> MoveDown(const OperationControl& control, const OnMoved& on_moved);

  /// Punches holes where nothing is, before the end of the last structure. Errors: kIo.
  Result<void> PunchFreeSpace();

 private:
  struct Item {
    uint64_t file_offset = 0;
    uint64_t index = 0;  // of its entry
    uint64_t length_bytes = 0;
    bool is_bitmap = false;
  };

  Result<std::vector<Item>> ItemsFrom(uint64_t file_offset);
  Result<bool> Move(const Item& item);
  Result<void> EndBatch();

  Image& image_;
  Journal& journal_;
  File& file_;
  const uint64_t most_in_batch_;
  std::vector<FileRange> left_;  // places of this batch that payload has left
  uint64_t batch_bytes_ = 0;
};

/// Where the file would end if no space before that was free.
uint64_t PackedEnd(Image& image);

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_BLOCK_MOVER_H_
