#include "tools/free_space/btrfs.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
#include "guest/btrfs_superblock.h"
#include "guest/range_reader.h"
#include "tools/free_space/btrfs_checks.h"
#include "tools/free_space/btrfs_chunks.h"
#include "tools/free_space/btrfs_extents.h"
#include "tools/free_space/btrfs_items.h"
#include "tools/free_space/btrfs_tree.h"
#include "tools/free_space/disk_ranges.h"
#include "tools/free_space/found.h"

namespace vhdx::free_space {
namespace {

using guest::BtrfsSuperblock;
using guest::RangeReader;

// As many as 256 TiB have, whose chunks have 1 GiB and more.
constexpr size_t kMaxBtrfsChunks = size_t{1} << 18;
// Boot loaders use it, and the superblock is in it.
constexpr DiskRange kBtrfsStart = {0, kMiB};
// What the file system itself keeps free of other things around a copy of its superblock.
constexpr uint64_t kBtrfsCopyBytes = 64 * kKiB;

bool HasBtrfsChunk(const BtrfsChunks& chunks, const BtrfsChunk& wanted) {
  const auto number = chunks.Find(wanted.logical, wanted.length_bytes);
  if (!number) return false;
  const BtrfsChunk& chunk = chunks.chunks()[*number];
  return chunk.logical == wanted.logical && chunk.length_bytes == wanted.length_bytes &&
         chunk.type == wanted.type && chunk.stripes == wanted.stripes;
}

// The only device that the chunk tree may list is the one of the superblock.
Found<void> CheckBtrfsDevice(const BtrfsSuperblock& btrfs, const BtrfsItem& item) {
  if (item.data.size() != sizeof(guest::BtrfsDevice))
    return LeaveAlone("its list of devices is damaged");
  const auto device = LoadFrom<guest::BtrfsDevice>(item.data);
  if (device.id != btrfs.device.id || device.uuid != btrfs.device.uuid) {
    return LeaveAlone(Format("it has another device (number {})", uint64_t{device.id}));
  }
  if (device.total_bytes != btrfs.device.total_bytes ||
      device.used_bytes != btrfs.device.used_bytes) {
    return LeaveAlone("its superblock and its list of devices differ");
  }
  return {};
}

Found<BtrfsChunks> ReadBtrfsChunks(const BtrfsSuperblock& btrfs, BtrfsTreeReader& reader,
                                   const BtrfsChunks& system) {
  std::vector<BtrfsChunk> found;
  bool has_device = false;
  VHDX_TRY(reader.Walk(
      {kBtrfsChunkTree, btrfs.chunk_tree, btrfs.chunk_generation, btrfs.chunk_level},
      [&](const BtrfsItem& item) -> Found<void> {
        if (item.key.type == kBtrfsDevice && item.key.object_id == kBtrfsDevices) {
          has_device = true;
          return CheckBtrfsDevice(btrfs, item);
        }
        if (item.key.type != kBtrfsChunk || item.key.object_id != kBtrfsFirstChunkTree) {
          return LeaveAlone("its chunk tree has an unknown item");
        }
        if (found.size() == kMaxBtrfsChunks) return LeaveAlone("it has too many chunks");
        found.push_back(VHDX_TRY(ParseBtrfsChunk(btrfs, item.key.offset, item.data)));
        return {};
      }));
  if (!has_device) return LeaveAlone("its device is missing in its list of devices");
  auto chunks = VHDX_TRY(BtrfsChunks::Of(std::move(found)));
  for (const BtrfsChunk& chunk : system.chunks()) {
    if (!HasBtrfsChunk(chunks, chunk))
      return LeaveAlone("its superblock and its chunk tree differ");
  }
  return chunks;
}

// The roots of the trees that are read, by tree.
using BtrfsRoots = std::map<uint64_t, BtrfsTree>;

Found<BtrfsRoots> ReadBtrfsRoots(const BtrfsSuperblock& btrfs, BtrfsTreeReader& reader) {
  BtrfsRoots roots = {{kBtrfsExtentTree, {}}, {kBtrfsDeviceTree, {}}};
  if (HasBlockGroupTree(btrfs)) roots.insert({kBtrfsBlockGroupTree, {}});
  VHDX_TRY(reader.Walk({kBtrfsRootTree, btrfs.root_tree, btrfs.generation, btrfs.root_level},
                       [&](const BtrfsItem& item) -> Found<void> {
                         const auto root = roots.find(item.key.object_id);
                         if (item.key.type != kBtrfsRoot || root == roots.end()) return {};
                         if (item.key.offset != 0 || item.data.size() < sizeof(BtrfsRootItem)) {
                           return LeaveAlone("its tree of roots is damaged");
                         }
                         const auto stored = LoadFrom<BtrfsRootItem>(item.data);
                         root->second = {item.key.object_id, stored.logical, stored.generation,
                                         stored.level};
                         return {};
                       }));
  for (const auto& [id, root] : roots) {
    if (root.id == 0) return LeaveAlone(Format("its tree {} is missing", id));
  }
  return roots;
}

// What the device tree says that chunks take must be what the chunk tree says.
Found<void> CheckBtrfsDeviceTree(const BtrfsSuperblock& btrfs, const BtrfsTree& tree,
                                 BtrfsTreeReader& reader, const BtrfsChunks& chunks) {
  std::vector<DiskRange> taken;
  VHDX_TRY(reader.Walk(tree, [&](const BtrfsItem& item) -> Found<void> {
    if (item.key.type == kBtrfsDeviceReplace) {
      if (item.data.size() < sizeof(BtrfsDeviceReplaceItem))
        return LeaveAlone("its device tree is damaged");
      const uint64_t state = LoadFrom<BtrfsDeviceReplaceItem>(item.data).state;
      if (state == BtrfsDeviceReplaceItem::kStarted ||
          state >= BtrfsDeviceReplaceItem::kSuspended) {
        return LeaveAlone("its device is being replaced");
      }
    }
    if (item.key.type != kBtrfsDeviceExtent) return {};
    if (item.key.object_id != btrfs.device.id ||
        item.data.size() != sizeof(BtrfsDeviceExtentItem) ||
        taken.size() == chunks.stripes().size()) {
      return LeaveAlone("its chunk tree and its device tree differ");
    }
    taken.push_back({item.key.offset, LoadFrom<BtrfsDeviceExtentItem>(item.data).length});
    return {};
  }));
  if (!std::ranges::equal(taken, chunks.stripes())) {
    return LeaveAlone("its chunk tree and its device tree differ");
  }
  if (LengthOf(taken) != btrfs.device.used_bytes) {
    return LeaveAlone(Format("its superblock counts {} bytes in chunks, and its chunks have {}",
                             uint64_t{btrfs.device.used_bytes}, LengthOf(taken)));
  }
  return {};
}

// The start of the device and the copies of the superblock are in use whatever the trees say.
std::vector<DiskRange> BtrfsNeverFree(uint64_t device_bytes) {
  std::vector<DiskRange> ranges;
  if (device_bytes != 0) ranges.push_back({0, std::min(kBtrfsStart.length_bytes, device_bytes)});
  for (const uint64_t offset : BtrfsSuperblock::kCopyOffsets) {
    if (offset >= device_bytes) break;
    ranges.push_back({offset, std::min(kBtrfsCopyBytes, device_bytes - offset)});
  }
  return ranges;
}

FreeSpace BtrfsSpaceOf(const BtrfsSuperblock& btrfs, const BtrfsChunks& chunks,
                       BtrfsExtents& extents) {
  const uint64_t device_bytes = AlignDown(btrfs.device.total_bytes, btrfs.sector_size);
  const std::vector<DiskRange> device = {{0, device_bytes}};
  std::vector<DiskRange> free = extents.TakeFree();
  const auto outside = Without(device, chunks.stripes());
  free.insert(free.end(), outside.begin(), outside.end());
  SortAndJoin(free);
  FreeSpace space{.unit_bytes = btrfs.sector_size,
                  .free = {},
                  .counted_free_bytes = device_bytes - extents.used_on_device(),
                  .metadata = BtrfsNeverFree(device_bytes)};
  space.free = Without(free, space.metadata);
  space.counted_free_bytes -= LengthOf(free) - LengthOf(space.free);
  return space;
}

Found<FreeSpace> ReadBtrfs(RangeReader& volume) {
  const BtrfsSuperblock btrfs = VHDX_TRY(ReadCleanBtrfsSuperblock(volume));
  const BtrfsChunks system = VHDX_TRY(BtrfsChunks::InSuperblock(btrfs));
  BtrfsTreeReader chunk_reader(volume, btrfs, system);
  const BtrfsChunks chunks = VHDX_TRY(ReadBtrfsChunks(btrfs, chunk_reader, system));
  BtrfsTreeReader reader(volume, btrfs, chunks);
  const BtrfsRoots roots = VHDX_TRY(ReadBtrfsRoots(btrfs, reader));
  VHDX_TRY(CheckBtrfsDeviceTree(btrfs, roots.at(kBtrfsDeviceTree), reader, chunks));

  BtrfsExtents extents(btrfs, chunks);
  VHDX_TRY(reader.Walk(roots.at(kBtrfsExtentTree),
                       [&](const BtrfsItem& item) { return extents.Take(item); }));
  if (HasBlockGroupTree(btrfs)) {
    VHDX_TRY(reader.Walk(roots.at(kBtrfsBlockGroupTree),
                         [&](const BtrfsItem& item) { return extents.TakeBlockGroup(item); }));
  }
  VHDX_TRY(extents.Finish());
  FreeSpace space = BtrfsSpaceOf(btrfs, chunks, extents);
  if (space.free.size() > kMaxFreeRanges) return LeaveAlone("it has too many free ranges");
  for (const BtrfsTreeReader* each : {&chunk_reader, &reader}) {
    space.metadata.insert(space.metadata.end(), each->blocks().begin(), each->blocks().end());
  }
  return space;
}

}  // namespace

Result<Answer> ReadBtrfsFreeSpace(BlockDevice& volume) {
  RangeReader reader(volume);
  return Conclude(reader, ReadBtrfs(reader));
}

}  // namespace vhdx::free_space
