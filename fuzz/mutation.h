// What the custom mutators of the targets share.
//
// A checksum would keep a fuzzer out of everything behind it. So a mutator changes the input as
// libFuzzer would, and then makes the checksums right again; one time in eight it leaves them as
// they fell, so that the code that refuses them is tried too.

#ifndef VHDXKIT_FUZZ_MUTATION_H_
#define VHDXKIT_FUZZ_MUTATION_H_

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

/// libFuzzer's own mutations (dictionary, comparisons seen, bits, bytes, copies); replay_main.cc
/// has a simple one.
extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace vhdx::fuzz {

/// The choices of one call of a mutator: the same seed makes the same choices.
class Choices {
 public:
  explicit Choices(unsigned seed) : random_(seed) {}

  /// 0 to count - 1; `count` is not 0.
  size_t Below(size_t count) { return random_() % count; }
  bool OneIn(size_t count) { return Below(count) == 0; }
  uint64_t Bits() { return (uint64_t{random_()} << 32) | random_(); }

  /// Whether this input keeps the checksums that it has.
  bool LeavesChecksums() { return OneIn(8); }

  /// A number at or near a border: 0, 2^n, all ones, one of `known`, and what lies beside those.
  uint64_t Border(const std::vector<uint64_t>& known);

 private:
  std::minstd_rand random_;
};

/// Mutates bytes in place; they may grow to max_size.
void Mutate(std::vector<std::byte>& bytes, size_t max_size);

}  // namespace vhdx::fuzz

#endif  // VHDXKIT_FUZZ_MUTATION_H_
