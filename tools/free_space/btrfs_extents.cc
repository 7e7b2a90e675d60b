#include "tools/free_space/btrfs_extents.h"

#include <algorithm>
#include <array>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
#include "tools/free_space/btrfs_items.h"

namespace vhdx::free_space {
namespace {

// References to extents, in items of their own: of tree blocks and of data, by owner and by parent.
constexpr std::array<uint8_t, 6> kBtrfsReferences = {172, 176, 178, 180, 182, 184};

}  // namespace

Found<void> BtrfsExtents::Take(const BtrfsItem& item) {
  const BtrfsKey& key = item.key;
  if (key.type == kBtrfsExtent) return TakeExtent(key.object_id, key.offset);
  if (key.type == kBtrfsMetadata) return TakeExtent(key.object_id, btrfs_.node_size);
  if (key.type == kBtrfsBlockGroup) return TakeBlockGroup(item);
  if (std::ranges::find(kBtrfsReferences, key.type) != kBtrfsReferences.end()) return {};
  return LeaveAlone(Format("its extent tree has an item of unknown type {}", key.type));
}

Found<void> BtrfsExtents::TakeBlockGroup(const BtrfsItem& item) {
  if (item.key.type != kBtrfsBlockGroup || item.data.size() != sizeof(BtrfsBlockGroupItem)) {
    return LeaveAlone("its list of block groups is damaged");
  }
  const auto group = LoadFrom<BtrfsBlockGroupItem>(item.data);
  const auto number = chunks_.Find(item.key.object_id, item.key.offset);
  if (!number) return LeaveAlone("it has a block group without a chunk");
  const BtrfsChunk& chunk = chunks_.chunks()[*number];
  if (chunk.logical != item.key.object_id || chunk.length_bytes != item.key.offset ||
      chunk.type != group.type || usage_[*number].counted_bytes) {
    return LeaveAlone("it has a block group that contradicts its chunk");
  }
  usage_[*number].counted_bytes = group.used;
  return {};
}

Found<void> BtrfsExtents::TakeExtent(uint64_t logical, uint64_t length) {
  const auto number = chunks_.Find(logical, length);
  if (!number || length == 0 || !IsAligned(logical | length, btrfs_.sector_size)) {
    return LeaveAlone(Format("it has an extent that is in no chunk (logical address {})", logical));
  }
  VHDX_TRY(GoToChunk(*number));
  if (logical < reached_) {
    return LeaveAlone(Format("its extents overlap (logical address {})", logical));
  }
  VHDX_TRY(AddFreeUpTo(logical));
  reached_ = logical + length;
  usage_[*number].extent_bytes += length;
  return {};
}

Found<void> BtrfsExtents::GoToChunk(size_t chunk) {
  const auto chunks = chunks_.chunks();
  if (!started_ && !chunks.empty()) reached_ = chunks[0].logical;
  started_ = true;
  while (chunk_ < chunk) {
    VHDX_TRY(AddFreeUpTo(chunks[chunk_].logical_end()));
    ++chunk_;
    if (chunk_ < chunks.size()) reached_ = chunks[chunk_].logical;
  }
  return {};
}

Found<void> BtrfsExtents::AddFreeUpTo(uint64_t logical) {
  if (logical == reached_) return {};
  const BtrfsChunk& chunk = chunks_.chunks()[chunk_];
  for (const uint64_t stripe : chunk.stripes) {
    if (free_.size() == kMaxFreeRanges) return LeaveAlone("it has too many free ranges");
    free_.push_back(chunk.InStripe(stripe, {reached_, logical - reached_}));
  }
  return {};
}

Found<void> BtrfsExtents::Finish() {
  VHDX_TRY(GoToChunk(usage_.size()));
  uint64_t used = 0;
  for (size_t i = 0; i < usage_.size(); ++i) {
    const ChunkUsage& usage = usage_[i];
    const BtrfsChunk& chunk = chunks_.chunks()[i];
    if (!usage.counted_bytes) {
      return LeaveAlone(
          Format("its chunk at logical address {} has no block group", chunk.logical));
    }
    if (*usage.counted_bytes != usage.extent_bytes) {
      return LeaveAlone(
          Format("its block group at logical address {} counts {} bytes in use, and its "
                 "extents have {}",
                 chunk.logical, *usage.counted_bytes, usage.extent_bytes));
    }
    used += *usage.counted_bytes;
    used_on_device_ += *usage.counted_bytes * chunk.stripes.size();
  }
  if (used != btrfs_.used_bytes) {
    return LeaveAlone(Format("its superblock counts {} bytes in use, and its block groups {}",
                             uint64_t{btrfs_.used_bytes}, used));
  }
  return {};
}

}  // namespace vhdx::free_space
