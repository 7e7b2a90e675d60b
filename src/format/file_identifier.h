// The file type identifier at the start of every file ([MS-VHDX] 2.2.1). It is never changed after
// it has been written.

#ifndef VHDXKIT_FORMAT_FILE_IDENTIFIER_H_
#define VHDXKIT_FORMAT_FILE_IDENTIFIER_H_

#include <vhdxkit/error.h>

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "format/findings.h"

namespace vhdx::format {

/// On-disk layout.
struct FileIdentifier {
  std::array<char, 8> signature;       ///< "vhdxfile"
  std::array<std::byte, 512> creator;  ///< UTF-16LE, may end with a NUL; for information only
};
static_assert(sizeof(FileIdentifier) == 520 && alignof(FileIdentifier) == 1);

inline constexpr std::array<char, 8> kFileSignature = {'v', 'h', 'd', 'x', 'f', 'i', 'l', 'e'};

struct FileIdentifierInfo {
  std::string creator;  ///< UTF-8
};

/// `bytes` are the first 520 bytes of the file, or fewer if it is shorter. Errors: file.signature.
Result<FileIdentifierInfo> ParseFileIdentifier(std::span<const std::byte> bytes,
                                               const Place& place);

/// Errors: kInvalidArgument if the creator is not UTF-8 or needs more than 256 UTF-16 code units.
Result<FileIdentifier> EncodeFileIdentifier(std::string_view creator);

}  // namespace vhdx::format

#endif  // VHDXKIT_FORMAT_FILE_IDENTIFIER_H_
