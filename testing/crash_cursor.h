// CrashCursor: what a power cut may leave of a file, at any point of the record of a CrashStore.
//
// Durable is all that came before a sync that began and ended; of what came later any part may have
// survived: whole operations or some of their sectors or pages, the file's growth and truncation
// lost or kept, holes punched in part. A seed decides, so that any state can be made again.

#ifndef VHDXKIT_TESTING_CRASH_CURSOR_H_
#define VHDXKIT_TESTING_CRASH_CURSOR_H_

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "testing/crash_store.h"
#include "testing/page_image.h"

namespace vhdx::testing {

class CrashCursor {
 public:
  /// Stands at the start of the record, which must outlive it.
  CrashCursor(const PageImage& base, std::span<const CrashOperation> record, CrashFileKind kind);

  /// How many operations of the record have happened.
  size_t index() const { return index_; }
  bool at_end() const { return index_ == record_.size(); }
  void Advance();
  void AdvanceTo(size_t index);

  /// What surely survives.
  const PageImage& durable() const { return durable_; }
  /// What readers saw.
  const PageImage& cached() const { return cached_; }
  /// Operations that may be lost.
  size_t pending() const { return pending_.size(); }

  /// One of the states that a power cut here may leave.
  PageImage Cut(uint64_t seed) const;

 private:
  enum class Style : uint8_t { kAnySubset, kPrefix, kAllButOne, kOnlyOne, kNothing };
  // How one power cut treats what is pending.
  struct Fate {
    Style style = Style::kNothing;
    double part = 0;         // kAnySubset: of the pieces of writes that survive
    double resizes = 0;      // ... and of changes of length
    bool in_order = false;   // once a change of length is lost, all later ones are
    uint64_t piece = 0;      // what survives or not as one; 0: a whole operation
    size_t chosen = 0;       // the one operation, or the first that is lost
    double chosen_part = 0;  // of its pieces
  };
  static Fate Draw(std::mt19937_64& random, size_t pending);
  static double PartOf(const Fate& fate, size_t position, bool is_resize);

  void EndSync(const CrashOperation& end);
  void ApplyPieces(const CrashOperation& operation, double part, uint64_t piece,
                   std::mt19937_64& random, PageImage& image) const;

  const std::span<const CrashOperation> record_;
  const CrashFileKind kind_;
  size_t index_ = 0;
  PageImage durable_;
  PageImage cached_;
  std::vector<size_t> pending_;  // indices
};

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_CRASH_CURSOR_H_
