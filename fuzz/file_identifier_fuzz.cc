// The file type identifier. Input: its first bytes.

#include <algorithm>

#include "bytes/utf16.h"
#include "format/file_identifier.h"
#include "fuzz/expect.h"
#include "fuzz/input.h"

namespace vhdx::fuzz {
namespace {

void TryIdentifier(std::span<const std::byte> bytes) {
  const Place place{"fuzz.vhdx", 0};
  const auto parsed = format::ParseFileIdentifier(bytes, place);
  const bool has_signature = bytes.size() >= format::kFileSignature.size() &&
                             std::ranges::equal(bytes.first(format::kFileSignature.size()),
                                                std::as_bytes(std::span(format::kFileSignature)));
  Expect(parsed.has_value() == has_signature, "the signature alone makes a VHDX file");
  if (!parsed) return ExpectHonest(parsed.error());

  Expect(Utf16FromUtf8(parsed->creator).has_value(), "the creator is UTF-8");
  const auto encoded = format::EncodeFileIdentifier(parsed->creator);
  Expect(encoded.has_value(), "a creator that was read can be written");
  const auto again = format::ParseFileIdentifier(std::as_bytes(std::span(&*encoded, 1)), place);
  Expect(again && again->creator == parsed->creator, "it comes back as it was written");
}

}  // namespace
}  // namespace vhdx::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  vhdx::fuzz::TryIdentifier(vhdx::fuzz::Input(data, size).rest());
  return 0;
}
