#include "cli/reproducible.h"

#include <openssl/evp.h>
#include <vhdxkit/convert.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "bytes/formatting.h"
#include "bytes/try.h"

namespace vhdx::cli {
namespace {

using Digest = std::array<uint8_t, 32>;

class Sha256 {
 public:
  Sha256()
      : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free),
        ok_(context_ != nullptr && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1) {}

  void Add(ByteSpan bytes) {
    ok_ = ok_ && EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1;
  }
  void Add(const std::string& text) { Add(std::as_bytes(std::span(text))); }

  Result<Digest> Finish() {
    Digest digest{};
    ok_ = ok_ && EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr) == 1;
    if (ok_) return digest;
    return Fail(ErrorCode::kInternal, "SHA-256 is not to be had on this system");
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
  bool ok_;
};

}  // namespace

std::function<Result<void>(MutableByteSpan)> ReproducibleBytes(std::string input) {
  return [input = std::move(input), count = uint64_t{0}](MutableByteSpan bytes) mutable {
    while (!bytes.empty()) {
      Sha256 sha256;
      sha256.Add(Format("{}\n{}", input, count++));
      const auto digest = sha256.Finish();
      if (!digest) return Result<void>(std::unexpected(digest.error()));
      const ByteSpan some = std::as_bytes(std::span(*digest));
      const size_t length = std::min(bytes.size(), some.size());
      std::copy_n(some.begin(), length, bytes.begin());
      bytes = bytes.subspan(length);
    }
    return Result<void>();
  };
}

Result<std::string> DigestOfContents(BlockDevice& disk, const OperationControl& control) {
  Sha256 sha256;
  sha256.Add(Format("{} bytes\n", disk.size_bytes()));
  const auto add = [&](uint64_t disk_offset, ByteSpan bytes) -> Result<void> {
    sha256.Add(Format("{} {}\n", disk_offset, bytes.size()));
    sha256.Add(bytes);
    return {};
  };
  VHDX_TRY(VisitContents(disk, add, control));
  const auto digest = VHDX_TRY(sha256.Finish());
  std::string text;
  for (const uint8_t byte : digest) text += Format("{:02x}", byte);
  return text;
}

}  // namespace vhdx::cli
