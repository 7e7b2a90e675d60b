#include "guest/superblock_fields.h"

#include "bytes/formatting.h"
#include "bytes/utf16.h"

namespace vhdx::guest {

std::string FieldText(ByteSpan field) {
  std::string text;
  for (const std::byte byte : field) {
    if (byte == std::byte{0}) break;
    text += static_cast<char>(byte);
  }
  text.erase(text.find_last_not_of(' ') + 1);
  return Utf16FromUtf8(text) ? text : "";
}

std::string UuidText(const Uuid& uuid) {
  std::string text;
  for (size_t i = 0; i < uuid.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += Format("{:02x}", std::to_integer<unsigned>(uuid[i]));
  }
  return text;
}

}  // namespace vhdx::guest
