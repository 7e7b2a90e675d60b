// What becomes of a payload block when a request changes it (docs/format.md, section 9.5), as one
// table: the writer does what it says, the document prints it, and tests walk through it.

#ifndef VHDXKIT_FORMAT_TRANSITIONS_H_
#define VHDXKIT_FORMAT_TRANSITIONS_H_

#include <vhdxkit/image_info.h>

#include <cstdint>
#include <span>
#include <string_view>

#include "format/bat.h"

namespace vhdx::format {

enum class BlockRequest : uint8_t {
  kWrite,   ///< bytes, also those of another file
  kZeroes,  ///< it is to read as zeros
  kTrim,    ///< the same, and its contents are of no use to anybody
};

/// How much of a block a request changes. What lies past the end of the disk does not count.
enum class BlockPart : uint8_t { kWhole, kPart };

struct Transition {
  enum class Step : uint8_t {
    kNothing,          ///< the block reads as it is to already
    kInPlace,          ///< written to the space that the block has
    kAllocate,         ///< written to new space, to which the entry then points
    kFree,             ///< the entry says how it reads, and its space, if any, is freed
    kFreeIfAllocated,  ///< the same, if it still points at space that it once used; else nothing
  };
  enum class Order : uint8_t {
    kAny,
    kIfStale,       ///< what was written is durable before the entry, unless the space had zeros
    kPayloadFirst,  ///< always: else what the parent has, or had, could come back
  };
  Step step = Step::kNothing;
  PayloadState to = PayloadState::kNotPresent;
  bool sets_bits = false;  ///< of the sectors that are changed; those of new space are all set or
                           ///< cleared
  Order order = Order::kAny;
};

/// One line of the table, for sets of states, disks, requests and parts; each combination is in
/// exactly one line.
struct TransitionRow {
  uint8_t from = 0;      ///< bit n: state n
  uint8_t disks = 0;     ///< bit n: the Subformat with that number
  uint8_t requests = 0;  ///< bit n: the BlockRequest with that number
  uint8_t parts = 0;     ///< bit n: the BlockPart with that number
  Transition transition;
  std::string_view rest;  ///< what becomes of the rest of the block, and why; for people

  bool Covers(Subformat disk, PayloadState state, BlockRequest request, BlockPart part) const;
};
std::span<const TransitionRow> TransitionTable();

/// The line for a block. The state is one that a block can have: any but kReserved, and
/// kPartiallyPresent only in a differencing disk.
const Transition& TransitionOf(Subformat disk, PayloadState from, BlockRequest request,
                               BlockPart part);

}  // namespace vhdx::format

#endif  // VHDXKIT_FORMAT_TRANSITIONS_H_
