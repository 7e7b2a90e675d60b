#include "testing/crash_fate.h"

#include <array>

namespace vhdx::testing {
namespace {

template <typename T, size_t n>
T OneOf(std::mt19937_64& random, const std::array<T, n>& values) {
  return values[random() % n];
}

}  // namespace

CrashFate::CrashFate(std::mt19937_64& random, size_t pending, Names names) : random_(random) {
  const uint64_t style = random() % 20;
  style_ = style < 12   ? Style::kAnySubset
           : style < 15 ? Style::kPrefix
           : style < 17 ? Style::kAllButOne
           : style < 19 ? Style::kOnlyOne
                        : Style::kNothing;
  part_ = OneOf<double>(random, std::array{0.0, 0.15, 0.5, 0.85, 1.0, 0.5});
  lengths_.part = OneOf<double>(random, std::array{0.0, 0.5, 1.0});
  lengths_.in_order = random() % 2 == 0;
  piece_bytes_ = OneOf<uint64_t>(
      random, std::array{uint64_t{0}, kSectorBytes, kSectorBytes, kSectorBytes, kPageBytes});
  chosen_ = pending == 0 ? 0 : random() % pending;
  chosen_part_ = OneOf<double>(random, std::array{0.0, 0.5});
  if (names == Names::kNone) return;
  names_.part = OneOf<double>(random, std::array{0.0, 0.5, 1.0});
  names_.in_order = random() % 2 == 0;
}

bool CrashFate::Happens(double chance) {
  if (chance <= 0) return false;
  if (chance >= 1) return true;
  return std::uniform_real_distribution<double>()(random_) < chance;
}

double CrashFate::PartOf(size_t position, double of_any) const {
  const bool is_chosen = position == chosen_;
  switch (style_) {
    case Style::kAnySubset:
      return of_any;
    case Style::kPrefix:
      return is_chosen ? chosen_part_ : position < chosen_ ? 1 : 0;
    case Style::kAllButOne:
      return is_chosen ? chosen_part_ : 1;
    case Style::kOnlyOne:
      return is_chosen ? 1 : 0;
    case Style::kNothing:
      return 0;
  }
  return 0;
}

bool CrashFate::Keeps(Journal& journal, double part) {
  const bool kept = (!journal.in_order || !journal.lost) && Happens(part);
  if (!kept) journal.lost = true;
  return kept;
}

}  // namespace vhdx::testing
