// CrashCursor: what a power cut may leave of all files, at any point of the record of a CrashStore.
//
// Durable are the bytes and the length that a file had before a sync of it that began and ended,
// and the names that a folder had before a sync of that. Of what came later any part may have
// survived, as a CrashFate says: of one file or of all, bytes without the name that leads to them,
// names of files whose bytes are lost. A file that is renamed has its new name or its old one, or
// none if it never had a durable one; whether that of its creation survived does not matter then. A
// seed decides, so that any state can be made again.

#ifndef VHDXKIT_TESTING_CRASH_CURSOR_H_
#define VHDXKIT_TESTING_CRASH_CURSOR_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "testing/crash_fate.h"
#include "testing/crash_state.h"
#include "testing/crash_store.h"

namespace vhdx::testing {

class CrashCursor {
 public:
  /// Stands at the start of the record, which must outlive it.
  CrashCursor(const CrashState& base, std::span<const CrashOperation> record);

  /// How many operations of the record have happened.
  size_t index() const { return index_; }
  bool at_end() const { return index_ == record_.size(); }
  void Advance();
  void AdvanceTo(size_t index);

  /// What surely survives.
  const CrashState& durable() const { return durable_; }
  /// What everybody saw.
  const CrashState& cached() const { return cached_; }
  /// Operations that may be lost.
  size_t pending() const { return pending_.size(); }

  /// One of the states that a power cut here may leave.
  CrashState Cut(uint64_t seed) const;

 private:
  void EndSync(const CrashOperation& end);
  CrashFate::Names PendingNames() const;
  void Survive(const CrashOperation& operation, size_t position, CrashFate& fate,
               CrashState& state) const;

  const std::span<const CrashOperation> record_;
  size_t index_ = 0;
  CrashState durable_;
  CrashState cached_;
  std::vector<size_t> pending_;  // indices
};

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_CRASH_CURSOR_H_
