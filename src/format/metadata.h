// The metadata region ([MS-VHDX] 2.6): its table, and the items that every file has.

#ifndef VHDXKIT_FORMAT_METADATA_H_
#define VHDXKIT_FORMAT_METADATA_H_

#include <vhdxkit/error.h>
#include <vhdxkit/guid.h>
#include <vhdxkit/image_info.h>

#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "format/findings.h"
#include "format/problems.h"

namespace vhdx::format {

inline constexpr uint64_t kMetadataTableSize = 64 * kKiB;
inline constexpr uint64_t kMaxMetadataItemLength = kMiB;
inline constexpr uint16_t kMaxMetadataEntryCount = 2047;
inline constexpr uint16_t kMaxUserMetadataEntryCount = 1024;

/// On-disk layout, at the start of the region.
struct MetadataTableHeader {
  std::array<char, 8> signature;        ///< "metadata"
  le16 reserved;                        ///< zero
  le16 entry_count;                     ///< at most 2047
  std::array<std::byte, 20> reserved2;  ///< zero
};
static_assert(sizeof(MetadataTableHeader) == 32 && alignof(MetadataTableHeader) == 1);

/// On-disk layout of a table entry.
struct MetadataTableEntry {
  Guid item_id;  ///< with IsUser unique in the table
  le32 offset;   ///< bytes from the start of the region, at least 64 KiB; zero if the item is empty
  le32 length;   ///< bytes, at most 1 MiB
  le32 flags;    ///< kIsUser, kIsVirtualDisk, kIsRequired
  le32 reserved2;  ///< zero
};
static_assert(sizeof(MetadataTableEntry) == 32 && alignof(MetadataTableEntry) == 1);
static_assert(offsetof(MetadataTableEntry, flags) == 24);

inline constexpr std::array<char, 8> kMetadataSignature = {'m', 'e', 't', 'a', 'd', 'a', 't', 'a'};
inline constexpr uint32_t kIsUser = 1;
inline constexpr uint32_t kIsVirtualDisk = 2;
inline constexpr uint32_t kIsRequired = 4;

/// The File Parameters item ([MS-VHDX] 2.6.2.1).
struct FileParameters {
  le32 block_size;  ///< bytes: a power of two from 1 MiB to 256 MiB
  le32 flags;       ///< kLeaveBlocksAllocated, kHasParent
};
static_assert(sizeof(FileParameters) == 8);
inline constexpr uint32_t kLeaveBlocksAllocated = 1;
inline constexpr uint32_t kHasParent = 2;

/// Parses the table and checks every entry: bits, counts, duplicates, location in a region of
/// `region_length` bytes, unknown required items, flags and lengths of known items, presence of the
/// five basic items. `bytes` are the first 64 KiB of the region. What is wrong goes to the verdict
/// of the entry, or to that of the `table`, through `problems`; a table that is none has no
/// entries. Errors there: metadata.*
std::vector<MetadataItemStructure> ParseMetadataTable(std::span<const std::byte> bytes,
                                                      uint64_t region_length, const Place& place,
                                                      StructureVerdict& table, Problems& problems);

/// Whether the item is not empty, and where an item may be in a region of `region_length` bytes.
bool ItemIsPlaced(const MetadataItemInfo& item, uint64_t region_length);

/// Reads the bytes of one item; called only for items that are placed, so at most 1 MiB.
using ItemReader = std::function<Result<std::vector<std::byte>>(const MetadataItemInfo& item)>;

/// Reads and checks those of the five basic items that the table has where they may be, and of the
/// right length. `metadata.items` are those of ParseMetadataTable, and `metadata.region` is their
/// region. Fills in `parameters` and `sound`. What is wrong goes to the verdict of the item through
/// `problems`. Errors there: metadata.block-size, .disk-size, .sector-size, and the reader's.
void ReadDiskParameters(MetadataStructure& metadata, const ItemReader& read_item,
                        const std::string& file, Problems& problems);

/// The system item with this id, or null.
const MetadataItemStructure* FindItem(const std::vector<MetadataItemStructure>& items,
                                      const Guid& item_id);
MetadataItemStructure* FindItem(std::vector<MetadataItemStructure>& items, const Guid& item_id);

/// The name of the item in the specification, or empty for an unknown item.
std::string_view MetadataItemName(const Guid& item_id);

/// An item to be written.
struct MetadataItem {
  Guid item_id;
  bool is_user = false;
  bool is_virtual_disk = false;
  bool is_required = false;
  std::vector<std::byte> data = {};
};

/// The basic items with their flags, in the order in which Windows writes them, followed by the
/// parent locator if there is one. Errors: kInvalidArgument for parameters that ReadDiskParameters
/// would refuse.
Result<std::vector<MetadataItem>> EncodeDiskParameters(
    const DiskParameters& parameters, std::optional<std::vector<std::byte>> locator);

/// The start of a metadata region with these items, packed from 64 KiB on: table and items, no
/// padding. Errors: kInvalidArgument for a table that ParseMetadataTable would refuse in a region
/// of `region_length` bytes.
Result<std::vector<std::byte>> EncodeMetadata(const std::vector<MetadataItem>& items,
                                              uint64_t region_length);

}  // namespace vhdx::format

#endif  // VHDXKIT_FORMAT_METADATA_H_
