// Takes the blocks at the end of a disk out of its BAT, as many at a time as one entry of the log
// can hold.

#ifndef VHDXKIT_IMAGE_BLOCK_FORGETTER_H_
#define VHDXKIT_IMAGE_BLOCK_FORGETTER_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>

#include <cstdint>
#include <vector>

#include "image/image.h"

namespace vhdx {

class BlockForgetter {
 public:
  /// The first `kept` blocks stay. A session of the image has begun, and nothing is dirty.
  BlockForgetter(Image& image, uint64_t kept);

  /// Sets entries to zero, from the last block on, and returns how many blocks are left. Nothing is
  /// durable yet: the disk may not be larger than these blocks in the entry of the log that has
  /// them. Errors: those of Journal::Apply; kUnsupported (the log is too short).
  Result<uint64_t> Forget();
  bool done() const { return left_ == kept_; }
  /// Punches holes where the blocks were; all that was forgotten is durable. Errors: those of
  /// ImageWriter::GiveBack.
  Result<void> GiveBack();

 private:
  Result<void> ForgetEntry(uint64_t index, uint64_t length_bytes, bool give_back);
  void NoteFreed(FileRange range);

  Image& image_;
  const uint64_t kept_;
  uint64_t left_;
  std::vector<FileRange> freed_;
};

/// How many blocks from `first` on have space in the file. Errors: those of BlockMap::PayloadBlock.
Result<uint64_t> CountPresent(Image& image, uint64_t first);

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_BLOCK_FORGETTER_H_
