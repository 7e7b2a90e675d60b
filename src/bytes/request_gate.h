// The gate through which every request to a disk goes.
//
// What a request uses (the stack of images) stays as it is until the request is over. Whoever
// changes it holds the gate: requests that are inside end, and new ones wait. Closing a disk shuts
// the gate for good. A pass belongs to no thread.

#ifndef VHDXKIT_BYTES_REQUEST_GATE_H_
#define VHDXKIT_BYTES_REQUEST_GATE_H_

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "bytes/mutex.h"

namespace vhdx {

class RequestGate {
  // Threads count in places of their own, so that they do not contend for one cache line.
  static constexpr size_t kStripes = 32;
  struct alignas(64) Stripe {
    std::atomic<uint64_t> inside = 0;
  };

 public:
  /// The right to be inside, until it is destroyed.
  class [[nodiscard]] Pass {
   public:
    Pass() = default;
    Pass(Pass&& other) noexcept
        : gate_(std::exchange(other.gate_, nullptr)), stripe_(other.stripe_) {}
    Pass& operator=(Pass&&) = delete;
    ~Pass() {
      if (gate_ != nullptr) gate_->Leave(*stripe_);
    }
    explicit operator bool() const { return gate_ != nullptr; }

   private:
    friend class RequestGate;
    Pass(RequestGate& gate, Stripe& stripe) : gate_(&gate), stripe_(&stripe) {}
    RequestGate* gate_ = nullptr;
    Stripe* stripe_ = nullptr;
  };

  /// Waits while the gate is held. No pass if it is shut.
  Pass Enter() {
    Stripe& stripe = OwnStripe();
    stripe.inside.fetch_add(1);
    if (state_.load() == State::kOpen) [[likely]]
      return {*this, stripe};
    return EnterSlowly(stripe);
  }
  /// Does not wait: no pass if the gate is held or shut. For requests that hold something for which
  /// a request inside of the gate may be waiting.
  Pass TryEnter();

  /// Returns when nobody is inside; nobody enters until Open. Waits while somebody else holds it.
  /// False if the gate is shut.
  bool Hold();
  void Open();
  /// Returns when nobody is inside; nobody ever enters again. False if it had been shut before.
  bool Shut();
  bool is_shut() const { return state_.load() == State::kShut; }

 private:
  enum class State : uint8_t { kOpen, kHeld, kShut };

  // Counting and then looking at the state, here, and setting the state and then looking at the
  // counts, in Close, are sequentially consistent: one of the two sees the other.
  Pass EnterSlowly(Stripe& stripe);
  void Leave(Stripe& stripe) {
    if (stripe.inside.fetch_sub(1) == 1 && state_.load() != State::kOpen) [[unlikely]] {
      ReportLeaving();
    }
  }
  void ReportLeaving();
  bool Close(State state);
  bool IsEmpty() const;
  Stripe& OwnStripe() {
    // Given out in turn, from 1 on.
    constinit static thread_local size_t number = 0;
    if (number == 0) [[unlikely]]
      number = NextNumber();
    return stripes_[number % kStripes];
  }
  static size_t NextNumber();

  std::array<Stripe, kStripes> stripes_;
  std::atomic<State> state_ = State::kOpen;
  Mutex mutex_;
  std::condition_variable changed_;  // the state, or a stripe that became empty
};

}  // namespace vhdx

#endif  // VHDXKIT_BYTES_REQUEST_GATE_H_
