// The four labels of a member of a ZFS pool: two at its start, and two at its end.
//
// A label has a list of names and values in XDR (RFC 4506): big-endian, of multiples of four bytes.

#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/formatting.h"
#include "guest/superblock_fields.h"
#include "guest/volume_parsers.h"

namespace vhdx::guest {
namespace {

constexpr uint64_t kLabelBytes = 256 * kKiB;
constexpr uint64_t kListOffset = 16 * kKiB;
constexpr size_t kListBytesRead = 4096;  // what is of interest comes early
// The checksum of the list, after this number, ends its part of the label. It is a SHA-256, which
// is not verified.
constexpr uint64_t kChecksumOffset = 128 * kKiB - 40;
constexpr uint64_t kChecksumMagic = 0x0210DA7AB10C7A11;

class XdrReader {
 public:
  explicit XdrReader(ByteSpan bytes) : rest_(bytes) {}

  std::optional<ByteSpan> Take(uint64_t length) {
    if (length > rest_.size()) return std::nullopt;
    const ByteSpan taken = rest_.first(length);
    rest_ = rest_.subspan(length);
    return taken;
  }
  std::optional<uint32_t> TakeNumber() {
    const auto bytes = Take(sizeof(be32));
    return bytes ? std::optional(uint32_t{LoadFrom<be32>(*bytes)}) : std::nullopt;
  }
  // Its length, its characters, and zeros up to a multiple of four.
  std::optional<std::string> TakeText() {
    const auto length = TakeNumber();
    const auto bytes = length ? Take(AlignUp(*length, 4)) : std::nullopt;
    return bytes ? std::optional(FieldText(bytes->first(*length))) : std::nullopt;
  }

 private:
  ByteSpan rest_;
};

/// What a label says. A spare device has no pool.
struct ZfsLabel {
  bool has_version = false;
  std::string pool_name;
  uint64_t pool_guid = 0;
};

// One name with its value, without the two numbers that precede it.
void ReadPair(XdrReader pair, ZfsLabel& label) {
  constexpr uint32_t kUint64 = 8;
  constexpr uint32_t kString = 9;
  const auto name = pair.TakeText();
  const auto type = pair.TakeNumber();
  const auto count = pair.TakeNumber();
  if (!name || !type || count != 1U) return;
  if (type == kString && name == "name") {
    label.pool_name = pair.TakeText().value_or("");
  } else if (type == kUint64) {
    const auto bytes = pair.Take(sizeof(be64));
    if (!bytes) return;
    if (name == "version") label.has_version = true;
    if (name == "pool_guid") label.pool_guid = LoadFrom<be64>(*bytes);
  }
}

ZfsLabel ReadPairs(XdrReader list) {
  constexpr size_t kSizesBytes = 8;  // of the pair, encoded and in memory
  ZfsLabel label;
  while (true) {
    const auto size = list.TakeNumber();
    if (!size || *size < kSizesBytes || !list.TakeNumber()) return label;
    const auto pair = list.Take(*size - kSizesBytes);
    if (!pair) return label;
    ReadPair(XdrReader(*pair), label);
  }
}

std::optional<ZfsLabel> LoadLabel(RangeReader& range, uint64_t offset) {
  const auto magic = range.Load<le64>(offset + kChecksumOffset);
  if (!magic || *magic != kChecksumMagic) return std::nullopt;
  const auto bytes = range.Read(offset + kListOffset, kListBytesRead);
  if (!bytes) return std::nullopt;
  XdrReader list(*bytes);
  constexpr uint32_t kXdr = 0x01000000;
  constexpr uint32_t kByteOrder = 0x00010000;  // of the host
  const uint32_t encoding = list.TakeNumber().value_or(0);
  const auto version = list.TakeNumber();
  const auto flags = list.TakeNumber();
  if ((encoding & ~kByteOrder) != kXdr || version != 0U || flags != 1U) return std::nullopt;
  ZfsLabel label = ReadPairs(list);
  return label.has_version ? std::optional(std::move(label)) : std::nullopt;
}

}  // namespace

std::optional<Superblock> ParseZfs(const RangeStart& start) {
  const uint64_t end = AlignDown(start.range.size_bytes(), kLabelBytes);
  if (end < 4 * kLabelBytes) return std::nullopt;
  for (const uint64_t offset :
       {uint64_t{0}, kLabelBytes, end - 2 * kLabelBytes, end - kLabelBytes}) {
    const auto label = LoadLabel(start.range, offset);
    if (!label) continue;
    Superblock superblock{.kind = VolumeKind::kZfs,
                          .no_size_because = "has labels at the end of the disk",
                          .label = label->pool_name,
                          .uuid = Format("{}", label->pool_guid)};
    if (offset > kLabelBytes) superblock.trailer_offset = offset;
    return superblock;
  }
  return std::nullopt;
}

}  // namespace vhdx::guest
