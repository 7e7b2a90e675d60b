// On-disk structures of the log ([MS-VHDX] 2.3.1). Reading, searching and replaying entries is in
// log/.

#ifndef VHDXKIT_FORMAT_LOG_ENTRY_H_
#define VHDXKIT_FORMAT_LOG_ENTRY_H_

#include <vhdxkit/guid.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "format/layout.h"

namespace vhdx::format {

/// The start of an entry. The checksum covers all EntryLength bytes.
struct LogEntryHeader {
  std::array<char, 4> signature;  ///< "loge"
  le32 checksum;                  ///< CRC-32C with this field as zero
  le32 entry_length;              ///< bytes, a multiple of 4096
  le32 tail;                 ///< bytes from the start of the log: the oldest entry still needed
  le64 sequence_number;      ///< greater than zero; one more than that of the entry before
  le32 descriptor_count;     ///< may be zero
  le32 reserved;             ///< zero
  Guid log_guid;             ///< that of the header, or the entry does not count
  le64 flushed_file_offset;  ///< bytes: the file was durably at least this long
  le64 last_file_offset;     ///< bytes: every structure fits into a file of this length
};
static_assert(sizeof(LogEntryHeader) == 64 && alignof(LogEntryHeader) == 1);
static_assert(offsetof(LogEntryHeader, log_guid) == 32);
static_assert(offsetof(LogEntryHeader, last_file_offset) == 56);

inline constexpr std::array<char, 4> kLogEntrySignature = {'l', 'o', 'g', 'e'};

/// A range to be filled with zeros.
struct ZeroDescriptor {
  std::array<char, 4> signature;  ///< "zero"
  le32 reserved;                  ///< zero
  le64 zero_length;               ///< bytes, a multiple of 4096
  le64 file_offset;               ///< bytes, a multiple of 4096
  le64 sequence_number;           ///< the entry's
};
static_assert(sizeof(ZeroDescriptor) == 32 && alignof(ZeroDescriptor) == 1);

/// A sector to be written; most of it is stored in the entry's next data sector.
struct DataDescriptor {
  std::array<char, 4> signature;            ///< "desc"
  std::array<std::byte, 4> trailing_bytes;  ///< bytes 4092 to 4095 of the sector
  std::array<std::byte, 8> leading_bytes;   ///< bytes 0 to 7 of the sector
  le64 file_offset;                         ///< bytes, a multiple of 4096
  le64 sequence_number;                     ///< the entry's
};
static_assert(sizeof(DataDescriptor) == 32 && alignof(DataDescriptor) == 1);

inline constexpr std::array<char, 4> kZeroDescriptorSignature = {'z', 'e', 'r', 'o'};
inline constexpr std::array<char, 4> kDataDescriptorSignature = {'d', 'e', 's', 'c'};

/// The part of a sector that is stored here: all but its first 8 and last 4 bytes.
struct DataSector {
  std::array<char, 4> signature;     ///< "data"
  le32 sequence_high;                ///< high half of the entry's sequence number
  std::array<std::byte, 4084> data;  ///< bytes 8 to 4091 of the sector
  le32 sequence_low;                 ///< low half of the entry's sequence number
};
static_assert(sizeof(DataSector) == 4096 && alignof(DataSector) == 1);
static_assert(offsetof(DataSector, sequence_low) == 4092);

inline constexpr std::array<char, 4> kDataSectorSignature = {'d', 'a', 't', 'a'};

inline constexpr uint64_t kDescriptorSize = 32;
inline constexpr uint64_t kDescriptorsInFirstSector =
    (kLogSectorSize - sizeof(LogEntryHeader)) / kDescriptorSize;
inline constexpr uint64_t kDescriptorsInSector = kLogSectorSize / kDescriptorSize;
static_assert(kDescriptorsInFirstSector == 126 && kDescriptorsInSector == 128);

/// Sectors used by the header and the descriptors of an entry ([MS-VHDX] 2.3.1): at least one.
constexpr uint64_t DescriptorSectorCount(uint64_t descriptor_count) {
  return DivideRoundingUp(sizeof(LogEntryHeader) + descriptor_count * kDescriptorSize,
                          kLogSectorSize);
}

}  // namespace vhdx::format

#endif  // VHDXKIT_FORMAT_LOG_ENTRY_H_
