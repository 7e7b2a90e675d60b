#include "testing/disk_contents.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/formatting.h"
#include "testing/mix.h"

namespace vhdx::testing {
namespace {

constexpr size_t kWords = kGuestSectorBytes / sizeof(uint64_t);
constexpr uint64_t kMostReadAtOnce = 256 * kKiB;
constexpr size_t kExtentsAtOnce = 256;

using Sector = std::array<uint64_t, kWords>;

// Every word says which write and which place it is of, so that no mixture passes.
Sector GuestSector(uint64_t write_number, uint64_t disk_offset) {
  Sector words;
  const uint64_t seed = Mix(write_number * 0x9E3779B97F4A7C15 + disk_offset);
  for (size_t i = 0; i < kWords; ++i) words[i] = seed + i * 0xD1342543DE82EF95;
  words[0] = write_number;
  words[1] = disk_offset;
  return words;
}

bool IsZero(const Sector& sector) {
  uint64_t any = 0;
  for (const uint64_t word : sector) any |= word;
  return any == 0;
}

Result<void> ReadData(BlockDevice& disk, DiskRange range, const PageImage& initial,
                      DiskContents& contents) {
  std::vector<std::byte> buffer;
  while (range.length_bytes > 0) {
    buffer.resize(std::min(range.length_bytes, kMostReadAtOnce));
    if (auto read = disk.Read(range.disk_offset, buffer); !read) return read;
    for (size_t at = 0; at < buffer.size(); at += kGuestSectorBytes) {
      const uint64_t offset = range.disk_offset + at;
      const ByteSpan sector = ByteSpan(buffer).subspan(at, kGuestSectorBytes);
      AppendRun(contents, {offset, kGuestSectorBytes}, ValueOf(offset, sector, initial));
    }
    range.disk_offset += buffer.size();
    range.length_bytes -= buffer.size();
  }
  return {};
}

/// The same, but holes of the files that store the range are not read.
Result<void> ReadAroundHoles(BlockDevice& disk, DiskRange range, const PageImage& initial,
                             DiskContents& contents) {
  constexpr uint64_t kHoleUnit = 4096;
  while (range.length_bytes > 0) {
    const auto data = disk.NextData(range);
    if (!data) return std::unexpected(data.error());
    const uint64_t hole = AlignDown(*data - range.disk_offset, kGuestSectorBytes);
    const uint64_t start = range.disk_offset + hole;
    const uint64_t end = std::min(AlignUp(start + 1, kHoleUnit), range.end());
    AppendRun(contents, {range.disk_offset, hole}, kZeroValue);
    if (auto read = ReadData(disk, {start, end - start}, initial, contents); !read) return read;
    range = {end, range.end() - end};
  }
  return {};
}

}  // namespace

std::string DescribeValue(GuestValue value) {
  if (value == kZeroValue) return "zeros";
  if (value == kForeignValue) return "foreign bytes";
  if (value == kInitialValue) return "the initial bytes";
  return Format("write {}", value);
}

void FillGuestPattern(uint64_t write_number, uint64_t disk_offset, MutableByteSpan bytes) {
  for (size_t at = 0; at < bytes.size(); at += kGuestSectorBytes) {
    const Sector sector = GuestSector(write_number, disk_offset + at);
    std::memcpy(bytes.data() + at, sector.data(), kGuestSectorBytes);
  }
}

GuestValue ValueOf(uint64_t disk_offset, ByteSpan bytes, const PageImage& initial) {
  Sector sector;
  std::memcpy(sector.data(), bytes.data(), kGuestSectorBytes);
  if (sector[1] == disk_offset && sector[0] != 0 && sector[0] < kInitialValue &&
      sector == GuestSector(sector[0], disk_offset)) {
    return sector[0];
  }
  if (IsZero(sector)) return kZeroValue;
  Sector first;
  const size_t read = initial.Read(disk_offset, std::as_writable_bytes(std::span(first)));
  return read == kGuestSectorBytes && first == sector ? kInitialValue : kForeignValue;
}

void AppendRun(DiskContents& contents, DiskRange range, GuestValue value) {
  if (range.length_bytes == 0) return;
  if (!contents.empty() && contents.back().value == value) {
    contents.back().range.length_bytes += range.length_bytes;
  } else {
    contents.push_back({range, value});
  }
}

PageImage InitialBytes(const DiskModel& model) {
  PageImage image;
  image.SetSize(model.size_bytes());
  std::array<std::byte, PageImage::kPageBytes> page;
  for (const DiskRange& range : model.InterestingRanges()) {
    const uint64_t first = AlignDown(range.disk_offset, page.size());
    for (uint64_t at = first; at < range.end(); at += page.size()) {
      const auto part =
          std::span(page).first(std::min<uint64_t>(page.size(), model.size_bytes() - at));
      model.Fill(at, part);
      if (std::ranges::any_of(part, [](std::byte byte) { return byte != std::byte{0}; })) {
        image.Write(at, part);
      }
    }
  }
  return image;
}

DiskContents InitialContents(const PageImage& initial) {
  DiskContents contents;
  std::array<std::byte, kGuestSectorBytes> sector;
  for (uint64_t at = 0; at < initial.size();) {
    const uint64_t data = AlignDown(initial.NextData(at), kGuestSectorBytes);
    AppendRun(contents, {at, data - at}, kZeroValue);
    const uint64_t end = data < initial.size() ? initial.NextHole(data) : data;
    for (at = data; at < end; at += sector.size()) {
      (void)initial.Read(at, sector);
      AppendRun(contents, {at, sector.size()}, ValueOf(at, sector, initial));
    }
  }
  return contents;
}

Result<DiskContents> ReadContents(BlockDevice& disk, const PageImage& initial, HoleReading holes) {
  DiskContents contents;
  uint64_t at = 0;
  while (at < disk.size_bytes()) {
    auto extents = disk.Extents({at, disk.size_bytes() - at}, kExtentsAtOnce);
    if (!extents) return std::unexpected(std::move(extents.error()));
    for (const Extent& extent : *extents) {
      Result<void> read = {};
      if (extent.kind != ExtentKind::kData) {
        AppendRun(contents, extent.range, kZeroValue);
      } else if (holes == HoleReading::kRead) {
        read = ReadData(disk, extent.range, initial, contents);
      } else {
        read = ReadAroundHoles(disk, extent.range, initial, contents);
      }
      if (!read) return std::unexpected(std::move(read.error()));
      at = extent.range.end();
    }
  }
  return contents;
}

}  // namespace vhdx::testing
