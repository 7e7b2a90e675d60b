#include "cli/reproducible.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <utility>

namespace vhdx::cli {
namespace {

constexpr size_t kDigestBytes = 32;
using Digest = std::array<std::byte, kDigestBytes>;

Result<Digest> Sha256(const std::string& input) {
  Digest digest{};
  auto* const bytes = reinterpret_cast<unsigned char*>(digest.data());  // as OpenSSL has them
  unsigned length = 0;
  if (EVP_Digest(input.data(), input.size(), bytes, &length, EVP_sha256(), nullptr) != 1 ||
      length != digest.size()) {
    return Fail(ErrorCode::kInternal, "SHA-256 is not to be had on this system");
  }
  return digest;
}

}  // namespace

std::function<Result<void>(MutableByteSpan)> ReproducibleBytes(std::string input) {
  return [input = std::move(input), count = uint64_t{0}](MutableByteSpan bytes) mutable {
    while (!bytes.empty()) {
      const auto digest = Sha256(input + "\n" + std::to_string(count++));
      if (!digest) return Result<void>(std::unexpected(digest.error()));
      const size_t length = std::min(bytes.size(), digest->size());
      std::copy_n(digest->begin(), length, bytes.begin());
      bytes = bytes.subspan(length);
    }
    return Result<void>();
  };
}

}  // namespace vhdx::cli
