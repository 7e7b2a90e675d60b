#include "io/random_guid.h"

#include <utility>

#include "bytes/try.h"

namespace vhdx {

Result<Guid> RandomGuid(const std::function<Result<void>(MutableByteSpan)>& fill) {
  Guid guid;
  VHDX_TRY(fill(std::as_writable_bytes(std::span(guid.bytes))));
  // Version and variant, where the order of Windows has them.
  guid.bytes[7] = static_cast<uint8_t>((guid.bytes[7] & 0x0F) | 0x40);
  guid.bytes[8] = static_cast<uint8_t>((guid.bytes[8] & 0x3F) | 0x80);
  return guid;
}

Result<Guid> RandomGuid(FileSystem& files) {
  return RandomGuid([&files](MutableByteSpan bytes) { return files.FillRandom(bytes); });
}

}  // namespace vhdx
