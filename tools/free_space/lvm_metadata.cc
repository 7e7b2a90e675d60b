#include "tools/free_space/lvm_metadata.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
#include "guest/crc32.h"
#include "guest/lvm_label.h"
#include "guest/superblock_fields.h"

namespace vhdx::free_space {
namespace {

using guest::LvmArea;
using guest::LvmHeader;
using guest::LvmLabel;
using guest::RangeReader;

// A text of 16 MiB describes tens of thousands of volumes.
constexpr uint64_t kMaxLvmTextBytes = 16 * kMiB;

/// A text in a metadata area, whose bytes after the header are a ring.
struct LvmTextLocation {
  static constexpr uint32_t kIgnored = 1;

  le64 offset;  ///< from the start of the area; 0: none
  le64 size;
  le32 checksum;
  le32 flags;
};
static_assert(sizeof(LvmTextLocation) == 24);

/// The first sector of a metadata area.
struct LvmAreaHeader {
  static constexpr std::string_view kMagic = "\x20LVM2 x[5A%r0N*>";
  static constexpr uint32_t kVersion = 1;

  le32 checksum;  ///< of all that follows
  std::array<char, 16> magic;
  le32 version;
  le64 start;  ///< of the area, from the start of the physical volume
  le64 size;   ///< of the area, with this sector
  LvmTextLocation text;
  LvmTextLocation next_text;  ///< is being written
  std::array<std::byte, 424> other_texts;
};
static_assert(sizeof(LvmAreaHeader) == 512 && offsetof(LvmAreaHeader, text) == 40);

struct LvmLabels {
  std::string uuid;
  std::vector<DiskRange> areas;
};

// The lists of areas after the header: first those of the data, then those of the metadata.
Found<std::vector<DiskRange>> MetadataAreas(ByteSpan lists) {
  std::vector<DiskRange> areas;
  int list = 0;
  while (list < 2) {
    if (lists.size() < sizeof(LvmArea)) return LeaveAlone("its label is damaged (list of areas)");
    const auto area = LoadFrom<LvmArea>(lists);
    lists = lists.subspan(sizeof(LvmArea));
    if (area.offset == 0) {
      ++list;
    } else if (list == 1) {
      areas.push_back({area.offset, area.size});
    }
  }
  return areas;
}

Found<LvmLabels> ReadLabels(RangeReader& volume) {
  for (uint64_t number = 0; number <= LvmLabel::kLastSector; ++number) {
    const auto sector = volume.Read(number * LvmLabel::kSectorBytes, LvmLabel::kSectorBytes);
    if (!sector) break;
    const auto offset = guest::LvmHeaderIn(*sector, number);
    if (!offset) continue;
    const auto header = LoadFrom<LvmHeader>(ByteSpan(*sector).subspan(*offset));
    LvmLabels labels{.uuid = guest::FieldText(header.uuid), .areas = {}};
    labels.areas = VHDX_TRY(MetadataAreas(ByteSpan(*sector).subspan(*offset + sizeof(LvmHeader))));
    return labels;
  }
  return LeaveAlone("its label is damaged");
}

Found<LvmAreaHeader> ReadAreaHeader(RangeReader& volume, DiskRange area) {
  const auto header = volume.Load<LvmAreaHeader>(area.disk_offset);
  const auto is_valid = [&] {
    const auto covered = std::as_bytes(std::span(&*header, 1)).subspan(sizeof(le32));
    return guest::FieldIs(header->magic, LvmAreaHeader::kMagic) &&
           header->version == LvmAreaHeader::kVersion && header->start == area.disk_offset &&
           header->size == area.length_bytes && header->size > sizeof(LvmAreaHeader) &&
           FitsInside(header->start, header->size, volume.size_bytes()) &&
           guest::Crc32Register(guest::kLvmInitialCrc, covered) == header->checksum;
  };
  if (!header || !is_valid()) return LeaveAlone("a metadata area of it is damaged");
  return *header;
}

Found<std::string> ReadText(RangeReader& volume, const LvmAreaHeader& header) {
  const LvmTextLocation& text = header.text;
  const uint64_t ring = header.size - sizeof(LvmAreaHeader);
  if (text.offset < sizeof(LvmAreaHeader) || text.offset >= header.size || text.size > ring ||
      text.size > kMaxLvmTextBytes) {
    return LeaveAlone("a metadata area of it is damaged (place of the text)");
  }
  const auto first = static_cast<size_t>(std::min<uint64_t>(text.size, header.size - text.offset));
  auto bytes = volume.Read(header.start + text.offset, first);
  const auto wrapped =
      volume.Read(header.start + sizeof(LvmAreaHeader), static_cast<size_t>(text.size) - first);
  if (!bytes || !wrapped) return LeaveAlone("a metadata area of it cannot be read");
  bytes->insert(bytes->end(), wrapped->begin(), wrapped->end());
  if (guest::Crc32Register(guest::kLvmInitialCrc, *bytes) != text.checksum) {
    return LeaveAlone("its metadata is damaged (checksum)");
  }
  std::string string;
  for (const std::byte byte : *bytes) string += static_cast<char>(byte);
  string.erase(string.find_last_not_of('\0') + 1);
  return string;
}

// The group that a text describes.
Found<LvmSection> GroupIn(std::string_view text) {
  auto root = ParseLvmText(text);
  if (!root || root->sections.size() != 1 || root->Text("contents") != "Text Format Volume Group" ||
      root->Number("version") != 1 || !root->sections[0].Number("seqno")) {
    return LeaveAlone("its metadata is damaged (text)");
  }
  return std::move(root->sections[0]);
}

// The group of an area; nothing if the area is not in use.
Found<std::optional<LvmSection>> ReadArea(RangeReader& volume, DiskRange area) {
  const LvmAreaHeader header = VHDX_TRY(ReadAreaHeader(volume, area));
  if ((header.text.flags & LvmTextLocation::kIgnored) != 0) return std::nullopt;
  if (header.next_text.offset != 0) return LeaveAlone("a change of its metadata was not finished");
  if (header.text.offset == 0) return LeaveAlone("it belongs to no volume group");
  const std::string text = VHDX_TRY(ReadText(volume, header));
  return VHDX_TRY(GroupIn(text));
}

}  // namespace

Found<LvmMetadata> ReadLvmMetadata(RangeReader& volume) {
  LvmLabels labels = VHDX_TRY(ReadLabels(volume));
  LvmMetadata metadata{
      .uuid = std::move(labels.uuid), .group = {}, .areas = std::move(labels.areas)};
  std::optional<uint64_t> newest;
  for (const DiskRange& area : metadata.areas) {
    std::optional<LvmSection> group = VHDX_TRY(ReadArea(volume, area));
    if (!group || group->Number("seqno") <= newest) continue;
    newest = group->Number("seqno");
    metadata.group = *std::move(group);
  }
  if (!newest) return LeaveAlone("it holds no metadata of its volume group");
  return metadata;
}

}  // namespace vhdx::free_space
