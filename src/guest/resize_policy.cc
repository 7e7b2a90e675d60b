#include "guest/resize_policy.h"

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/formatting.h"
#include "bytes/size_format.h"
#include "bytes/try.h"
#include "bytes/zeros.h"

namespace vhdx::guest {
namespace {

constexpr size_t kExtentsPerCall = 1024;
constexpr size_t kZeroTestBytes = kMiB;

// Something on the disk, and where it ends.
struct Occupant {
  std::string name;
  uint64_t end = 0;
};

// The kind of what is in the partition, or on the whole disk.
std::string_view KindIn(const DiskContents& contents, std::optional<uint32_t> partition_number) {
  const auto volume =
      std::ranges::find(contents.volumes, partition_number, &Volume::partition_number);
  return volume == contents.volumes.end() ? "" : VolumeKindName(volume->superblock.kind);
}

std::string NameOf(const Partition& partition, std::string_view kind) {
  std::string name = Format("partition {}", partition.number);
  if (!partition.name.empty()) name += " \"" + partition.name + "\"";
  if (!kind.empty()) name += Format(" ({})", kind);
  return name;
}

// What reaches furthest, but for the backup of a GPT and what does not say where it ends. A logical
// partition counts before the extended one that it is in.
Occupant LastOccupant(const DiskContents& contents) {
  Occupant last;
  const auto take = [&](std::string name, uint64_t end) {
    if (end > last.end) last = {std::move(name), end};
  };
  for (const Volume& volume : contents.volumes) {
    if (volume.partition_number || !volume.superblock.size_bytes) continue;
    take(Format("{} on the whole disk", VolumeKindName(volume.superblock.kind)),
         *volume.superblock.size_bytes);
  }
  if (contents.table_is_leftover) return last;
  for (const bool extended : {false, true}) {
    for (const Partition& partition : contents.table.partitions) {
      if ((partition.role == Partition::Role::kExtended) != extended) continue;
      take(NameOf(partition, KindIn(contents, partition.number)), partition.range.end());
    }
  }
  take("the partition table", contents.table.structures_end);
  return last;
}

std::string Smallest(const DiskMinimum& minimum) {
  if (minimum.size_bytes) {
    return "the smallest possible size is " + FormatSizeExactly(*minimum.size_bytes);
  }
  return "the smallest possible size is unknown, since " + minimum.unknown_because;
}

CutDecision Unsafe(std::string reason) { return {CutVerdict::kUnsafe, std::move(reason)}; }

// Something is recognized.
CutDecision Decide(const DiskContents& contents, uint64_t new_size) {
  const DiskMinimum minimum = contents.MinimumSize();
  const Occupant last = LastOccupant(contents);
  if (minimum.size_bytes && new_size >= *minimum.size_bytes) return {};
  if (last.end > new_size) {
    return Unsafe(
        Format("{} ends at {}, and {}", last.name, FormatSizeExactly(last.end), Smallest(minimum)));
  }
  if (!minimum.size_bytes) return Unsafe(Smallest(minimum));
  return Unsafe(Format("{} ends at {}, and the backup of the GPT must fit after it; {}", last.name,
                       FormatSizeExactly(last.end), Smallest(minimum)));
}

bool IsAnythingRecognized(const DiskContents& contents) {
  return !contents.OccupiedRanges().empty() || !contents.contradictions.empty();
}

Result<bool> ReadsAsZerosByReading(BlockDevice& disk, DiskRange range) {
  std::vector<std::byte> buffer(kZeroTestBytes);
  while (range.length_bytes != 0) {
    const uint64_t data = VHDX_TRY(disk.NextData(range));
    range = {data, range.end() - data};
    const size_t length = std::min<uint64_t>(range.length_bytes, buffer.size());
    const std::span<std::byte> bytes = std::span(buffer).first(length);
    VHDX_TRY(disk.Read(range.disk_offset, bytes));
    if (!IsAllZero(bytes)) return false;
    range = {range.disk_offset + length, range.length_bytes - length};
  }
  return true;
}

}  // namespace

Result<CutDecision> MayCut(const DiskContents& contents, uint64_t new_size_bytes,
                           const ReadsAsZerosFunction& reads_as_zeros) {
  if (new_size_bytes == 0) return CutDecision{CutVerdict::kNever, "a disk cannot be empty"};
  if (!IsAligned(new_size_bytes, contents.logical_sector_size)) {
    return CutDecision{CutVerdict::kNever,
                       Format("{} is not a multiple of the logical sector size, {} bytes",
                              new_size_bytes, contents.logical_sector_size)};
  }
  if (new_size_bytes >= contents.disk_size_bytes) return CutDecision{};
  if (IsAnythingRecognized(contents)) return Decide(contents, new_size_bytes);
  const DiskRange cut = {new_size_bytes, contents.disk_size_bytes - new_size_bytes};
  if (VHDX_TRY(reads_as_zeros(cut))) return CutDecision{};
  return Unsafe(
      Format("there is data after the new end of the disk at {}, and nothing on the disk "
             "is recognized",
             FormatSizeExactly(new_size_bytes)));
}

Result<bool> ReadsAsZeros(BlockDevice& disk, DiskRange range) {
  while (range.length_bytes != 0) {
    auto extents = VHDX_TRY(disk.Extents(range, kExtentsPerCall));
    for (const Extent& extent : extents) {
      if (extent.kind != ExtentKind::kData) continue;
      if (!VHDX_TRY(ReadsAsZerosByReading(disk, extent.range))) return false;
    }
    const uint64_t end = extents.back().range.end();
    range = {end, range.end() - end};
  }
  return true;
}

}  // namespace vhdx::guest
