// CrashFate: what one power cut does to the changes that nobody had synced.
//
// Any part of them may survive: whole changes, or some of the sectors or pages that they touch;
// changes of lengths and of names on their own, in order or not, as journals of file systems do it.
// The changes have positions, oldest first, whatever file each belongs to: all of them lose their
// power at one moment.

#ifndef VHDXKIT_TESTING_CRASH_FATE_H_
#define VHDXKIT_TESTING_CRASH_FATE_H_

#include <vhdxkit/file.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>

namespace vhdx::testing {

class CrashFate {
 public:
  // A disk writes sectors whole, a page cache pages; a host that is kind loses whole changes.
  static constexpr uint64_t kSectorBytes = 512;
  static constexpr uint64_t kPageBytes = 4096;

  /// Whether names are among the changes.
  enum class Names : bool { kNone, kSome };

  /// Of so many changes. `random` must outlive the fate.
  CrashFate(std::mt19937_64& random, size_t pending, Names names);

  // In order of their positions:

  /// Whether a change of a file's length survives.
  bool KeepsLength(size_t position) { return Keeps(lengths_, PartOf(position, lengths_.part)); }
  /// Whether the creation, renaming or removal of a file does.
  bool KeepsName(size_t position) { return Keeps(names_, PartOf(position, names_.part)); }

  // In any order:

  /// Calls `keep(FileRange)` for each part of a change of bytes that survives: for all of it, or
  /// for pieces that end where sectors or pages do.
  template <typename Keep>
  void KeepBytes(size_t position, FileRange range, Keep keep) {
    const double part = PartOf(position, part_);
    if (part >= 1 || part <= 0 || piece_bytes_ == 0) {
      if (Happens(part)) keep(range);
      return;
    }
    const uint64_t end = range.file_offset + range.length_bytes;
    for (uint64_t at = range.file_offset; at < end;) {
      const uint64_t next = std::min(end, (at / piece_bytes_ + 1) * piece_bytes_);
      if (Happens(part)) keep(FileRange{at, next - at});
      at = next;
    }
  }

 private:
  enum class Style : uint8_t { kAnySubset, kPrefix, kAllButOne, kOnlyOne, kNothing };
  // Changes that a journal may keep in order.
  struct Journal {
    double part = 0;        // kAnySubset: of the changes that survive
    bool in_order = false;  // once one is lost, all later ones are
    bool lost = false;
  };

  bool Happens(double chance);
  double PartOf(size_t position, double of_any) const;
  bool Keeps(Journal& journal, double part);

  std::mt19937_64& random_;
  Style style_ = Style::kNothing;
  double part_ = 0;  // kAnySubset: of the pieces that survive
  Journal lengths_;
  Journal names_;
  uint64_t piece_bytes_ = 0;  // what survives or not as one; 0: a whole change
  size_t chosen_ = 0;         // the one change, or the first that is lost
  double chosen_part_ = 0;    // of its pieces
};

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_CRASH_FATE_H_
