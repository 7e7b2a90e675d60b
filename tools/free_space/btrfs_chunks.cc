#include "tools/free_space/btrfs_chunks.h"

#include <algorithm>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
#include "tools/free_space/btrfs_items.h"
#include "tools/free_space/disk_ranges.h"

namespace vhdx::free_space {
namespace {

using guest::BtrfsSuperblock;

constexpr uint64_t kBtrfsProfileDup = 1 << 5;

std::unexpected<LeftAlone> WrongChunk(uint64_t logical) {
  return LeaveAlone(Format("its chunk at logical address {} is damaged", logical));
}

// The profile: how many copies there are, and of what size the item must be.
Found<size_t> CopiesOf(uint64_t type) {
  if ((type & kBtrfsChunkUses) == 0) return LeaveAlone("it has a chunk for nothing");
  const uint64_t profile = type & ~kBtrfsChunkUses;
  if (profile == 0) return size_t{1};
  if (profile == kBtrfsProfileDup) return size_t{2};
  return LeaveAlone(
      Format("it has a chunk whose profile is neither SINGLE nor DUP (type {:#x})", type));
}

Found<uint64_t> StripeOf(const BtrfsSuperblock& btrfs, uint64_t logical, uint64_t length,
                         const BtrfsStripe& stripe) {
  const guest::BtrfsDevice& device = btrfs.device;
  if (stripe.device_id != device.id || stripe.device_uuid != device.uuid) {
    return LeaveAlone(
        Format("it has a chunk on another device (number {})", uint64_t{stripe.device_id}));
  }
  if (!IsAligned(stripe.offset, btrfs.sector_size) ||
      !FitsInside(stripe.offset, length, device.total_bytes)) {
    return WrongChunk(logical);
  }
  return uint64_t{stripe.offset};
}

}  // namespace

Found<BtrfsChunk> ParseBtrfsChunk(const BtrfsSuperblock& btrfs, uint64_t logical, ByteSpan item) {
  if (item.size() < sizeof(BtrfsChunkItem)) return WrongChunk(logical);
  const auto stored = LoadFrom<BtrfsChunkItem>(item);
  const size_t copies = VHDX_TRY(CopiesOf(stored.type));
  if (stored.stripe_count != copies ||
      item.size() != sizeof(BtrfsChunkItem) + copies * sizeof(BtrfsStripe) || stored.length == 0 ||
      !IsAligned(stored.length | logical, btrfs.sector_size) ||
      !CheckedAdd(logical, stored.length)) {
    return WrongChunk(logical);
  }
  BtrfsChunk chunk{
      .logical = logical, .length_bytes = stored.length, .type = stored.type, .stripes = {}};
  for (size_t i = 0; i < copies; ++i) {
    const auto stripe =
        LoadFrom<BtrfsStripe>(item.subspan(sizeof(BtrfsChunkItem) + i * sizeof(BtrfsStripe)));
    chunk.stripes.push_back(VHDX_TRY(StripeOf(btrfs, logical, stored.length, stripe)));
  }
  return chunk;
}

Found<BtrfsChunks> BtrfsChunks::Of(std::vector<BtrfsChunk> chunks) {
  BtrfsChunks made;
  made.chunks_ = std::move(chunks);
  std::ranges::sort(made.chunks_, {}, &BtrfsChunk::logical);
  for (size_t i = 0; i < made.chunks_.size(); ++i) {
    const BtrfsChunk& chunk = made.chunks_[i];
    if (i != 0 && chunk.logical < made.chunks_[i - 1].logical_end()) {
      return LeaveAlone("its chunks overlap in logical addresses");
    }
    for (const uint64_t stripe : chunk.stripes) {
      made.stripes_.push_back({stripe, chunk.length_bytes});
    }
  }
  std::ranges::sort(made.stripes_);
  if (AnyOverlap(made.stripes_)) return LeaveAlone("its chunks overlap on the device");
  return made;
}

Found<BtrfsChunks> BtrfsChunks::InSuperblock(const BtrfsSuperblock& btrfs) {
  std::vector<BtrfsChunk> chunks;
  if (btrfs.system_chunks_bytes > btrfs.system_chunks.size()) {
    return LeaveAlone("its superblock is damaged (list of system chunks)");
  }
  auto rest = ByteSpan(btrfs.system_chunks).first(btrfs.system_chunks_bytes);
  while (!rest.empty()) {
    constexpr size_t kHead = sizeof(BtrfsDiskKey) + sizeof(BtrfsChunkItem);
    if (rest.size() < kHead) return LeaveAlone("its superblock is damaged (list of system chunks)");
    const auto key = LoadFrom<BtrfsDiskKey>(rest);
    const auto stored = LoadFrom<BtrfsChunkItem>(rest.subspan(sizeof(BtrfsDiskKey)));
    const size_t bytes = kHead + stored.stripe_count * sizeof(BtrfsStripe);
    if (key.type != kBtrfsChunk || bytes > rest.size()) {
      return LeaveAlone("its superblock is damaged (list of system chunks)");
    }
    chunks.push_back(VHDX_TRY(
        ParseBtrfsChunk(btrfs, key.offset, rest.first(bytes).subspan(sizeof(BtrfsDiskKey)))));
    rest = rest.subspan(bytes);
  }
  return Of(std::move(chunks));
}

std::optional<size_t> BtrfsChunks::Find(uint64_t logical, uint64_t length_bytes) const {
  const auto after = std::ranges::upper_bound(chunks_, logical, {}, &BtrfsChunk::logical);
  if (after == chunks_.begin()) return std::nullopt;
  const BtrfsChunk& chunk = *std::prev(after);
  if (!FitsInside(logical - chunk.logical, length_bytes, chunk.length_bytes)) return std::nullopt;
  return static_cast<size_t>(std::prev(after) - chunks_.begin());
}

}  // namespace vhdx::free_space
