// The two copies of the region table ([MS-VHDX] 2.2.3): the locations of the BAT, the metadata and
// unknown regions.

#ifndef VHDXKIT_FORMAT_REGION_TABLE_H_
#define VHDXKIT_FORMAT_REGION_TABLE_H_

#include <vhdxkit/error.h>
#include <vhdxkit/guid.h>
#include <vhdxkit/image_info.h>

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "format/findings.h"
#include "format/problems.h"

namespace vhdx::format {

inline constexpr uint64_t kRegionTableSize = 64 * kKiB;
inline constexpr uint32_t kMaxRegionCount = 2047;

/// On-disk layout. The checksum covers all 64 KiB of the table.
struct RegionTableHeader {
  std::array<char, 4> signature;  ///< "regi"
  le32 checksum;                  ///< CRC-32C with this field as zero
  le32 entry_count;               ///< at most 2047
  le32 reserved;                  ///< zero
};
static_assert(sizeof(RegionTableHeader) == 16 && alignof(RegionTableHeader) == 1);

/// On-disk layout of an entry.
struct RegionTableEntry {
  Guid guid;         ///< what the region is; unique in the table
  le64 file_offset;  ///< bytes, a multiple of 1 MiB
  le32 length;       ///< bytes, a multiple of 1 MiB
  le32 required;     ///< bit 0: a program that does not know the region must not open the file
};
static_assert(sizeof(RegionTableEntry) == 32 && alignof(RegionTableEntry) == 1);
static_assert(offsetof(RegionTableEntry, file_offset) == 16);

inline constexpr std::array<char, 4> kRegionTableSignature = {'r', 'e', 'g', 'i'};

/// The entries of a copy as they are, whatever they say. `bytes` are the 64 KiB of the table, or
/// fewer; nothing if they do not begin with its signature, or the count is impossible.
std::optional<RegionTableInfo> DecodeRegionTable(std::span<const std::byte> bytes);

/// Parses one copy and checks signature, checksum and count. What makes it invalid (the result is
/// then empty) or unusual is added to `findings`. `bytes` are the 64 KiB of the table. Errors:
/// region.entry-count.
Result<std::optional<RegionTableInfo>> ParseRegionTable(std::span<const std::byte> bytes,
                                                        const Place& place, Findings& findings);

/// The regions with the places of their entries, not checked yet. `place` is that of the table.
std::vector<RegionStructure> PlaceRegions(const std::vector<RegionInfo>& regions,
                                          const Place& place);

/// Checks the regions of the current table: location, overlap with each other and with the log, end
/// of the file, unknown required regions, presence of BAT and metadata. What is wrong goes to the
/// verdict of the entry, or to that of the `table`, through `problems`. Errors there:
/// region.duplicate, .range, .overlap, .beyond-eof, .missing, .unknown-required, log.overlap.
void CheckRegions(std::vector<RegionStructure>& regions, FileRange log, uint64_t file_size,
                  const Place& place, StructureVerdict& table, Problems& problems);

/// Whether the region is where a region may be in a file of any length.
bool RegionIsPlaced(const RegionInfo& region);

/// The 64 KiB of a table. Errors: kInvalidArgument for regions that CheckRegions would refuse
/// whatever the log and the size of the file.
Result<std::vector<std::byte>> EncodeRegionTable(const std::vector<RegionInfo>& regions);

}  // namespace vhdx::format

#endif  // VHDXKIT_FORMAT_REGION_TABLE_H_
