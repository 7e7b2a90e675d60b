// Random bytes that a seed determines: the FillRandom of file systems in tests.

#ifndef VHDXKIT_TESTING_RANDOM_BYTES_H_
#define VHDXKIT_TESTING_RANDOM_BYTES_H_

#include <vhdxkit/file.h>

#include <atomic>
#include <cstdint>

namespace vhdx::testing {

/// The same seed gives the same bytes, however often and in what pieces they are asked for in words
/// of eight. Any thread.
class RandomBytes {
 public:
  explicit RandomBytes(uint64_t seed) : state_(seed) {}

  Result<void> Fill(MutableByteSpan bytes);

 private:
  std::atomic<uint64_t> state_;
};

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_RANDOM_BYTES_H_
