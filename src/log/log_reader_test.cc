#include "log/log_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "bytes/arithmetic.h"
#include "testing/image_spec.h"
#include "testing/log_spec.h"
#include "testing/memory_file.h"

namespace vhdx::log {
namespace {

using testing::DataWrite;
using testing::LogEntrySpec;
using testing::LogSpec;
using testing::MemoryFile;
using testing::SectorOf;
using testing::TestGuid;
using testing::ZeroWrite;

constexpr uint64_t kSector = 4096;
constexpr uint64_t kFileSize = 8 * kMiB;
const Guid kSession = TestGuid(100);
const Guid kEarlierSession = TestGuid(101);

// A file with a log in it, and what a reader makes of that.
class LogSearch : public ::testing::Test {
 protected:
  void WriteLog(std::vector<LogEntrySpec> entries) {
    spec_.entries = std::move(entries);
    ASSERT_TRUE(file_.Resize(0));  // nothing of an earlier log stays
    ASSERT_TRUE(file_.Resize(kFileSize));
    auto placed = testing::WriteLog(spec_, file_);
    ASSERT_TRUE(placed) << placed.error().sentence;
    placed_ = *std::move(placed);
  }

  std::vector<LogEntryInfo> Active() {
    LogReader reader(file_, {spec_.file_offset, spec_.length_bytes}, kSession);
    auto sequence = reader.FindActiveSequence();
    EXPECT_TRUE(sequence);
    return sequence ? *sequence : std::vector<LogEntryInfo>{};
  }

  std::vector<uint64_t> ActiveNumbers() {
    std::vector<uint64_t> numbers;
    for (const LogEntryInfo& entry : Active()) numbers.push_back(entry.sequence_number);
    return numbers;
  }

  MemoryFile file_;
  LogSpec spec_{.log_guid = kSession};
  std::vector<testing::PlacedLogEntry> placed_;
};

using Numbers = std::vector<uint64_t>;

TEST_F(LogSearch, EmptyLog_HasNoSequence) {
  WriteLog({});
  EXPECT_TRUE(Active().empty());
}

TEST_F(LogSearch, OneEmptyEntry_IsASequence) {
  WriteLog({{.sequence_number = 77}});
  EXPECT_EQ(ActiveNumbers(), Numbers{77});
}

// Section 18.7 (c): the sectors of one entry go from the last of the ring to its first.
TEST_F(LogSearch, EntryThatWraps_IsRead) {
  WriteLog({{.writes = {DataWrite(3 * kMiB, SectorOf(1)), DataWrite(4 * kMiB, SectorOf(2))},
             .log_offset = kMiB - kSector}});
  const auto active = Active();
  ASSERT_EQ(active.size(), 1U);
  EXPECT_EQ(active[0].log_offset, kMiB - kSector);
  EXPECT_EQ(active[0].entry_length_bytes, 3 * kSector);

  LogReader reader(file_, {spec_.file_offset, spec_.length_bytes}, kSession);
  std::vector<uint64_t> stored;
  ASSERT_TRUE(reader.VisitUpdates(active[0], [&](const Update& update) -> Result<void> {
    stored.push_back(update.stored_at);
    return {};
  }));
  EXPECT_EQ(stored, (std::vector<uint64_t>{kMiB, kMiB + kSector}));
}

// Section 18.7 (c): three entries from 0xFE000 on; the later ones come after the wrap.
TEST_F(LogSearch, SequenceThatWraps_IsReadFromItsTail) {
  constexpr uint32_t kTail = 0xFE000;
  WriteLog({{.writes = {DataWrite(3 * kMiB, SectorOf(1))}, .log_offset = kTail, .tail = kTail},
            {.writes = {DataWrite(3 * kMiB, SectorOf(2))}, .tail = kTail},
            {.writes = {DataWrite(3 * kMiB, SectorOf(3))}, .tail = kTail}});
  ASSERT_EQ(placed_[1].log_offset, 0U);
  EXPECT_EQ(ActiveNumbers(), (Numbers{1, 2, 3}));
}

// Section 18.7 (c): no sector is free.
TEST_F(LogSearch, RingFilledByEntries_IsOneSequence) {
  for (const uint64_t first : {uint64_t{0}, 40 * kSector}) {
    std::vector<LogEntrySpec> entries(128);
    for (LogEntrySpec& entry : entries) {
      entry.writes = {DataWrite(3 * kMiB, SectorOf(1))};
      entry.tail = static_cast<uint32_t>(first);
    }
    entries[0].log_offset = first;
    WriteLog(entries);
    const Numbers numbers = ActiveNumbers();
    ASSERT_EQ(numbers.size(), 128U) << first;
    EXPECT_EQ(numbers.front(), 1U);
    EXPECT_EQ(numbers.back(), 128U);
  }
}

// Section 18.7 (d): what the head has retired is not replayed.
TEST_F(LogSearch, TailOfTheHead_LeavesRetiredEntriesOut) {
  WriteLog({{.writes = {DataWrite(3 * kMiB, SectorOf(1))}},
            {.writes = {DataWrite(3 * kMiB, SectorOf(2))}}});
  EXPECT_EQ(ActiveNumbers(), Numbers{2});
}

// Section 18.7 (d): the engine refuses such a file; the search says why.
TEST_F(LogSearch, NoEntryOfThisSession_HasNoSequence) {
  WriteLog({{.log_guid = kEarlierSession}, {.log_guid = kEarlierSession}});
  EXPECT_TRUE(Active().empty());
}

TEST_F(LogSearch, StaleEntriesBehindTheHead_DoNotCount) {
  WriteLog({{.sequence_number = 10, .log_guid = kEarlierSession},
            {.tail = 0x1000, .sequence_number = 11},
            {.tail = 0x1000},
            {.log_guid = kEarlierSession}});
  EXPECT_EQ(ActiveNumbers(), (Numbers{11, 12}));
}

TEST_F(LogSearch, NumbersThatJump_EndTheRun) {
  WriteLog({{.tail = 0, .sequence_number = 51},
            {.tail = 0},
            {.tail = 0x2000, .sequence_number = 100},
            {.tail = 0x3000, .sequence_number = 53}});
  EXPECT_EQ(ActiveNumbers(), Numbers{100});
}

TEST_F(LogSearch, TailThatNamesNoEntry_MakesTheRunInvalid) {
  WriteLog({{.sequence_number = 5}, {.tail = 0x8000, .sequence_number = 6}});
  EXPECT_TRUE(Active().empty());
}

TEST_F(LogSearch, TailInsideAnEntry_IsNoEntry) {
  WriteLog({{.writes = {DataWrite(3 * kMiB, SectorOf(1))}, .tail = 0x1000}});
  EXPECT_TRUE(Active().empty());
}

TEST_F(LogSearch, TornHead_LeavesTheSequenceBeforeIt) {
  for (const uint64_t torn : {uint64_t{0}, uint64_t{1}, uint64_t{2}}) {
    WriteLog({{.writes = {DataWrite(3 * kMiB, SectorOf(1))}},
              {.writes = {DataWrite(3 * kMiB, SectorOf(2)), DataWrite(4 * kMiB, SectorOf(3))},
               .tail = 0,
               .torn_sectors = {torn}}});
    EXPECT_EQ(ActiveNumbers(), Numbers{1}) << torn;
  }
}

TEST_F(LogSearch, TornEntryOfManyDescriptors_IsLeftOut) {
  std::vector<testing::LogWrite> writes;
  for (uint64_t i = 0; i < 130; ++i) {
    writes.push_back(DataWrite(3 * kMiB + i * kSector, SectorOf(static_cast<uint8_t>(i))));
  }
  WriteLog({{.sequence_number = 8}, {.writes = writes, .tail = 0, .torn_sectors = {1}}});
  EXPECT_EQ(ActiveNumbers(), Numbers{8});
}

TEST_F(LogSearch, WrongChecksum_MakesAnEntryInvalid) {
  WriteLog({{.checksum_xor = 1}});
  EXPECT_TRUE(Active().empty());
}

TEST_F(LogSearch, GreatestNumber_Wins) {
  WriteLog({{.sequence_number = 200},
            {.log_offset = 0x10000, .tail = 0x10000, .sequence_number = 300},
            {.log_offset = 0x20000, .tail = 0x20000, .sequence_number = 100}});
  EXPECT_EQ(ActiveNumbers(), Numbers{300});
}

TEST_F(LogSearch, SequenceNumberZero_IsInvalid) {
  WriteLog({{.sequence_number = 0}});
  EXPECT_TRUE(Active().empty());
}

TEST_F(LogSearch, TargetOutsideOfWhatTheLogMayChange_MakesAnEntryInvalidAndIsTold) {
  const std::vector<testing::LogWrite> bad = {
      DataWrite(0, SectorOf(1)),         DataWrite(0x2F000, SectorOf(1)),
      DataWrite(kMiB, SectorOf(1)),      DataWrite(2 * kMiB - kSector, SectorOf(1)),
      ZeroWrite({0x2F000, 2 * kSector}), ZeroWrite({0x30000, kMiB}),
      ZeroWrite({0x30000, 7 * kMiB})};
  for (const testing::LogWrite& write : bad) {
    WriteLog({{.writes = {write}}});
    LogReader reader(file_, {spec_.file_offset, spec_.length_bytes}, kSession);
    EXPECT_TRUE(reader.FindActiveSequence()->empty()) << write.file_offset;
    EXPECT_EQ(reader.entries_with_bad_target(), std::vector<uint64_t>{0}) << write.file_offset;
  }
  WriteLog({{.writes = {DataWrite(0x30000, SectorOf(1)), ZeroWrite({2 * kMiB, kMiB}),
                        ZeroWrite({0, 0})}}});
  EXPECT_EQ(ActiveNumbers(), Numbers{1});
}

TEST_F(LogSearch, DataSectorsAfterZeroDescriptors_BelongToTheirOwnDescriptor) {
  WriteLog({{.writes = {ZeroWrite({3 * kMiB, kSector}), DataWrite(4 * kMiB, SectorOf(9)),
                        ZeroWrite({5 * kMiB, kSector}), DataWrite(6 * kMiB, SectorOf(8))}}});
  LogReader reader(file_, {spec_.file_offset, spec_.length_bytes}, kSession);
  const auto active = *reader.FindActiveSequence();
  ASSERT_EQ(active.size(), 1U);
  std::vector<uint64_t> stored;
  ASSERT_TRUE(reader.VisitUpdates(active[0], [&](const Update& update) -> Result<void> {
    if (!update.zeros) stored.push_back(update.stored_at);
    return {};
  }));
  EXPECT_EQ(stored, (std::vector<uint64_t>{kMiB + kSector, kMiB + 2 * kSector}));
}

TEST_F(LogSearch, EveryFieldOfAnEntryFlipped_MakesItInvalid) {
  WriteLog({{.writes = {DataWrite(3 * kMiB, SectorOf(1)), ZeroWrite({4 * kMiB, kSector})}}});
  ASSERT_EQ(Active().size(), 1U);
  for (uint64_t at = 0; at < 2 * kSector; at += at < 128 ? 1 : 61) {
    std::array<std::byte, 1> byte;
    ASSERT_TRUE(file_.ReadExactAt(kMiB + at, byte));
    const std::array<std::byte, 1> flipped = {byte[0] ^ std::byte{0x10}};
    ASSERT_TRUE(file_.WriteAt(kMiB + at, ByteSpan(flipped)));
    EXPECT_TRUE(Active().empty()) << at;
    ASSERT_TRUE(file_.WriteAt(kMiB + at, ByteSpan(byte)));
  }
  EXPECT_EQ(Active().size(), 1U);
}

// Every sector says "loge" and claims the whole ring: each must be given up at the next one.
TEST_F(LogSearch, RingOfEntriesThatClaimItAll_TakesLinearTime) {
  spec_.length_bytes = 64 * kMiB;
  ASSERT_TRUE(file_.Resize(66 * kMiB));
  LogEntrySpec entry{
      .patches = {testing::PatchValue(8, le32(64 * kMiB)), testing::PatchValue(24, le32(16000))}};
  const std::vector<std::byte> bytes = testing::EncodeLogEntry(entry, kSession);
  for (uint64_t at = 0; at < spec_.length_bytes; at += kSector) {
    ASSERT_TRUE(file_.WriteAt(kMiB + at, ByteSpan(bytes).first(kSector)));
  }
  EXPECT_TRUE(Active().empty());
}

TEST_F(LogSearch, VisitEntries_FindsThoseOfEverySession) {
  WriteLog({{.log_guid = kEarlierSession}, {}, {.log_guid = kEarlierSession}});
  LogReader reader(file_, {spec_.file_offset, spec_.length_bytes}, std::nullopt);
  size_t count = 0;
  ASSERT_TRUE(reader.VisitEntries([&](const LogEntryInfo&) -> Result<void> {
    ++count;
    return {};
  }));
  EXPECT_EQ(count, 3U);
}

}  // namespace
}  // namespace vhdx::log
