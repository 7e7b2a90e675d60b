#include "image/durable_state.h"

#include <algorithm>
#include <string>
#include <utility>

#include "bytes/border.h"
#include "bytes/try.h"

namespace vhdx {

Result<void> DurableState::Sync() {
  VHDX_TRY(Check());
  const uint64_t length_before = length_;
  ++sync_count_;
  if (auto synced = file_.Sync(); !synced) return Poison(std::move(synced.error()));
  // What was cut meanwhile may be lost, and a poison meanwhile is about this file too.
  durable_length_ = std::min<uint64_t>(length_before, length_);
  return Check();
}

std::unexpected<Error> DurableState::Poison(Error error) noexcept {
  const MutexLock lock(mutex_);
  if (!first_failure_) {
    try {
      first_failure_ = error;
    } catch (...) {  // no memory for its strings; kNoMemory has none
      first_failure_ = Error{.code = ErrorCode::kNoMemory};
    }
    poisoned_.store(true, std::memory_order_release);
  }
  return std::unexpected(std::move(error));
}

Result<void> DurableState::PoisonIfFailed(Result<void> written) {
  if (!written && written.error().code != ErrorCode::kNoSpace) {
    return Poison(std::move(written.error()));
  }
  return written;
}

// Whoever asks holds things that it has to give back: nothing is thrown.
Result<void> DurableState::Refusal() const try {
  const MutexLock lock(mutex_);
  Error error = *first_failure_;
  error.code = ErrorCode::kPoisoned;
  error.sentence = "nothing is written any more since an earlier failure: " +
                   std::string(Sentence(*first_failure_));
  return std::unexpected(std::move(error));
} catch (...) {
  return CaughtException();
}

void DurableState::NoteLength(uint64_t length_bytes) {
  length_ = length_bytes;
  uint64_t durable = durable_length_;
  while (durable > length_bytes && !durable_length_.compare_exchange_weak(durable, length_bytes)) {
  }
}

}  // namespace vhdx
