// The two headers ([MS-VHDX] 2.2.2): who wrote the file last, and where its log is.

#ifndef VHDXKIT_FORMAT_HEADER_H_
#define VHDXKIT_FORMAT_HEADER_H_

#include <vhdxkit/error.h>
#include <vhdxkit/guid.h>
#include <vhdxkit/image_info.h>

#include <array>
#include <cstddef>
#include <optional>
#include <span>

#include "bytes/endian.h"
#include "format/findings.h"
#include "format/problems.h"

namespace vhdx::format {

/// On-disk layout. The checksum covers all 4096 bytes.
struct Header {
  std::array<char, 4> signature;         ///< "head"
  le32 checksum;                         ///< CRC-32C with this field as zero
  le64 sequence_number;                  ///< the greater one is current
  Guid file_write_guid;                  ///< identity of the file's bytes
  Guid data_write_guid;                  ///< identity of the contents; children refer to it
  Guid log_guid;                         ///< zero: the log is empty
  le16 log_version;                      ///< 0
  le16 version;                          ///< 1
  le32 log_length;                       ///< bytes, a multiple of 1 MiB
  le64 log_offset;                       ///< bytes from the start of the file, a multiple of 1 MiB
  std::array<std::byte, 4016> reserved;  ///< zero
};
static_assert(sizeof(Header) == 4096 && alignof(Header) == 1);
static_assert(offsetof(Header, log_version) == 64 && offsetof(Header, log_offset) == 72);
static_assert(offsetof(Header, reserved) == 80);

inline constexpr std::array<char, 4> kHeaderSignature = {'h', 'e', 'a', 'd'};
inline constexpr uint16_t kVersion = 1;
inline constexpr uint16_t kLogVersion = 0;

/// The fields of a header as they are, whatever they say. `bytes` are the 4096 bytes of the header,
/// or fewer; nothing if they do not begin with its signature.
std::optional<HeaderInfo> DecodeHeader(std::span<const std::byte> bytes);

/// Parses one header and checks its signature and checksum. If it is not valid, or has non-zero
/// reserved bytes, that is added to `findings`. `bytes` are the 4096 bytes of the header.
std::optional<HeaderInfo> ParseHeader(std::span<const std::byte> bytes, const Place& place,
                                      Findings& findings);

/// Checks the current header: versions, and the location of the log in a file of that size. What is
/// wrong goes to `verdict` through `problems`. Errors there: header.version, header.log-version,
/// header.log-range, header.log-limit, header.log-missing.
void CheckCurrentHeader(const HeaderInfo& header, uint64_t file_size, const Place& place,
                        StructureVerdict& verdict, Problems& problems);

/// Where the log is; nothing if it has no length, or is at a place or of a length that
/// CheckCurrentHeader refuses.
std::optional<FileRange> UsableLog(const HeaderInfo& header, uint64_t file_size);

/// Which of the two is current: 0 or 1. `place` is that of the first header.
/// Errors: header.none, header.sequence.conflict.
Result<size_t> ChooseCurrentHeader(const std::array<std::optional<HeaderInfo>, 2>& headers,
                                   bool identical_bytes, const Place& place, Findings& findings);

/// The bytes of a header, including its checksum (HeaderInfo::checksum is ignored).
/// Errors: kInvalidArgument for a header that CheckCurrentHeader would refuse whatever the size of
/// the file.
Result<Header> EncodeHeader(const HeaderInfo& info);

}  // namespace vhdx::format

#endif  // VHDXKIT_FORMAT_HEADER_H_
