// Changing bytes of an image that stands, and making its checksums right again.

#ifndef VHDXKIT_TESTING_PATCH_H_
#define VHDXKIT_TESTING_PATCH_H_

#include <vhdxkit/file.h>

#include <concepts>
#include <cstdint>
#include <vector>

#include "bytes/endian.h"

namespace vhdx::testing {

/// Bytes for a place in a file.
struct Patch {
  uint64_t file_offset = 0;
  std::vector<std::byte> bytes;
};

/// A patch that stores a structure or an le16, le32, le64.
template <OnDisk T>
Patch PatchValue(uint64_t file_offset, const T& value) {
  std::vector<std::byte> bytes(sizeof(T));
  StoreTo(std::span(bytes), value);
  return {.file_offset = file_offset, .bytes = std::move(bytes)};
}
/// A patch of `length_bytes` equal bytes.
Patch PatchFill(uint64_t file_offset, uint64_t length_bytes, std::byte value);

Result<void> ApplyPatch(File& file, const Patch& patch);

/// Computes anew the checksums of both headers, both region tables and every log entry that is
/// found where one of the headers says that the log is. Takes any file, whatever its bytes: what is
/// not there or makes no sense is left alone. Errors: those of the file.
Result<void> FixChecksums(File& file);

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_PATCH_H_
