// The description of a .vhdx that the test kit can build: any legal one, and with its overrides and
// patches any broken one. Plain values; what is left alone makes a small legal dynamic disk.
//
//   ImageSpec spec = DynamicImage({.disk_size = 64 * kMiB, .block_size = 2 * kMiB});
//   spec.blocks = {FullBlock(0), ZeroBlock(3)};
//   spec.log.log_guid = TestGuid(9);
//   spec.log.entries = {{.writes = MovedPages({PlanLayout(spec).bat.file_offset, 4096})}};
//   MemoryFile file;
//   const ImageLayout layout = *Build(spec, file);

#ifndef VHDXKIT_TESTING_IMAGE_SPEC_H_
#define VHDXKIT_TESTING_IMAGE_SPEC_H_

#include <vhdxkit/guid.h>
#include <vhdxkit/image_info.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bytes/arithmetic.h"
#include "format/bat.h"
#include "testing/block_pattern.h"
#include "testing/locator_spec.h"
#include "testing/log_spec.h"
#include "testing/patch.h"

namespace vhdx::testing {

/// A GUID for each number, unlike all others.
Guid TestGuid(uint64_t number);

/// Logical sectors of one block, counted from its start.
struct SectorRun {
  uint64_t first = 0;
  uint64_t count = 0;
};

/// What is written where a block stands in the file: the image's pattern. Sectors of a partially
/// present block that are not present, and the space of blocks that are not present at all, get
/// junk instead.
enum class BlockContent : uint8_t {
  kPattern,  ///< the whole block
  kEnds,     ///< its first and last 64 KiB and its present sectors (for large blocks); else zeros
  kZeros,    ///< nothing: zeros
};

/// One payload block.
struct BlockSpec {
  uint64_t block = 0;
  format::PayloadState state = format::PayloadState::kFullyPresent;
  std::optional<uint64_t> file_offset = {};  ///< default: the next free place, 0 if not present
  BlockContent content = BlockContent::kPattern;
  std::vector<SectorRun> present_sectors = {};  ///< of a partially present one; in order, apart
  uint64_t reserved_bits = 0;                   ///< bits 3 to 19 of its entry
};

BlockSpec FullBlock(uint64_t block, std::optional<uint64_t> file_offset = {});
BlockSpec PartialBlock(uint64_t block, std::vector<SectorRun> present_sectors);
BlockSpec ZeroBlock(uint64_t block);
/// UNDEFINED, UNMAPPED and so on, with the place that they keep, if any.
BlockSpec StateBlock(uint64_t block, format::PayloadState state, uint64_t file_offset = 0);
/// `count` fully present blocks, from 0 on.
std::vector<BlockSpec> FullBlocks(uint64_t count);

/// The sector bitmap of one chunk. A chunk of a differencing image that has partially present
/// blocks gets one without being asked.
struct BitmapSpec {
  uint64_t chunk = 0;
  uint8_t state = format::kBitmapPresent;
  std::optional<uint64_t> file_offset = {};  ///< default: the next free place if present, else 0
  uint64_t reserved_bits = 0;
  std::byte other_bits = std::byte{0};  ///< the bytes of blocks that are not partially present
};

/// Any value for any entry, counted from the start of the BAT region; stored after all others.
struct RawBatEntry {
  uint64_t index = 0;
  uint64_t raw = 0;
};

struct RegionSpec {
  Guid guid;
  std::optional<uint64_t> file_offset = {};   ///< default: the next free place
  std::optional<uint64_t> length_bytes = {};  ///< default: what it needs
  uint32_t required = 1;
};

struct MetadataItemSpec {
  Guid item_id;
  uint32_t flags = 0;
  std::vector<std::byte> data = {};
  std::optional<uint32_t> offset = {};  ///< default: behind the item before; 0 if it is empty
  std::optional<uint32_t> length = {};  ///< default: that of the data
  uint32_t reserved2 = 0;
};

/// What one header says that the other need not.
struct HeaderSpec {
  uint64_t sequence_number = 0;
  std::optional<Guid> file_write_guid = {};  ///< default: the image's
  std::optional<Guid> data_write_guid = {};
  std::optional<Guid> log_guid = {};
};

struct ImageSpec {
  /// Legal ones only, for they place everything else; wrong ones are patched in.
  DiskParameters parameters = {.block_size_bytes = 2 * kMiB,
                               .virtual_disk_size_bytes = 64 * kMiB,
                               .logical_sector_size = 512,
                               .physical_sector_size = 4096,
                               .virtual_disk_id = TestGuid(1)};
  BlockPattern pattern = {.seed = 1, .layer = 0};

  std::vector<BlockSpec> blocks = {};  ///< those with an entry other than 0
  std::vector<BitmapSpec> bitmaps = {};
  std::vector<RawBatEntry> bat_entries = {};

  std::string creator = "vhdxkit test kit";
  Guid file_write_guid = TestGuid(2);
  Guid data_write_guid = TestGuid(3);
  std::array<HeaderSpec, 2> headers = {HeaderSpec{.sequence_number = 4},
                                       HeaderSpec{.sequence_number = 5}};

  /// In the order of the table. Regions without a place are put behind the log: metadata, then BAT,
  /// then the others. Where BAT or metadata is not in the list it is built all the same.
  std::vector<RegionSpec> regions = {RegionSpec{.guid = format::kBatRegionGuid},
                                     RegionSpec{.guid = format::kMetadataRegionGuid}};
  /// All of them; default: the basic ones, and the locator if there is one.
  std::optional<std::vector<MetadataItemSpec>> metadata_items = {};
  std::vector<MetadataItemSpec> more_metadata_items = {};  ///< behind those
  std::optional<LocatorSpec> locator = {};

  LogSpec log = {};
  std::optional<uint64_t> first_block_offset = {};  ///< default: behind the last region
  std::optional<uint64_t> file_size = {};           ///< default: the end of the last structure

  /// Applied when all but the log stands; then the checksums of headers and region tables are
  /// computed again, and the log is written.
  std::vector<Patch> patches = {};
  /// Applied last; no checksum follows.
  std::vector<Patch> late_patches = {};
};

/// The size of a disk and of its pieces.
struct DiskShape {
  uint64_t disk_size = 64 * kMiB;
  uint64_t block_size = 2 * kMiB;
  uint32_t logical_sector_size = 512;
  uint32_t physical_sector_size = 4096;
};

/// A dynamic disk without a block.
ImageSpec DynamicImage(const DiskShape& shape = {});
/// A fixed disk, all blocks there.
ImageSpec FixedImage(const DiskShape& shape = {});
/// A differencing disk without a block: its shape is the parent's but for what `shape` changes, its
/// layer one more; it finds the parent by a relative path.
struct ChildShape {
  std::optional<uint64_t> disk_size = {};
  std::optional<uint64_t> block_size = {};
};
ImageSpec ChildOf(const ImageSpec& parent, const std::string& relative_path,
                  const ChildShape& shape = {});

/// The basic items of an image, in Windows's order, with the flags of the specification.
std::vector<MetadataItemSpec> BasicMetadataItems(const ImageSpec& spec);

/// docs/format.md, section 18.6: the smallest complete file, and the same with a pending log.
ImageSpec RecipeA();
ImageSpec RecipeB();

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_IMAGE_SPEC_H_
