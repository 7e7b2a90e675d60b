#include "format/transitions.h"

#include <algorithm>
#include <utility>

namespace vhdx::format {
namespace {

using Step = Transition::Step;
using Order = Transition::Order;

template <typename... Values>
constexpr uint8_t SetOf(Values... values) {
  return static_cast<uint8_t>((0U | ... | (1U << std::to_underlying(values))));
}

constexpr uint8_t kNotPresent = SetOf(PayloadState::kNotPresent);
constexpr uint8_t kZero = SetOf(PayloadState::kZero);
constexpr uint8_t kForgotten =
    SetOf(PayloadState::kUndefined, PayloadState::kUnmapped, PayloadState::kOldUnmapped);
constexpr uint8_t kFull = SetOf(PayloadState::kFullyPresent);
constexpr uint8_t kPartial = SetOf(PayloadState::kPartiallyPresent);

constexpr uint8_t kFixed = SetOf(Subformat::kFixed);
constexpr uint8_t kDynamic = SetOf(Subformat::kDynamic);
constexpr uint8_t kChild = SetOf(Subformat::kDifferencing);

constexpr uint8_t kWrite = SetOf(BlockRequest::kWrite);
constexpr uint8_t kZeroes = SetOf(BlockRequest::kZeroes);
constexpr uint8_t kTrim = SetOf(BlockRequest::kTrim);

constexpr uint8_t kWhole = SetOf(BlockPart::kWhole);
constexpr uint8_t kPart = SetOf(BlockPart::kPart);

constexpr PayloadState kToFull = PayloadState::kFullyPresent;
constexpr PayloadState kToPartial = PayloadState::kPartiallyPresent;
constexpr PayloadState kToZero = PayloadState::kZero;
constexpr PayloadState kToUnmapped = PayloadState::kUnmapped;

constexpr TransitionRow kTable[] = {
    // Bytes.
    {kFull, kFixed | kDynamic | kChild, kWrite, kWhole | kPart, {Step::kInPlace, kToFull}, "stays"},
    {kPartial,
     kChild,
     kWrite,
     kWhole | kPart,
     {Step::kInPlace, kToPartial, true, Order::kPayloadFirst},
     "stays; once every bit is set, the state is 6"},
    {kNotPresent | kZero | kForgotten,
     kFixed | kDynamic,
     kWrite,
     kWhole | kPart,
     {Step::kAllocate, kToFull, false, Order::kIfStale},
     "zeros"},
    {kNotPresent,
     kChild,
     kWrite,
     kWhole,
     {Step::kAllocate, kToFull, false, Order::kPayloadFirst},
     "none; before its bytes are durable, the parent's are there"},
    {kNotPresent,
     kChild,
     kWrite,
     kPart,
     {Step::kAllocate, kToPartial, true, Order::kPayloadFirst},
     "the parent's: its bits are cleared"},
    {kZero | kForgotten,
     kChild,
     kWrite,
     kWhole | kPart,
     {Step::kAllocate, kToFull, false, Order::kIfStale},
     "zeros, not the parent's: so not 7"},
    // Zeros in a part of a block, or in a block that has to keep its space.
    {kFull, kDynamic | kChild, kZeroes | kTrim, kPart, {Step::kInPlace, kToFull}, "stays"},
    {kFull,
     kFixed,
     kZeroes | kTrim,
     kWhole | kPart,
     {Step::kInPlace, kToFull},
     "stays; a fixed disk keeps every block"},
    {kPartial,
     kChild,
     kZeroes | kTrim,
     kPart,
     {Step::kInPlace, kToPartial, true, Order::kPayloadFirst},
     "stays; once every bit is set, the state is 6"},
    {kNotPresent | kZero | kForgotten,
     kFixed,
     kZeroes | kTrim,
     kWhole | kPart,
     {Step::kNothing},
     "reads as zeros"},
    {kNotPresent | kZero | kForgotten,
     kDynamic,
     kZeroes | kTrim,
     kPart,
     {Step::kNothing},
     "reads as zeros"},
    {kZero | kForgotten, kChild, kZeroes | kTrim, kPart, {Step::kNothing}, "reads as zeros"},
    {kNotPresent,
     kChild,
     kZeroes | kTrim,
     kPart,
     {Step::kAllocate, kToPartial, true, Order::kPayloadFirst},
     "the parent's: its bits are cleared"},
    // A whole block.
    {kNotPresent, kDynamic, kZeroes | kTrim, kWhole, {Step::kNothing}, "none; it reads as zeros"},
    {kZero, kDynamic | kChild, kZeroes | kTrim, kWhole, {Step::kNothing}, "none"},
    {kNotPresent,
     kChild,
     kZeroes | kTrim,
     kWhole,
     {Step::kFree, kToZero},
     "none; never 0, which is the parent's"},
    {kForgotten,
     kDynamic | kChild,
     kZeroes,
     kWhole,
     {Step::kFree, kToZero},
     "none; what was asked for is said"},
    {kForgotten, kDynamic, kTrim, kWhole, {Step::kFreeIfAllocated, kToUnmapped}, "none"},
    {kForgotten, kChild, kTrim, kWhole, {Step::kFreeIfAllocated, kToZero}, "none"},
    {kFull | kPartial, kDynamic | kChild, kZeroes, kWhole, {Step::kFree, kToZero}, "none"},
    {kFull, kDynamic, kTrim, kWhole, {Step::kFree, kToUnmapped}, "none"},
    {kFull | kPartial,
     kChild,
     kTrim,
     kWhole,
     {Step::kFree, kToZero},
     "none; never 0, which is the parent's"},
};

}  // namespace

bool TransitionRow::Covers(Subformat disk, PayloadState state, BlockRequest request,
                           BlockPart part) const {
  return (from & SetOf(state)) != 0 && (disks & SetOf(disk)) != 0 &&
         (requests & SetOf(request)) != 0 && (parts & SetOf(part)) != 0;
}

std::span<const TransitionRow> TransitionTable() { return kTable; }

const Transition& TransitionOf(Subformat disk, PayloadState from, BlockRequest request,
                               BlockPart part) {
  return std::ranges::find_if(
             kTable,
             [&](const TransitionRow& row) { return row.Covers(disk, from, request, part); })
      ->transition;
}

}  // namespace vhdx::format
