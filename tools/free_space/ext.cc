#include "tools/free_space/ext.h"

#include <ext2fs/ext2fs.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/border.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
#include "guest/superblock.h"
#include "guest/superblock_fields.h"
#include "tools/free_space/bitmap_ranges.h"
#include "tools/free_space/ext_io.h"

namespace vhdx::free_space {
namespace {

/// Why the file system is left alone; nothing if it is not.
using Reason = std::optional<std::string>;

struct FreeFileSystem {
  void operator()(ext2_filsys fs) const { ext2fs_free(fs); }
};
using FileSystemPointer = std::unique_ptr<struct_ext2_filsys, FreeFileSystem>;

class ExtReader {
 public:
  explicit ExtReader(FileSystemPointer fs)
      : fs_(std::move(fs)),
        super_(*fs_->super),
        block_bytes_(fs_->blocksize),
        bitmap_(block_bytes_) {}

  /// Everything, in order; the answer is complete if there is no reason.
  Reason Run() {
    if (super_.s_clusters_per_group > 8 * block_bytes_) return "its superblock is damaged";
    if (Reason reason = CheckState()) return reason;
    if (Reason reason = ReadMmp()) return reason;
    if (Reason reason = ReadJournal()) return reason;
    if (super_.s_first_data_block != 0) AddMetadata(0, super_.s_first_data_block);
    for (dgrp_t group = 0; group < fs_->group_desc_count; ++group) {
      if (Reason reason = ReadGroup(group)) return reason;
    }
    if (free_.too_many()) return "its free space is in too many pieces";
    return std::nullopt;
  }

  FreeSpace Take() {
    return {.unit_bytes = block_bytes_,
            .free = free_.Take(),
            .counted_free_bytes = ext2fs_free_blocks_count(&super_) * block_bytes_,
            .metadata = Merged(std::move(metadata_))};
  }

 private:
  Reason CheckState();
  Reason ReadMmp();
  Reason ReadJournal();
  Reason CheckJournalSuperblock(blk64_t block);
  Reason ReadGroup(dgrp_t group);
  Reason LoadBitmap(dgrp_t group);
  void MakeBitmap(dgrp_t group);
  /// The superblock and group descriptors at the start of the group, its bitmaps and inodes.
  std::vector<DiskRange> BlocksOfGroup(dgrp_t group);

  /// Numbers of blocks.
  void AddMetadata(uint64_t first, uint64_t count) {
    const DiskRange range{first * block_bytes_, count * block_bytes_};
    if (!metadata_.empty() && metadata_.back().end() == range.disk_offset) {
      metadata_.back().length_bytes += range.length_bytes;
    } else {
      metadata_.push_back(range);
    }
  }
  bool IsBlock(uint64_t first, uint64_t count = 1) const {
    return FitsInside(first, count, ext2fs_blocks_count(&super_));
  }
  errcode_t ReadBlock(blk64_t block) {
    return io_channel_read_blk64(fs_->io, block, 1, bitmap_.data());
  }

  const FileSystemPointer fs_;
  ext2_super_block& super_;
  const uint64_t block_bytes_;
  std::vector<std::byte> bitmap_;  ///< a block
  BitmapRanges free_;
  std::vector<DiskRange> metadata_;
};

Reason ExtReader::CheckState() {
  if (ext2fs_has_feature_journal_needs_recovery(&super_)) {
    return "its journal has not been replayed (needs_recovery)";
  }
  if ((super_.s_state & EXT2_ERROR_FS) != 0) return "it is marked as having errors";
  if ((super_.s_state & EXT2_VALID_FS) == 0) return "it was not unmounted cleanly";
  if ((super_.s_state & (EXT3_ORPHAN_FS | EXT4_FC_REPLAY)) != 0) return "its recovery is under way";
  if (super_.s_last_orphan != 0 || ext2fs_has_feature_orphan_present(&super_)) {
    return "files of it have yet to be removed (orphan inodes)";
  }
  return std::nullopt;
}

Reason ExtReader::ReadMmp() {
  if (!ext2fs_has_feature_mmp(&super_)) return std::nullopt;
  const blk64_t block = super_.s_mmp_block;
  if (!IsBlock(block) || ReadBlock(block) != 0) return "its multiple mount protection is damaged";
  AddMetadata(block, 1);
  const auto magic = LoadFrom<le32>(bitmap_);
  const auto sequence = LoadFrom<le32>(std::span(bitmap_).subspan(4));
  if (magic != EXT4_MMP_MAGIC) return "its multiple mount protection is damaged";
  if (sequence != EXT4_MMP_SEQ_CLEAN) {
    return "another host uses it, or did not unmount it (multiple mount protection)";
  }
  return std::nullopt;
}

// -- The journal --

struct JournalBlocks {
  std::vector<DiskRange> ranges;  ///< numbers of blocks, merged
  std::optional<blk64_t> first;
};

int AddJournalBlock(ext2_filsys, blk64_t* block, e2_blkcnt_t number, blk64_t, int, void* context) {
  auto& journal = *static_cast<JournalBlocks*>(context);
  if (number == 0) journal.first = *block;
  if (!journal.ranges.empty() && journal.ranges.back().end() == *block) {
    ++journal.ranges.back().length_bytes;
    return 0;
  }
  // A journal is laid out in few pieces.
  constexpr size_t kMaxPieces = size_t{1} << 20;
  if (journal.ranges.size() == kMaxPieces) return BLOCK_ABORT;
  journal.ranges.push_back({*block, 1});
  return 0;
}

Reason ExtReader::ReadJournal() {
  if (!ext2fs_has_feature_journal(&super_) || super_.s_journal_inum == 0) return std::nullopt;
  JournalBlocks journal;
  const errcode_t failure = ext2fs_block_iterate3(
      fs_.get(), super_.s_journal_inum, BLOCK_FLAG_READ_ONLY, nullptr, AddJournalBlock, &journal);
  if (failure != 0 || !journal.first) return "its journal cannot be read";
  for (const DiskRange& blocks : journal.ranges) {
    if (!IsBlock(blocks.disk_offset, blocks.length_bytes)) return "its journal is damaged";
    AddMetadata(blocks.disk_offset, blocks.length_bytes);
  }
  return CheckJournalSuperblock(*journal.first);
}

/// The start of a jbd2 superblock, which is big-endian.
struct JournalSuperblock {
  static constexpr uint32_t kMagic = 0xC03B3998;

  guest::be32 magic;
  guest::be32 block_type;
  guest::be32 sequence;
  guest::be32 block_size;
  guest::be32 length;
  guest::be32 first;
  guest::be32 expected_sequence;
  guest::be32 start;  ///< block of the first transaction; 0: nothing to replay
};
static_assert(sizeof(JournalSuperblock) == 32);

Reason ExtReader::CheckJournalSuperblock(blk64_t block) {
  if (ReadBlock(block) != 0) return "its journal cannot be read";
  const auto journal = LoadFrom<JournalSuperblock>(bitmap_);
  if (journal.magic != JournalSuperblock::kMagic) return "its journal is damaged";
  if (journal.start != 0) return "its journal contains transactions that have not been replayed";
  return std::nullopt;
}

// -- Groups --

std::vector<DiskRange> ExtReader::BlocksOfGroup(dgrp_t group) {
  blk64_t superblock = 0;
  blk64_t old_descriptors = 0;
  blk64_t new_descriptors = 0;
  blk_t used = 0;
  ext2fs_super_and_bgd_loc2(fs_.get(), group, &superblock, &old_descriptors, &new_descriptors,
                            &used);
  std::vector<DiskRange> blocks;
  if (ext2fs_bg_has_super(fs_.get(), group) != 0) {
    // With blocks of 1 KiB and bigalloc, block 0 is in the first group and before the superblock.
    const blk64_t first = ext2fs_group_first_block2(fs_.get(), group);
    blocks.push_back({first, superblock - first + 1});
  }
  if (old_descriptors != 0) {
    const uint64_t count = ext2fs_has_feature_meta_bg(&super_)
                               ? super_.s_first_meta_bg
                               : fs_->desc_blocks + super_.s_reserved_gdt_blocks;
    blocks.push_back({old_descriptors, count});
  }
  if (new_descriptors != 0) blocks.push_back({new_descriptors, 1});
  blocks.push_back({ext2fs_block_bitmap_loc(fs_.get(), group), 1});
  blocks.push_back({ext2fs_inode_bitmap_loc(fs_.get(), group), 1});
  blocks.push_back({ext2fs_inode_table_loc(fs_.get(), group), fs_->inode_blocks_per_group});
  return blocks;
}

// A group that was never used has no bitmap yet: in use is only what describes it.
void ExtReader::MakeBitmap(dgrp_t group) {
  std::ranges::fill(bitmap_, std::byte{0});
  const uint64_t first = ext2fs_group_first_block2(fs_.get(), group);
  const uint64_t end = first + static_cast<uint64_t>(ext2fs_group_blocks_count(fs_.get(), group));
  for (const DiskRange& range : BlocksOfGroup(group)) {
    const uint64_t used_end = std::min(range.end(), end);
    for (uint64_t block = std::max(range.disk_offset, first); block < used_end; ++block) {
      const uint64_t bit = EXT2FS_B2C(fs_, block - first);
      bitmap_.at(bit / 8) |= std::byte{1} << (bit % 8);
    }
  }
}

Reason ExtReader::LoadBitmap(dgrp_t group) {
  const bool has_checksums = ext2fs_has_group_desc_csum(fs_.get()) != 0;
  if (has_checksums && ext2fs_group_desc_csum_verify(fs_.get(), group) == 0) {
    return Format("the checksum of group {} is wrong", group);
  }
  if (has_checksums && ext2fs_bg_flags_test(fs_.get(), group, EXT2_BG_BLOCK_UNINIT) != 0) {
    MakeBitmap(group);
    return std::nullopt;
  }
  if (ReadBlock(ext2fs_block_bitmap_loc(fs_.get(), group)) != 0) {
    return Format("the bitmap of group {} cannot be read", group);
  }
  // The checksum is that of the bits of a whole group.
  const auto bytes = static_cast<int>(super_.s_clusters_per_group / 8);
  if (ext2fs_block_bitmap_csum_verify(fs_.get(), group, reinterpret_cast<char*>(bitmap_.data()),
                                      bytes) == 0) {
    return Format("the checksum of the bitmap of group {} is wrong", group);
  }
  return std::nullopt;
}

Reason ExtReader::ReadGroup(dgrp_t group) {
  for (const DiskRange& blocks : BlocksOfGroup(group)) {
    if (!IsBlock(blocks.disk_offset, blocks.length_bytes)) {
      return Format("the descriptor of group {} is damaged", group);
    }
    AddMetadata(blocks.disk_offset, blocks.length_bytes);
  }
  if (Reason reason = LoadBitmap(group)) return reason;
  const uint64_t first = ext2fs_group_first_block2(fs_.get(), group);
  const auto blocks = static_cast<uint64_t>(ext2fs_group_blocks_count(fs_.get(), group));
  const uint64_t clusters = EXT2FS_NUM_B2C(fs_, blocks);
  const uint64_t free = free_.AddZeroBits(bitmap_, clusters, first * block_bytes_,
                                          block_bytes_ * EXT2FS_CLUSTER_RATIO(fs_));
  const uint64_t counted = ext2fs_bg_free_blocks_count(fs_.get(), group);
  if (free != counted) {
    return Format("{} of group {} are free by its bitmap, and {} by its count",
                  Counted(free, "block", "blocks"), group, counted);
  }
  return std::nullopt;
}

// -- Opening --

std::string OpenFailure(errcode_t failure) {
  switch (failure) {
    case EXT2_ET_UNSUPP_FEATURE:
    case EXT2_ET_RO_UNSUPP_FEATURE:
      return "it has features that libext2fs does not know";
    case EXT2_ET_SB_CSUM_INVALID:
      return "the checksum of its superblock is wrong";
    case EXT2_ET_SHORT_READ:
      return "its group descriptors cannot be read";
    default:
      return Format("libext2fs cannot open it (error {})", failure);
  }
}

Reason CheckSize(std::span<const guest::Superblock> superblocks, uint64_t volume_bytes) {
  using enum guest::VolumeKind;
  for (const guest::Superblock& superblock : superblocks) {
    if (superblock.kind != kExt2 && superblock.kind != kExt3 && superblock.kind != kExt4) continue;
    if (superblock.size_bytes.value_or(0) <= volume_bytes) return std::nullopt;
    return Format("it is larger ({} bytes) than the volume that it is on ({})",
                  *superblock.size_bytes, volume_bytes);
  }
  return "it has no valid superblock";
}

Answer ReadFrom(ExtSource& source) {
  ext2_filsys opened = nullptr;
  const errcode_t failure = ext2fs_open2(source.Name().c_str(), nullptr, EXT2_FLAG_64BITS, 0, 0,
                                         ExtSourceManager(), &opened);
  if (failure == EXT2_ET_NO_MEMORY) throw std::bad_alloc();
  if (failure != 0) return LeftAlone{OpenFailure(failure)};
  ExtReader reader{FileSystemPointer(opened)};
  if (Reason reason = reader.Run()) return LeftAlone{*std::move(reason)};
  return reader.Take();
}

}  // namespace

Result<Answer> ReadExtFreeSpace(BlockDevice& volume) try {
  const auto superblocks = VHDX_TRY(guest::ReadSuperblocks(volume, {0, volume.size_bytes()}));
  if (Reason reason = CheckSize(superblocks, volume.size_bytes())) {
    return LeftAlone{*std::move(reason)};
  }
  // Two for each group of a size that somebody would choose, and those of a large journal.
  ExtSource source(volume, (uint64_t{1} << 20) + volume.size_bytes() / (64 * kKiB));
  Answer answer = ReadFrom(source);
  VHDX_TRY(source.Finish());
  return answer;
} catch (...) {
  return CaughtException();
}

}  // namespace vhdx::free_space
