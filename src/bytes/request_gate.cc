#include "bytes/request_gate.h"

#include <algorithm>

namespace vhdx {

size_t RequestGate::NextNumber() {
  static std::atomic<size_t> last = 0;
  return ++last;
}

RequestGate::Pass RequestGate::TryEnter() {
  Stripe& stripe = OwnStripe();
  stripe.inside.fetch_add(1);
  if (state_.load() == State::kOpen) return {*this, stripe};
  Leave(stripe);
  return {};
}

RequestGate::Pass RequestGate::EnterSlowly(Stripe& stripe) {
  for (;;) {
    Leave(stripe);
    {
      const MutexLock lock(mutex_);
      while (state_.load() == State::kHeld) mutex_.Wait(changed_);
    }
    stripe.inside.fetch_add(1);
    switch (state_.load()) {
      case State::kOpen:
        return {*this, stripe};
      case State::kShut:
        Leave(stripe);
        return {};
      case State::kHeld:
        break;
    }
  }
}

void RequestGate::ReportLeaving() {
  const MutexLock lock(mutex_);
  changed_.notify_all();
}

bool RequestGate::IsEmpty() const {
  return std::ranges::all_of(stripes_,
                             [](const Stripe& stripe) { return stripe.inside.load() == 0; });
}

bool RequestGate::Close(State state) {
  const MutexLock lock(mutex_);
  while (state_.load() == State::kHeld) mutex_.Wait(changed_);
  if (state_.load() == State::kShut) return false;
  state_.store(state);
  while (!IsEmpty()) mutex_.Wait(changed_);
  return true;
}

bool RequestGate::Hold() { return Close(State::kHeld); }

bool RequestGate::Shut() { return Close(State::kShut); }

void RequestGate::Open() {
  const MutexLock lock(mutex_);
  state_.store(State::kOpen);
  changed_.notify_all();
}

}  // namespace vhdx
