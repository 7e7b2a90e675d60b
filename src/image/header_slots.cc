#include "image/header_slots.h"

#include <limits>
#include <span>
#include <utility>

#include "bytes/try.h"
#include "format/header.h"
#include "format/layout.h"

namespace vhdx {

Result<void> HeaderSlots::Update(HeaderInfo values) {
  if (current_.sequence_number > std::numeric_limits<uint64_t>::max() - 2) {
    return durability_.Poison({.code = ErrorCode::kUnsupported,
                               .file = file_.name(),
                               .file_offset = format::kHeaderOffsets[slot_],
                               .sentence = "the sequence numbers of the headers are used up"});
  }
  // What we write is of the versions that we know, whatever an unused log was of.
  values.version = format::kVersion;
  values.log_version = format::kLogVersion;
  VHDX_TRY(UpdateOne(values));
  return UpdateOne(values);
}

Result<void> HeaderSlots::UpdateOne(HeaderInfo values) {
  VHDX_TRY(durability_.Check());
  values.sequence_number = current_.sequence_number + 1;
  auto header = format::EncodeHeader(values);
  if (!header) return durability_.Poison(std::move(header.error()));
  const size_t other = 1 - slot_;
  const std::span<const std::byte> bytes = std::as_bytes(std::span(&*header, 1));
  // Without space the slot that is not current holds what it held, or part of this: the next update
  // writes it again.
  VHDX_TRY(durability_.PoisonIfFailed(file_.WriteAt(format::kHeaderOffsets[other], bytes)));
  VHDX_TRY(durability_.Sync());
  values.checksum = header->checksum;
  current_ = values;
  slot_ = other;
  return {};
}

}  // namespace vhdx
