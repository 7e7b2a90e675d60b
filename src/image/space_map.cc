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

SpaceMap::Units SpaceMap::UnitsOf(FileRange range) const {
  const uint64_t first = range.file_offset / kUnit;
  const uint64_t count = DivideRoundingUp(range.file_offset % kUnit + range.length_bytes, kUnit);
  return {first, std::min(unit_count_, first + count)};
}

// Calls `visit` with the index of each word that has bits of the units, and with these bits, as
// long as it returns true. Whether it always did.
template <typename Visit>
bool SpaceMap::ForEachWord(Units units, Visit visit) {
  if (units.first >= units.end) return true;
  const uint64_t first = units.first / kUnitsInWord;
  const uint64_t last = (units.end - 1) / kUnitsInWord;
  const uint64_t first_mask = ~uint64_t{0} << (units.first % kUnitsInWord);
  const uint64_t last_mask = ~uint64_t{0} >> (kUnitsInWord - 1 - (units.end - 1) % kUnitsInWord);
  if (first == last) return visit(first, first_mask & last_mask);
  if (!visit(first, first_mask)) return false;
  for (uint64_t word = first + 1; word < last; ++word) {
    if (!visit(word, ~uint64_t{0})) return false;
  }
  return visit(last, last_mask);
}

bool SpaceMap::Claim(FileRange range) {
  const Units units = UnitsOf(range);
  if (units.first >= units.end) return true;
  if (unit_count_ > kMaxBits) {
    claims_.push_back({units.first, units.end - units.first});
    return true;
  }
  uint64_t claimed_before = 0;
  ForEachWord(units, [&](uint64_t word, uint64_t mask) {
    claimed_before |= bits_[word] & mask;
    bits_[word] |= mask;
    return true;
  });
  return claimed_before == 0;
}

bool SpaceMap::ClaimIfFree(FileRange range) {
  if (bits_.empty()) return Claim(range);
  const Units units = UnitsOf(range);
  uint64_t claimed_end = units.first;
  const bool is_free = ForEachWord(units, [&](uint64_t word, uint64_t mask) {
    if ((bits_[word] & mask) != 0) return false;
    bits_[word] |= mask;
    claimed_end = std::min(units.end, (word + 1) * kUnitsInWord);
    return true;
  });
  if (!is_free) ReleaseUnits({units.first, claimed_end});
  return is_free;
}

bool SpaceMap::Merge(const SpaceMap& other) {
  claims_.insert(claims_.end(), other.claims_.begin(), other.claims_.end());
  for (size_t word = 0; word < bits_.size(); ++word) {
    if ((bits_[word] & other.bits_[word]) != 0) return false;
  }
  for (size_t word = 0; word < bits_.size(); ++word) bits_[word] |= other.bits_[word];
  return true;
}

void SpaceMap::Release(FileRange range) { ReleaseUnits(UnitsOf(range)); }

void SpaceMap::ReleaseUnits(Units units) {
  ForEachWord(units, [&](uint64_t word, uint64_t mask) {
    bits_[word] &= ~mask;
    return true;
  });
}

bool SpaceMap::IsClaimed(FileRange range) const {
  const uint64_t end = (range.file_offset + range.length_bytes) / kUnit;
  if (end > unit_count_) return false;
  return ForEachWord({range.file_offset / kUnit, end},
                     [&](uint64_t word, uint64_t mask) { return (bits_[word] & mask) == mask; });
}

uint64_t SpaceMap::FirstClaimed(FileRange range) const {
  uint64_t first = 0;
  ForEachWord(UnitsOf(range), [&](uint64_t word, uint64_t mask) {
    const uint64_t claimed = bits_[word] & mask;
    if (claimed == 0) return true;
    first = word * kUnitsInWord + static_cast<uint64_t>(std::countr_zero(claimed));
    return false;
  });
  return first * kUnit;
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
  ForEachUnclaimed(std::min(end / kUnit, unit_count_), [&](uint64_t first, uint64_t end_unit) {
    ranges.push_back({first * kUnit, (end_unit - first) * kUnit});
  });
  return ranges;
}

SpaceMap::Summary SpaceMap::Summarize() {
  return unit_count_ > kMaxBits ? SummarizeClaims() : SummarizeBits();
}

SpaceMap::Summary SpaceMap::SummarizeBits() const {
  Summary summary;
  summary.end = End();
  ForEachUnclaimed(summary.end / kUnit,
                   [&](uint64_t first, uint64_t end) { AddUnclaimed(summary, first, end); });
  return summary;
}

SpaceMap::Summary SpaceMap::SummarizeClaims() {
  Summary summary;
  std::ranges::sort(claims_);
  uint64_t end_unit = 0;
  for (const auto& [first, count] : claims_) {
    AddUnclaimed(summary, end_unit, first);
    end_unit = std::max(end_unit, first + count);
  }
  summary.end = end_unit * kUnit;
  return summary;
}

std::vector<uint64_t> SpaceMap::Overlaps() {
  std::vector<uint64_t> overlaps;
  std::ranges::sort(claims_);
  uint64_t end_unit = 0;
  for (const auto& [first, count] : claims_) {
    const bool is_listed = !overlaps.empty() && overlaps.back() == first * kUnit;
    if (first < end_unit && !is_listed && overlaps.size() < kMaxListed) {
      overlaps.push_back(first * kUnit);
    }
    end_unit = std::max(end_unit, first + count);
  }
  return overlaps;
}

}  // namespace vhdx
