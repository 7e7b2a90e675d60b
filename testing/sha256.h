// SHA-256 (FIPS 180-4), for tests that name a whole file or disk by its hash.

#ifndef VHDXKIT_TESTING_SHA256_H_
#define VHDXKIT_TESTING_SHA256_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace vhdx::testing {

/// Takes bytes piece by piece. The work is OpenSSL's, which uses the processor's own instructions:
/// a corpus image stands for 127 GiB.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void Update(std::span<const std::byte> bytes);
  /// The hash of all bytes so far in lower-case hex; the object is of no further use.
  std::string Finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

std::string Sha256Of(std::span<const std::byte> bytes);
std::string Sha256Of(std::string_view text);

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_SHA256_H_
