#include "format/file_identifier.h"

#include <algorithm>

#include "bytes/endian.h"
#include "bytes/formatting.h"
#include "bytes/utf16.h"
#include "format/rules.h"

namespace vhdx::format {
namespace {

// What a file that is something else most likely is, by the bytes it starts with; people mix them
// up.
std::string DescribeOtherFile(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.empty()) return "an empty file";
  if (text.starts_with("QFI\xfb")) return "a qcow image";
  if (text.starts_with("conectix") || text.starts_with("cxsparse"))
    return "a VHD image (version 1)";
  if (text.starts_with("KDMV") || text.starts_with("# Disk Descriptor")) return "a VMDK image";
  if (text.starts_with("<<< ")) return "a VDI image";
  if (text.size() < kFileSignature.size()) return "only " + Counted(text.size(), "byte", "bytes");
  std::string hex;
  for (const std::byte byte : bytes.first(kFileSignature.size())) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    hex += hex.empty() ? "" : " ";
    hex += kDigits[static_cast<size_t>(byte) >> 4];
    hex += kDigits[static_cast<size_t>(byte) & 0xF];
  }
  return hex;
}

}  // namespace

Result<FileIdentifierInfo> ParseFileIdentifier(std::span<const std::byte> bytes,
                                               const Place& place) {
  FileIdentifier identifier{};
  const size_t available = std::min(bytes.size(), sizeof(identifier));
  std::ranges::copy(bytes.first(available),
                    std::as_writable_bytes(std::span(&identifier, 1)).begin());
  if (available < kFileSignature.size() || identifier.signature != kFileSignature) {
    return Corrupt(rules::kFileSignature, place, DescribeOtherFile(bytes.first(available)),
                   "\"vhdxfile\"");
  }
  return FileIdentifierInfo{.creator = DisplayableUtf8FromUtf16(identifier.creator)};
}

Result<FileIdentifier> EncodeFileIdentifier(std::string_view creator) {
  const auto text = Utf16FromUtf8(creator);
  FileIdentifier identifier{.signature = kFileSignature, .creator = {}};
  if (!text || text->size() > identifier.creator.size()) {
    return Fail(ErrorCode::kInvalidArgument,
                "the creator must be UTF-8 text of at most 256 UTF-16 code units");
  }
  std::ranges::copy(*text, identifier.creator.begin());
  return identifier;
}

}  // namespace vhdx::format
