// SHA-256 (FIPS 180-4), for tests that name a whole file or disk by its hash.

#ifndef VHDXKIT_TESTING_SHA256_H_
#define VHDXKIT_TESTING_SHA256_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace vhdx::testing {

/// Takes bytes piece by piece.
class Sha256 {
 public:
  void Update(std::span<const std::byte> bytes);
  /// The hash of all bytes so far in lower-case hex; the object is of no further use.
  std::string Finish();

 private:
  static constexpr size_t kBlockSize = 64;

  void Compress(std::span<const std::byte, kBlockSize> block);

  std::array<uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::byte, kBlockSize> pending_{};
  size_t pending_bytes_ = 0;
  uint64_t total_bytes_ = 0;
};

std::string Sha256Of(std::span<const std::byte> bytes);
std::string Sha256Of(std::string_view text);

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_SHA256_H_
