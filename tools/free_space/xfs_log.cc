#include "tools/free_space/xfs_log.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "bytes/try.h"
#include "guest/superblock_fields.h"
#include "tools/free_space/found.h"

namespace vhdx::free_space {
namespace {

using guest::be16;
using guest::be32;
using guest::be64;

constexpr uint64_t kLogBlockBytes = 512;
constexpr uint64_t kMaxLogBytes = 2 * kGiB;
constexpr uint32_t kRecordMagic = 0xFEEDBABE;

/// The first block of a record. Every block of the log begins with its cycle: how often the log has
/// been written from start to end. In the header of a record the magic number is in its place.
struct LogRecordHeader {
  static constexpr uint32_t kLargeRecords = 2;        ///< version: records may have several headers
  static constexpr uint32_t kBytesPerHeader = 32768;  ///< of the record

  be32 magic;
  be32 cycle;
  be32 version;
  be32 length_bytes;  ///< after the headers
  be64 sequence_number;
  be64 tail_sequence_number;
  le32 crc;
  be32 previous_block;
  be32 operation_count;
  std::array<std::byte, 256> replaced_words;
  be32 format;
  guest::Uuid uuid;
  be32 record_size;

  uint64_t header_blocks() const {
    if ((version & kLargeRecords) == 0 || record_size <= kBytesPerHeader) return 1;
    return DivideRoundingUp<uint64_t>(record_size, kBytesPerHeader);
  }
};
static_assert(offsetof(LogRecordHeader, operation_count) == 40);
static_assert(offsetof(LogRecordHeader, record_size) == 320);
static_assert(sizeof(LogRecordHeader) == 324);

/// The header of an operation; a record of an unmount has one, after its headers.
struct LogOperation {
  static constexpr uint8_t kUnmount = 0x20;

  be32 transaction;
  be32 length_bytes;
  uint8_t client;
  uint8_t flags;
  be16 reserved;
};
static_assert(sizeof(LogOperation) == 12);

// What one pass over the log finds. Blocks before the head are of the current cycle, and those
// from it on of the one before.
class LogEnd {
 public:
  Found<void> Take(uint64_t block, ByteSpan bytes) {
    uint32_t cycle = LoadFrom<be32>(bytes);
    const bool is_header = cycle == kRecordMagic;
    if (is_header) cycle = LoadFrom<be32>(bytes.subspan(offsetof(LogRecordHeader, cycle)));
    if (block != 0 && cycle != cycle_) {
      if (head_ || cycle + 1 != cycle_) return LeaveAlone("the end of its log cannot be found");
      head_ = block;
    }
    cycle_ = cycle;
    if (is_header) (head_ ? last_after_head_ : last_before_head_) = block;
    return {};
  }

  /// Where the next record would begin; 0 also if the last one ends where the log does.
  uint64_t head() const { return head_.value_or(0); }
  /// The header of the last record. One that begins at the end of the log may go on at its start.
  std::optional<uint64_t> last_record() const {
    return last_before_head_ ? last_before_head_ : last_after_head_;
  }

 private:
  uint32_t cycle_ = 0;
  std::optional<uint64_t> head_;
  std::optional<uint64_t> last_before_head_;
  std::optional<uint64_t> last_after_head_;
};

Found<LogEnd> FindEnd(guest::RangeReader& volume, DiskRange log) {
  constexpr uint64_t kPartBytes = kMiB;
  LogEnd end;
  for (uint64_t done = 0; done < log.length_bytes; done += kPartBytes) {
    const uint64_t length = std::min(kPartBytes, log.length_bytes - done);
    const auto part = VHDX_TRY(ReadPart(volume, log.disk_offset + done, length, "its log"));
    for (uint64_t at = 0; at < length; at += kLogBlockBytes) {
      VHDX_TRY(end.Take((done + at) / kLogBlockBytes, std::span(part).subspan(at, kLogBlockBytes)));
    }
  }
  return end;
}

}  // namespace

Found<void> CheckXfsLog(guest::RangeReader& volume, DiskRange log) {
  if (log.length_bytes == 0 || log.length_bytes > kMaxLogBytes) {
    return LeaveAlone("its log has an invalid size");
  }
  const LogEnd end = VHDX_TRY(FindEnd(volume, log));
  const auto last = end.last_record();
  if (!last) return LeaveAlone("its log has no record");
  const uint64_t blocks = log.length_bytes / kLogBlockBytes;
  const auto offset_of = [&](uint64_t block) {
    return log.disk_offset + block % blocks * kLogBlockBytes;
  };
  const auto header = VHDX_TRY(LoadPart<LogRecordHeader>(volume, offset_of(*last), "its log"));
  const uint64_t data = *last + header.header_blocks();
  const uint64_t next = data + DivideRoundingUp<uint64_t>(header.length_bytes, kLogBlockBytes);
  const auto operation = VHDX_TRY(LoadPart<LogOperation>(volume, offset_of(data), "its log"));
  if (next % blocks != end.head() || next - *last > blocks || header.operation_count != 1 ||
      (operation.flags & LogOperation::kUnmount) == 0) {
    return LeaveAlone("its log has not been replayed (it does not end with an unmount record)");
  }
  return {};
}

}  // namespace vhdx::free_space
