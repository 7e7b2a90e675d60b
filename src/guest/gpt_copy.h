// One copy of a GUID partition table as it is stored ([UEFI] 5.3): its header, in one sector, and
// the array of its entries.

#ifndef VHDXKIT_GUEST_GPT_COPY_H_
#define VHDXKIT_GUEST_GPT_COPY_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/guid.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "bytes/endian.h"
#include "guest/range_reader.h"

namespace vhdx::guest {

/// [UEFI] 5.3.2. Sectors are those that the table was written for.
struct GptHeader {
  std::array<char, 8> signature;  ///< "EFI PART"
  le32 revision;
  le32 header_size;     ///< bytes that header_crc covers
  le32 header_crc;      ///< with this field as zeros
  le32 reserved;        ///< zeros
  le64 own_sector;      ///< where this copy is
  le64 other_sector;    ///< where the header of the other copy is
  le64 first_usable;    ///< for partitions
  le64 last_usable;     ///< inclusive
  Guid disk_guid;       ///< the same in both copies
  le64 entries_sector;  ///< where the array starts
  le32 entry_count;     ///< unused ones included
  le32 entry_size;      ///< 128 times a power of two
  le32 entries_crc;     ///< of the whole array
};
static_assert(sizeof(GptHeader) == 92 && offsetof(GptHeader, entries_sector) == 72);

/// [UEFI] 5.3.3.
struct GptEntry {
  Guid type;  ///< zeros: unused
  Guid id;
  le64 first_sector;
  le64 last_sector;  ///< inclusive
  le64 attributes;
  std::array<std::byte, 72> name;  ///< UTF-16LE
};
static_assert(sizeof(GptEntry) == 128 && offsetof(GptEntry, name) == 56);

/// The sector of the header of the primary copy.
inline constexpr uint64_t kPrimaryGptSector = 1;

/// A copy that is whole: its header and its entries have the checksums that they should.
struct GptCopy {
  GptHeader header;
  DiskRange header_range;                ///< one sector
  DiskRange entries_range;               ///< whole sectors; empty if the array has no entries
  std::vector<std::byte> header_sector;  ///< the header, and what follows it in its sector
  std::vector<std::byte> entries;        ///< header.entry_count times header.entry_size bytes

  /// The entry with that index, which is less than header.entry_count.
  GptEntry EntryAt(uint32_t index) const;
};

/// The copies of a table that are valid; both, one, or none.
struct GptPair {
  std::optional<GptCopy> primary = {};
  std::optional<GptCopy> backup =
      {};  ///< where the primary header says, or else in the last sector
};

/// The range of the entry, if it has one that can be counted in bytes.
std::optional<DiskRange> RangeOfEntry(const GptEntry& entry, uint64_t sector_size);

/// The copies that are valid for sectors of that size.
GptPair ReadGptPair(RangeReader& disk, uint32_t sector_size);

/// The fields of a header that depend on the size of the disk and on which copy it belongs to, all
/// in sectors.
struct GptPlaces {
  uint64_t own_sector = 0;
  uint64_t other_sector = 0;
  uint64_t last_usable = 0;
  uint64_t entries_sector = 0;
};

/// The sector of a header with these fields and its checksum; everything else is as in the copy,
/// what follows the header included.
std::vector<std::byte> EncodeGptHeader(const GptCopy& copy, const GptPlaces& places);

}  // namespace vhdx::guest

#endif  // VHDXKIT_GUEST_GPT_COPY_H_
