// How long requests took: any number of them, in a fixed amount of memory.
//
// Times fall into 64 steps for each doubling, so a percentile is right to 1.6 %; mean and maximum
// are exact.

#ifndef VHDXKIT_OPS_LATENCY_HISTOGRAM_H_
#define VHDXKIT_OPS_LATENCY_HISTOGRAM_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace vhdx {

class LatencyHistogram {
 public:
  void Add(std::chrono::nanoseconds latency);
  void Add(const LatencyHistogram& other);

  uint64_t count() const { return count_; }
  std::chrono::nanoseconds mean() const;
  std::chrono::nanoseconds max() const { return std::chrono::nanoseconds(max_); }
  /// The time that this part of all requests did not exceed; `part` is from 0 to 1.
  std::chrono::nanoseconds Percentile(double part) const;

 private:
  static constexpr size_t kStepBits = 6;
  static constexpr size_t kSteps = size_t{1} << kStepBits;
  static constexpr size_t kBucketCount = (64 - kStepBits + 1) * kSteps;

  static size_t BucketOf(uint64_t nanoseconds);
  static uint64_t LargestIn(size_t bucket);

  std::array<uint64_t, kBucketCount> buckets_{};
  uint64_t count_ = 0;
  uint64_t sum_ = 0;
  uint64_t max_ = 0;
};

}  // namespace vhdx

#endif  // VHDXKIT_OPS_LATENCY_HISTOGRAM_H_
