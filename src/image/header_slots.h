// The two headers of a file that is being written, and their updates ([MS-VHDX] 2.2.2.1).

#ifndef VHDXKIT_IMAGE_HEADER_SLOTS_H_
#define VHDXKIT_IMAGE_HEADER_SLOTS_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/image_info.h>

#include <cstddef>

#include "image/durable_state.h"

namespace vhdx {

class HeaderSlots {
 public:
  /// `current` is stored in the slot `current_slot`, 0 or 1; the other slot may hold anything.
  HeaderSlots(File& file, DurableState& durability, const HeaderInfo& current, size_t current_slot)
      : file_(file), durability_(durability), current_(current), slot_(current_slot) {}

  const HeaderInfo& current() const { return current_; }

  /// Brings both slots to these values, one after the other, each durable before anything else
  /// happens: whichever is lost, the other says the same. Sequence number and checksum are made
  /// here. Errors: kNoSpace, after which the same update is to be tried again; all others poison
  /// the disk: kIo, kUnsupported (the sequence numbers are used up).
  Result<void> Update(HeaderInfo values);

 private:
  Result<void> UpdateOne(HeaderInfo values);

  File& file_;
  DurableState& durability_;
  HeaderInfo current_;
  size_t slot_;
};

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_HEADER_SLOTS_H_
