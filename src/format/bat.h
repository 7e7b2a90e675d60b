// The block allocation table ([MS-VHDX] 2.5): its entries, and the index of a block's entry.

#ifndef VHDXKIT_FORMAT_BAT_H_
#define VHDXKIT_FORMAT_BAT_H_

#include <vhdxkit/image_info.h>

#include <cstdint>
#include <string_view>

#include "bytes/arithmetic.h"
#include "format/layout.h"

namespace vhdx::format {

/// Payload block states ([MS-VHDX] 2.5.1.1).
enum class PayloadState : uint8_t {
  kNotPresent = 0,
  kUndefined = 1,
  kZero = 2,
  kUnmapped = 3,
  kReserved = 4,
  kOldUnmapped = 5,  ///< UNMAPPED in version 0.95 of the format; read, never written
  kFullyPresent = 6,
  kPartiallyPresent = 7,
};
std::string_view PayloadStateName(PayloadState state);

/// What a payload state means, to readers and for the space that its entry points at. What is
/// UNDEFINED may read as anything: here it is zeros, as what was never written.
struct StateMeaning {
  enum class Reads : uint8_t {
    kParent,  ///< as the parent, and without one as zeros
    kZeros,
    kData,
    kBySector,  ///< data where the sector bitmap says so, else as the parent
  };
  enum class Space : uint8_t {
    kNone,     ///< the offset means nothing
    kMayKeep,  ///< may point at space that the block once used
    kOwns,     ///< the block's data is there
  };
  Reads reads = Reads::kParent;
  Space space = Space::kNone;
};

constexpr StateMeaning MeaningOf(PayloadState state) {
  using Reads = StateMeaning::Reads;
  using Space = StateMeaning::Space;
  switch (state) {
    case PayloadState::kNotPresent:
      return {Reads::kParent, Space::kNone};
    case PayloadState::kUndefined:
    case PayloadState::kUnmapped:
    case PayloadState::kOldUnmapped:
      return {Reads::kZeros, Space::kMayKeep};
    case PayloadState::kZero:
    case PayloadState::kReserved:  // refused by whoever reads it
      break;
    case PayloadState::kFullyPresent:
      return {Reads::kData, Space::kOwns};
    case PayloadState::kPartiallyPresent:
      return {Reads::kBySector, Space::kOwns};
  }
  return {Reads::kZeros, Space::kNone};
}
constexpr bool OwnsSpace(PayloadState state) {
  return MeaningOf(state).space == StateMeaning::Space::kOwns;
}

/// Sector bitmap block states ([MS-VHDX] 2.5.1.2); all other values are undefined.
inline constexpr uint8_t kBitmapNotPresent = 0;
inline constexpr uint8_t kBitmapPresent = 6;

/// One entry: a state in bits 0 to 2, an offset in units of 1 MiB in bits 20 to 63.
class BatEntry {
 public:
  constexpr BatEntry() = default;
  constexpr explicit BatEntry(uint64_t raw) : raw_(raw) {}
  /// `file_offset` is a multiple of 1 MiB.
  constexpr BatEntry(PayloadState state, uint64_t file_offset)
      : raw_(file_offset | static_cast<uint64_t>(state)) {}

  constexpr uint64_t raw() const { return raw_; }
  constexpr PayloadState state() const { return static_cast<PayloadState>(raw_ & kStateMask); }
  /// Of a sector bitmap entry.
  constexpr uint8_t bitmap_state() const { return static_cast<uint8_t>(raw_ & kStateMask); }
  constexpr uint64_t file_offset() const { return raw_ & kOffsetMask; }
  constexpr uint64_t reserved_bits() const { return raw_ & kReservedMask; }

  static constexpr uint64_t kStateMask = 0x7;
  static constexpr uint64_t kReservedMask = 0xFFFF8;
  static constexpr uint64_t kOffsetMask = ~uint64_t{0xFFFFF};

 private:
  uint64_t raw_ = 0;
};
static_assert(sizeof(BatEntry) == 8);

inline constexpr uint64_t kBatEntrySize = sizeof(BatEntry);
inline constexpr uint64_t kBatEntriesPerPage = kLogSectorSize / kBatEntrySize;

/// The arithmetic of blocks, chunks and the BAT of one disk ([MS-VHDX] 2.4, 2.5). The parameters
/// were checked when they were parsed: powers of two, at most 64 TiB.
class BatGeometry {
 public:
  BatGeometry() = default;
  explicit BatGeometry(const DiskParameters& parameters);

  uint64_t block_size() const { return uint64_t{1} << block_shift_; }
  uint64_t virtual_disk_size() const { return virtual_disk_size_; }
  uint32_t logical_sector_size() const { return uint32_t{1} << sector_shift_; }

  /// Payload blocks that one sector bitmap block describes: 2^23 sectors.
  uint64_t chunk_ratio() const { return uint64_t{1} << chunk_ratio_shift_; }
  uint64_t payload_block_count() const { return payload_block_count_; }
  uint64_t chunk_count() const { return DivideRoundingUp(payload_block_count_, chunk_ratio()); }

  uint64_t BlockOf(uint64_t disk_offset) const { return disk_offset >> block_shift_; }
  uint64_t OffsetInBlock(uint64_t disk_offset) const { return disk_offset & (block_size() - 1); }
  uint64_t BlockStart(uint64_t block) const { return block << block_shift_; }
  /// Bytes of the block that are part of the disk: all, except in the last block.
  uint64_t BytesOnDisk(uint64_t block) const {
    const uint64_t left = virtual_disk_size_ - BlockStart(block);
    return left < block_size() ? left : block_size();
  }
  uint64_t ChunkOf(uint64_t block) const { return block >> chunk_ratio_shift_; }

  /// The index of the entry of a payload block, or of a chunk's sector bitmap.
  uint64_t PayloadIndex(uint64_t block) const { return block + ChunkOf(block); }
  uint64_t BitmapIndex(uint64_t chunk) const { return ((chunk + 1) << chunk_ratio_shift_) + chunk; }

  /// Entries needed to address every payload block; required in a file without a parent.
  uint64_t EntryCountWithoutParent() const {
    return payload_block_count_ + ((payload_block_count_ - 1) >> chunk_ratio_shift_);
  }
  /// Entries needed to address every sector bitmap too; required in a differencing file, and what
  /// we write in every file.
  uint64_t EntryCountWithParent() const { return chunk_count() * (chunk_ratio() + 1); }

  /// The bits of a block in its chunk's sector bitmap block, in bytes from the start of that block.
  uint64_t BitmapBytesPerBlock() const { return kSectorBitmapBlockSize >> chunk_ratio_shift_; }
  uint64_t BitmapSliceOffset(uint64_t block) const {
    return (block & (chunk_ratio() - 1)) * BitmapBytesPerBlock();
  }
  /// The bit for a byte of the disk, counted from the start of its chunk's bitmap; bit i is bit i %
  /// 8, counted from the least significant, of byte i / 8.
  uint64_t BitInChunk(uint64_t disk_offset) const {
    return (disk_offset >> sector_shift_) & (kSectorsPerChunk - 1);
  }

  static constexpr uint64_t kSectorsPerChunk = uint64_t{1} << 23;

 private:
  uint64_t virtual_disk_size_ = 0;
  uint64_t payload_block_count_ = 0;
  uint32_t block_shift_ = 0;
  uint32_t sector_shift_ = 0;
  uint32_t chunk_ratio_shift_ = 0;
};

}  // namespace vhdx::format

#endif  // VHDXKIT_FORMAT_BAT_H_
