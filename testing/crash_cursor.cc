#include "testing/crash_cursor.h"

#include <algorithm>
#include <array>
#include <utility>

#include "bytes/arithmetic.h"

namespace vhdx::testing {
namespace {

using Kind = CrashOperation::Kind;
using Chance = std::uniform_real_distribution<double>;

// A disk writes sectors whole, a page cache pages; a host that is kind loses whole operations.
constexpr uint64_t kSector = 512;

bool Happens(std::mt19937_64& random, double chance) {
  if (chance <= 0) return false;
  if (chance >= 1) return true;
  return Chance()(random) < chance;
}

template <typename T, size_t n>
T OneOf(std::mt19937_64& random, const std::array<T, n>& values) {
  return values[random() % n];
}

/// Does a part of what a write or a hole does.
void ApplyPart(const CrashOperation& operation, FileRange part, PageImage& image) {
  if (operation.kind == Kind::kZero) return image.Zero(part);
  image.Write(part.file_offset,
              ByteSpan(*operation.data)
                  .subspan(part.file_offset - operation.range.file_offset, part.length_bytes));
}

}  // namespace

CrashCursor::CrashCursor(const PageImage& base, std::span<const CrashOperation> record,
                         CrashFileKind kind)
    : record_(record), kind_(kind), durable_(base), cached_(base) {}

void CrashCursor::Advance() {
  const CrashOperation& operation = record_[index_];
  switch (operation.kind) {
    case Kind::kWrite:
    case Kind::kZero:
    case Kind::kResize:
      Apply(operation, kind_, cached_);
      pending_.push_back(index_);
      break;
    case Kind::kSyncEnd:
    case Kind::kFailedSyncEnd:
      EndSync(operation);
      break;
    case Kind::kMark:
    case Kind::kSyncBegin:
      break;
  }
  ++index_;
}

void CrashCursor::AdvanceTo(size_t index) {
  while (index_ < index) Advance();
}

void CrashCursor::EndSync(const CrashOperation& end) {
  const bool failed = end.kind == Kind::kFailedSyncEnd;
  std::mt19937_64 random(index_);
  const auto later = std::ranges::lower_bound(pending_, end.sync_begin);
  for (auto it = pending_.begin(); it != later; ++it) {
    if (!failed || Happens(random, 0.5)) Apply(record_[*it], kind_, durable_);
  }
  if (failed) durable_.DropPastEnd();
  pending_.erase(pending_.begin(), later);
}

CrashCursor::Fate CrashCursor::Draw(std::mt19937_64& random, size_t pending) {
  Fate fate;
  const uint64_t style = random() % 20;
  fate.style = style < 12   ? Style::kAnySubset
               : style < 15 ? Style::kPrefix
               : style < 17 ? Style::kAllButOne
               : style < 19 ? Style::kOnlyOne
                            : Style::kNothing;
  fate.part = OneOf<double>(random, std::array{0.0, 0.15, 0.5, 0.85, 1.0, 0.5});
  fate.resizes = OneOf<double>(random, std::array{0.0, 0.5, 1.0});
  fate.in_order = random() % 2 == 0;
  fate.piece = OneOf<uint64_t>(
      random, std::array{uint64_t{0}, kSector, kSector, kSector, PageImage::kPageBytes});
  fate.chosen = pending == 0 ? 0 : random() % pending;
  fate.chosen_part = OneOf<double>(random, std::array{0.0, 0.5});
  return fate;
}

double CrashCursor::PartOf(const Fate& fate, size_t position, bool is_resize) {
  const bool chosen = position == fate.chosen;
  switch (fate.style) {
    case Style::kAnySubset:
      return is_resize ? fate.resizes : fate.part;
    case Style::kPrefix:
      return chosen ? fate.chosen_part : position < fate.chosen ? 1 : 0;
    case Style::kAllButOne:
      return chosen ? fate.chosen_part : 1;
    case Style::kOnlyOne:
      return chosen ? 1 : 0;
    case Style::kNothing:
      return 0;
  }
  return 0;
}

void CrashCursor::ApplyPieces(const CrashOperation& operation, double part, uint64_t piece,
                              std::mt19937_64& random, PageImage& image) const {
  if (part >= 1 || part <= 0 || piece == 0) {
    if (Happens(random, part)) Apply(operation, kind_, image);
    return;
  }
  const uint64_t end = operation.range.file_offset + operation.range.length_bytes;
  for (uint64_t at = operation.range.file_offset; at < end;) {
    const uint64_t next = std::min(end, AlignDown(at, piece) + piece);
    if (Happens(random, part)) ApplyPart(operation, {at, next - at}, image);
    at = next;
  }
}

PageImage CrashCursor::Cut(uint64_t seed) const {
  std::mt19937_64 random(seed * 0x9E3779B97F4A7C15 + index_);
  const Fate fate = Draw(random, pending_.size());
  PageImage image = durable_;
  bool resize_lost = false;
  for (size_t position = 0; position < pending_.size(); ++position) {
    const CrashOperation& operation = record_[pending_[position]];
    const bool is_resize = operation.kind == Kind::kResize;
    const double part = PartOf(fate, position, is_resize);
    if (!is_resize) {
      ApplyPieces(operation, part, fate.piece, random, image);
    } else if ((!fate.in_order || !resize_lost) && Happens(random, part)) {
      Apply(operation, kind_, image);
    } else {
      resize_lost = true;
    }
  }
  image.DropPastEnd();
  return image;
}

}  // namespace vhdx::testing
