#include "testing/btrfs_volume.h"

#include <algorithm>
#include <array>
#include <bit>
#include <tuple>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/crc32c.h"
#include "bytes/endian.h"
#include "testing/byte_writer.h"
#include "testing/guest_volumes.h"

namespace vhdx::testing {
namespace {

constexpr size_t kBtrfsNode = BtrfsVolume::kBlockBytes;
constexpr size_t kBtrfsSuperblockBytes = 4096;
constexpr uint64_t kBtrfsGeneration = 9;
constexpr uint64_t kBtrfsDeviceId = 1;
constexpr std::array<std::byte, 16> kBtrfsDeviceUuid = {std::byte{0xD1}, std::byte{0x5C}};

struct BtrfsChunkSpec {
  uint64_t logical;
  uint64_t length;
  uint64_t type;
  std::vector<uint64_t> stripes;
  uint64_t used;
};

// Of the system, of metadata, and of data; the copy of the superblock is inside the last.
const std::array<BtrfsChunkSpec, 3>& BtrfsChunkSpecs() {
  static const std::array<BtrfsChunkSpec, 3> chunks = {
      BtrfsChunkSpec{16 * kMiB, kMiB, 0x22, {BtrfsVolume::kChunkRoot, 4 * kMiB}, kBtrfsNode},
      BtrfsChunkSpec{
          32 * kMiB, 2 * kMiB, 0x24, {BtrfsVolume::kRootTree, 12 * kMiB}, 6 * kBtrfsNode},
      BtrfsChunkSpec{64 * kMiB, 8 * kMiB, 0x01, {60 * kMiB}, 68 * kKiB}};
  return chunks;
}
constexpr uint64_t kBtrfsDataLogical = 64 * kMiB;
constexpr uint64_t kBtrfsDataAt = 60 * kMiB;

// The logical address of what has its first copy there.
uint64_t BtrfsLogicalOf(uint64_t disk_offset) {
  for (const BtrfsChunkSpec& chunk : BtrfsChunkSpecs()) {
    const uint64_t stripe = chunk.stripes[0];
    if (disk_offset >= stripe && disk_offset < stripe + chunk.length) {
      return chunk.logical + (disk_offset - stripe);
    }
  }
  return 0;
}

struct BtrfsTreeItem {
  uint64_t object_id;
  uint8_t type;
  uint64_t offset;
  std::vector<std::byte> data;
};

void PutBtrfsKey(ByteWriter& writer, size_t at, const BtrfsTreeItem& item) {
  writer.Put(at, le64(item.object_id));
  writer.Put(at + 8, item.type);
  writer.Put(at + 9, le64(item.offset));
}

void FixBtrfsBlock(std::span<std::byte> block) { StoreTo(block, le32(Crc32c(block.subspan(32)))); }

std::vector<std::byte> NewBtrfsBlock(uint64_t disk_offset, uint64_t owner, size_t count,
                                     uint8_t level) {
  std::vector<std::byte> block(kBtrfsNode);
  ByteWriter writer(block);
  writer.Put(32, kGuestUuid);
  writer.Put(48, le64(BtrfsLogicalOf(disk_offset)));
  writer.Put(80, le64(kBtrfsGeneration));
  writer.Put(88, le64(owner));
  writer.Put(96, le32(static_cast<uint32_t>(count)));
  writer.Put(100, level);
  return block;
}

void WriteBtrfsBlock(GuestDisk& disk, uint64_t disk_offset, std::vector<std::byte> block) {
  FixBtrfsBlock(block);
  for (const BtrfsChunkSpec& chunk : BtrfsChunkSpecs()) {
    if (disk_offset < chunk.stripes[0] || disk_offset >= chunk.stripes[0] + chunk.length) continue;
    for (const uint64_t stripe : chunk.stripes) {
      disk.Write(stripe + (disk_offset - chunk.stripes[0]), block);
    }
  }
}

void WriteBtrfsLeaf(GuestDisk& disk, uint64_t disk_offset, uint64_t owner,
                    std::vector<BtrfsTreeItem> items) {
  std::ranges::sort(items, {}, [](const BtrfsTreeItem& item) {
    return std::tuple(item.object_id, item.type, item.offset);
  });
  std::vector<std::byte> block = NewBtrfsBlock(disk_offset, owner, items.size(), 0);
  ByteWriter writer(block);
  size_t end = kBtrfsNode;
  for (size_t i = 0; i < items.size(); ++i) {
    const size_t at = BtrfsVolume::kHeaderBytes + i * 25;
    end -= items[i].data.size();
    PutBtrfsKey(writer, at, items[i]);
    writer.Put(at + 17, le32(static_cast<uint32_t>(end - BtrfsVolume::kHeaderBytes)));
    writer.Put(at + 21, le32(static_cast<uint32_t>(items[i].data.size())));
    writer.PutBytes(end, items[i].data);
  }
  WriteBtrfsBlock(disk, disk_offset, std::move(block));
}

std::vector<std::byte> BtrfsChunkItem(const BtrfsChunkSpec& chunk) {
  std::vector<std::byte> bytes(48 + 32 * chunk.stripes.size());
  ByteWriter writer(bytes);
  writer.Put(0, le64(chunk.length));
  writer.Put(8, le64(2));
  writer.Put(16, le64(64 * kKiB));
  writer.Put(24, le64(chunk.type));
  writer.Put(44, le16(static_cast<uint16_t>(chunk.stripes.size())));
  for (size_t i = 0; i < chunk.stripes.size(); ++i) {
    writer.Put(48 + 32 * i, le64(kBtrfsDeviceId));
    writer.Put(48 + 32 * i + 8, le64(chunk.stripes[i]));
    writer.Put(48 + 32 * i + 16, kBtrfsDeviceUuid);
  }
  return bytes;
}

std::vector<std::byte> BtrfsDeviceItem() {
  std::vector<std::byte> bytes(98);
  ByteWriter writer(bytes);
  writer.Put(0, le64(kBtrfsDeviceId));
  writer.Put(8, le64(BtrfsVolume::kBytes));
  uint64_t used = 0;
  for (const BtrfsChunkSpec& chunk : BtrfsChunkSpecs()) used += chunk.length * chunk.stripes.size();
  writer.Put(16, le64(used));
  writer.Put(66, kBtrfsDeviceUuid);
  writer.Put(82, kGuestUuid);
  return bytes;
}

std::vector<BtrfsTreeItem> ChunkItems() {
  std::vector<BtrfsTreeItem> items = {{1, 216, kBtrfsDeviceId, BtrfsDeviceItem()}};
  for (const BtrfsChunkSpec& chunk : BtrfsChunkSpecs())
    items.push_back({256, 228, chunk.logical, BtrfsChunkItem(chunk)});
  return items;
}

std::vector<BtrfsTreeItem> DeviceItems() {
  std::vector<BtrfsTreeItem> items = {{0, 250, 0, std::vector<std::byte>(80)}};
  for (const BtrfsChunkSpec& chunk : BtrfsChunkSpecs()) {
    for (const uint64_t stripe : chunk.stripes) {
      std::vector<std::byte> bytes(48);
      ByteWriter writer(bytes);
      writer.Put(16, le64(chunk.logical));
      writer.Put(24, le64(chunk.length));
      items.push_back({kBtrfsDeviceId, 204, stripe, std::move(bytes)});
    }
  }
  return items;
}

BtrfsTreeItem BtrfsRootItem(uint64_t tree, uint64_t disk_offset, uint8_t level) {
  std::vector<std::byte> bytes(439);
  ByteWriter writer(bytes);
  writer.Put(160, le64(kBtrfsGeneration));
  writer.Put(176, le64(BtrfsLogicalOf(disk_offset)));
  writer.Put(238, level);
  return {tree, 132, 0, std::move(bytes)};
}

std::vector<BtrfsTreeItem> BlockGroupItems() {
  std::vector<BtrfsTreeItem> items;
  for (const BtrfsChunkSpec& chunk : BtrfsChunkSpecs()) {
    std::vector<std::byte> bytes(24);
    ByteWriter writer(bytes);
    writer.Put(0, le64(chunk.used));
    writer.Put(8, le64(256));
    writer.Put(16, le64(chunk.type));
    items.push_back({chunk.logical, 192, chunk.length, std::move(bytes)});
  }
  return items;
}

// The blocks of trees, with the old item and the new one, and the extents of data.
std::vector<BtrfsTreeItem> ExtentItems(bool block_group_tree) {
  const std::vector<std::byte> data(53);
  std::vector<BtrfsTreeItem> items = {{kBtrfsDataLogical, 168, 64 * kKiB, data},
                                      {kBtrfsDataLogical, 178, 77, std::vector<std::byte>(28)},
                                      {kBtrfsDataLogical + kMiB, 168, 4 * kKiB, data}};
  std::vector<uint64_t> blocks = {BtrfsVolume::kChunkRoot,       BtrfsVolume::kRootTree,
                                  BtrfsVolume::kDeviceTree,      BtrfsVolume::kExtentRoot,
                                  BtrfsVolume::kFirstExtentLeaf, BtrfsVolume::kLastExtentLeaf};
  // In use by a tree that no reader looks at, if the block groups need no tree.
  blocks.push_back(BtrfsVolume::kBlockGroupTree);
  for (const uint64_t block : blocks)
    items.push_back({BtrfsLogicalOf(block), 169, 0, std::vector<std::byte>(33)});
  BtrfsTreeItem& old = items.back();
  old.type = 168;
  old.offset = kBtrfsNode;
  if (!block_group_tree) {
    for (BtrfsTreeItem& group : BlockGroupItems()) items.push_back(std::move(group));
  }
  return items;
}

void WriteExtentTree(GuestDisk& disk, std::vector<BtrfsTreeItem> items) {
  const auto is_first = [](const BtrfsTreeItem& item) {
    return item.object_id < kBtrfsDataLogical;
  };
  const auto rest = std::ranges::partition(items, is_first);
  const std::vector<BtrfsTreeItem> last(rest.begin(), rest.end());
  items.erase(rest.begin(), items.end());
  WriteBtrfsLeaf(disk, BtrfsVolume::kFirstExtentLeaf, 2, items);
  WriteBtrfsLeaf(disk, BtrfsVolume::kLastExtentLeaf, 2, last);
  std::vector<std::byte> root = NewBtrfsBlock(BtrfsVolume::kExtentRoot, 2, 2, 1);
  ByteWriter writer(root);
  size_t at = BtrfsVolume::kHeaderBytes;
  for (const uint64_t leaf : {BtrfsVolume::kFirstExtentLeaf, BtrfsVolume::kLastExtentLeaf}) {
    writer.PutBytes(at, disk.contents()->Bytes({leaf + BtrfsVolume::kHeaderBytes, 17}));
    writer.Put(at + 17, le64(BtrfsLogicalOf(leaf)));
    writer.Put(at + 25, le64(kBtrfsGeneration));
    at += 33;
  }
  WriteBtrfsBlock(disk, BtrfsVolume::kExtentRoot, std::move(root));
}

// Between what is in use, which is in order.
std::vector<DiskRange> FreeBetween(const std::vector<DiskRange>& used) {
  std::vector<DiskRange> free;
  uint64_t at = 0;
  for (const DiskRange& range : used) {
    if (range.disk_offset > at) free.push_back({at, range.disk_offset - at});
    at = range.end();
  }
  free.push_back({at, BtrfsVolume::kBytes - at});
  return free;
}

}  // namespace

BtrfsVolume::BtrfsVolume(BtrfsVolumeOptions options) : disk_(kBytes) {
  std::vector<BtrfsTreeItem> roots = {BtrfsRootItem(2, kExtentRoot, 1),
                                      BtrfsRootItem(4, kDeviceTree, 0)};
  if (options.block_group_tree) {
    roots.push_back(BtrfsRootItem(11, kBlockGroupTree, 0));
    WriteBtrfsLeaf(disk_, kBlockGroupTree, 11, BlockGroupItems());
  }
  WriteBtrfsLeaf(disk_, kChunkRoot, 3, ChunkItems());
  WriteBtrfsLeaf(disk_, kRootTree, 1, std::move(roots));
  WriteBtrfsLeaf(disk_, kDeviceTree, 4, DeviceItems());
  WriteExtentTree(disk_, ExtentItems(options.block_group_tree));
  WriteSuperblock(options);

  std::vector<DiskRange> used = {{0, kMiB}, {kChunkRoot, kBtrfsNode}, {4 * kMiB, kBtrfsNode}};
  for (const uint64_t stripe : BtrfsChunkSpecs()[1].stripes) {
    used.insert(used.end(), {{stripe, 2 * kBtrfsNode},
                             {stripe + 3 * kBtrfsNode, 3 * kBtrfsNode},
                             {stripe + 7 * kBtrfsNode, kBtrfsNode}});
  }
  used.insert(used.end(),
              {{kBtrfsDataAt, 64 * kKiB}, {kBtrfsDataAt + kMiB, 4 * kKiB}, {kCopy, 64 * kKiB}});
  free_ = FreeBetween(used);
}

void BtrfsVolume::WriteSuperblock(const BtrfsVolumeOptions& options) {
  std::vector<std::byte> block(kBtrfsSuperblockBytes);
  ByteWriter writer(block);
  writer.Put(32, kGuestUuid);
  writer.Put(48, le64(kSuperblock));
  writer.Put(56, le64(1));
  writer.PutText(64, "_BHRfS_M");
  writer.Put(72, le64(kBtrfsGeneration));
  writer.Put(80, le64(BtrfsLogicalOf(kRootTree)));
  writer.Put(88, le64(BtrfsLogicalOf(kChunkRoot)));
  writer.Put(112, le64(kBytes));
  writer.Put(
      120, le64(BtrfsChunkSpecs()[0].used + BtrfsChunkSpecs()[1].used + BtrfsChunkSpecs()[2].used));
  writer.Put(136, le64(1));
  writer.Put(144, le32(4096));
  writer.Put(148, le32(kBtrfsNode));
  writer.Put(164, le64(kBtrfsGeneration));
  writer.Put(180, le64(options.block_group_tree ? 0xB : 0x3));
  writer.Put(188, le64(0x341));
  writer.PutBytes(201, BtrfsDeviceItem());
  const std::vector<std::byte> chunk = BtrfsChunkItem(BtrfsChunkSpecs()[0]);
  writer.Put(160, le32(static_cast<uint32_t>(17 + chunk.size())));
  PutBtrfsKey(writer, 811, {256, 228, BtrfsChunkSpecs()[0].logical, {}});
  writer.PutBytes(811 + 17, chunk);
  FixBtrfsBlock(block);
  disk_.Write(kSuperblock, block);
  CopySuperblock();
}

void BtrfsVolume::Set(BtrfsField field, uint64_t value, size_t bytes) {
  ChangeBlock(kSuperblock, [&](std::span<std::byte> block) {
    const le64 stored(value);
    const auto source = std::as_bytes(std::span(&stored, 1)).first(bytes);
    std::ranges::copy(source, block.subspan(static_cast<size_t>(field)).begin());
  });
}

void BtrfsVolume::CopySuperblock() {
  std::vector<std::byte> block = disk_.contents()->Bytes({kSuperblock, kBtrfsSuperblockBytes});
  StoreTo(std::span(block).subspan(48), le64(kCopy));
  FixBtrfsBlock(block);
  disk_.Write(kCopy, block);
}

void BtrfsVolume::ChangeBlock(uint64_t disk_offset,
                              const std::function<void(std::span<std::byte>)>& change) {
  std::vector<std::byte> block = disk_.contents()->Bytes({disk_offset, kBtrfsNode});
  change(block);
  FixBtrfsBlock(block);
  disk_.Write(disk_offset, block);
}

size_t BtrfsVolume::DataOf(uint64_t disk_offset, size_t item) const {
  const auto at = disk_.contents()->Bytes({disk_offset + kHeaderBytes + item * 25 + 17, 4});
  return kHeaderBytes + LoadFrom<le32>(at);
}

void FixBtrfsChecksums(MemoryContents& contents) {
  const auto fix = [&](uint64_t offset, size_t size) {
    std::vector<std::byte> block = contents.Bytes({offset, size});
    if (block.size() != size) return;
    FixBtrfsBlock(block);
    contents.Write(offset, block);
  };
  const std::vector<std::byte> start =
      contents.Bytes({BtrfsVolume::kSuperblock, kBtrfsSuperblockBytes});
  if (start.size() != kBtrfsSuperblockBytes) return;
  fix(BtrfsVolume::kSuperblock, kBtrfsSuperblockBytes);
  if (contents.Bytes({BtrfsVolume::kCopy + 64, 1}) == std::vector<std::byte>{std::byte{'_'}}) {
    fix(BtrfsVolume::kCopy, kBtrfsSuperblockBytes);
  }
  const uint32_t node = LoadFrom<le32>(std::span(start).subspan(148));
  if (!std::has_single_bit(node) || node < 4096 || node > 64 * kKiB) return;
  const auto uuid = std::span(start).subspan(32, 16);
  for (uint64_t at = contents.NextData(0); at < contents.size();
       at = contents.NextData(at + kBtrfsNode)) {
    at = AlignDown(at, kBtrfsNode);
    if (at == BtrfsVolume::kSuperblock || at == BtrfsVolume::kCopy) continue;
    if (std::ranges::equal(contents.Bytes({at + 32, 16}), uuid)) fix(at, node);
  }
}

}  // namespace vhdx::testing
