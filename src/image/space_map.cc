#include "image/space_map.h"

#include <algorithm>
#include <bit>

#include "bytes/arithmetic.h"
#include "format/layout.h"

namespace vhdx {
namespace {

constexpr uint64_t kUnit = format::kAlignment;
constexpr uint64_t kUnitsInWord = 64;
constexpr uint64_t kMaxBits = SpaceMap::kMaxFileSize / kUnit;

void AddUnclaimed(SpaceMap::Summary& summary, uint64_t first_unit, uint64_t end_unit) {
  if (first_unit >= end_unit) return;
  const FileRange range{first_unit * kUnit, (end_unit - first_unit) * kUnit};
  summary.unclaimed_bytes += range.length_bytes;
  if (summary.unclaimed.size() < SpaceMap::kMaxListed) summary.unclaimed.push_back(range);
}

}  // namespace

SpaceMap::SpaceMap(uint64_t file_size) : unit_count_(DivideRoundingUp(file_size, kUnit)) {
  if (unit_count_ <= kMaxBits) bits_.resize(DivideRoundingUp(unit_count_, kUnitsInWord));
}

bool SpaceMap::Claim(FileRange range) {
  const uint64_t first = range.file_offset / kUnit;
  const uint64_t count = DivideRoundingUp(range.file_offset % kUnit + range.length_bytes, kUnit);
  const uint64_t end = std::min(unit_count_, first + count);
  if (first >= end) return true;
  if (unit_count_ > kMaxBits) {
    claims_.push_back({first, end - first});
    return true;
  }
  bool free = true;
  for (uint64_t unit = first; unit < end; ++unit) {
    uint64_t& word = bits_[unit / kUnitsInWord];
    const uint64_t bit = uint64_t{1} << (unit % kUnitsInWord);
    free = free && (word & bit) == 0;
    word |= bit;
  }
  return free;
}

SpaceMap::Summary SpaceMap::Finish() {
  return unit_count_ > kMaxBits ? FinishClaims() : FinishBits();
}

void SpaceMap::Release(FileRange range) {
  const uint64_t end = (range.file_offset + range.length_bytes) / kUnit;
  for (uint64_t unit = range.file_offset / kUnit; unit < end; ++unit) {
    bits_[unit / kUnitsInWord] &= ~(uint64_t{1} << (unit % kUnitsInWord));
  }
}

bool SpaceMap::IsClaimed(FileRange range) const {
  const uint64_t end = (range.file_offset + range.length_bytes) / kUnit;
  if (end > unit_count_) return false;
  for (uint64_t unit = range.file_offset / kUnit; unit < end; ++unit) {
    if (((bits_[unit / kUnitsInWord] >> (unit % kUnitsInWord)) & 1) == 0) return false;
  }
  return true;
}

void SpaceMap::Grow(uint64_t file_size) {
  if (file_size <= unit_count_ * kUnit) return;
  unit_count_ = DivideRoundingUp(file_size, kUnit);
  bits_.resize(DivideRoundingUp(unit_count_, kUnitsInWord));
}

uint64_t SpaceMap::End() const {
  uint64_t last_word = bits_.size();
  while (last_word > 0 && bits_[last_word - 1] == 0) --last_word;
  if (last_word == 0) return 0;
  return (last_word * kUnitsInWord -
          static_cast<uint64_t>(std::countl_zero(bits_[last_word - 1]))) *
         kUnit;
}

template <typename Visit>
void SpaceMap::ForEachUnclaimed(uint64_t end_unit, Visit visit) const {
  for (uint64_t unit = 0; unit < end_unit;) {
    const uint64_t rest = ~bits_[unit / kUnitsInWord] >> (unit % kUnitsInWord);
    if (rest == 0) {
      unit = AlignDown(unit, kUnitsInWord) + kUnitsInWord;
      continue;
    }
    uint64_t free_end = unit += static_cast<uint64_t>(std::countr_zero(rest));
    while (free_end < end_unit &&
           ((bits_[free_end / kUnitsInWord] >> (free_end % kUnitsInWord)) & 1) == 0) {
      ++free_end;
    }
    if (unit < free_end) visit(unit, free_end);
    unit = free_end;
  }
}

std::vector<FileRange> SpaceMap::Unclaimed(uint64_t end) const {
  std::vector<FileRange> ranges;
  ForEachUnclaimed(std::min(end / kUnit, unit_count_), [&](uint64_t first, uint64_t behind) {
    ranges.push_back({first * kUnit, (behind - first) * kUnit});
  });
  return ranges;
}

SpaceMap::Summary SpaceMap::FinishBits() const {
  Summary summary;
  summary.end = End();
  ForEachUnclaimed(summary.end / kUnit,
                   [&](uint64_t first, uint64_t end) { AddUnclaimed(summary, first, end); });
  return summary;
}

SpaceMap::Summary SpaceMap::FinishClaims() {
  Summary summary;
  std::ranges::sort(claims_);
  uint64_t end_unit = 0;
  for (const auto& [first, count] : claims_) {
    if (first < end_unit && summary.overlaps.size() < kMaxListed) {
      summary.overlaps.push_back(
          {first * kUnit, (std::min(end_unit, first + count) - first) * kUnit});
    }
    AddUnclaimed(summary, end_unit, first);
    end_unit = std::max(end_unit, first + count);
  }
  summary.end = end_unit * kUnit;
  return summary;
}

}  // namespace vhdx
