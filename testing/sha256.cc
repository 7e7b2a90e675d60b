#include "testing/sha256.h"

#include <openssl/evp.h>

#include <array>

#include "testing/hex.h"

namespace vhdx::testing {

struct Sha256::Context {
  EVP_MD_CTX* digest = EVP_MD_CTX_new();
  ~Context() { EVP_MD_CTX_free(digest); }
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {
  EVP_DigestInit_ex(context_->digest, EVP_sha256(), nullptr);
}
Sha256::~Sha256() = default;

void Sha256::Update(std::span<const std::byte> bytes) {
  EVP_DigestUpdate(context_->digest, bytes.data(), bytes.size());
}

std::string Sha256::Finish() {
  std::array<unsigned char, 32> hash{};
  EVP_DigestFinal_ex(context_->digest, hash.data(), nullptr);
  return HexFromBytes(std::as_bytes(std::span(hash)));
}

std::string Sha256Of(std::span<const std::byte> bytes) {
  Sha256 hash;
  hash.Update(bytes);
  return hash.Finish();
}

std::string Sha256Of(std::string_view text) { return Sha256Of(std::as_bytes(std::span(text))); }

}  // namespace vhdx::testing
