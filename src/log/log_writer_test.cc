#include "log/log_writer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "bytes/arithmetic.h"
#include "log/log_reader.h"
#include "testing/image_spec.h"
#include "testing/memory_file.h"
#include "testing/outcome.h"
#include "testing/recording_file.h"
#include "testing/sha256.h"

namespace vhdx::log {
namespace {

using testing::MemoryFile;
using testing::OutcomeOf;
using testing::TestGuid;

constexpr FileRange kLog{kMiB, kMiB};

Page PageOf(uint64_t file_offset, uint8_t first) {
  Page page{.file_offset = file_offset, .bytes = {}};
  for (size_t i = 0; i < page.bytes.size(); ++i) {
    page.bytes[i] = static_cast<std::byte>(first + i);
  }
  return page;
}

class LogWriterTest : public ::testing::Test {
 protected:
  LogWriterTest() { EXPECT_EQ(OutcomeOf(file_.Resize(8 * kMiB)), "ok"); }

  std::vector<LogEntryInfo> Sequence(const Guid& guid) {
    LogReader reader(file_, kLog, guid);
    auto sequence = reader.FindActiveSequence();
    EXPECT_EQ(OutcomeOf(sequence), "ok");
    return *sequence;
  }

  MemoryFile file_;
  LogWriter writer_{file_, kLog, 256};
};

TEST_F(LogWriterTest, OnlyHolesInTheLogAreAllocated) {
  const auto record = std::make_shared<testing::CallRecord>();
  testing::RecordingFile recording(std::make_unique<MemoryFile>(file_.contents()), record);
  const std::vector<std::byte> page(4096, std::byte{1});
  ASSERT_TRUE(recording.WriteAt(kLog.file_offset - 4096, page));
  ASSERT_TRUE(recording.WriteAt(kLog.file_offset + 8192, page));
  record->Clear();
  ASSERT_TRUE(LogWriter(recording, kLog, 256).Allocate());
  std::vector<FileRange> zeroed;
  for (const auto& call : record->Calls(testing::FileCall::kZeroRange)) {
    zeroed.push_back(call.range);
  }
  EXPECT_EQ(zeroed, (std::vector<FileRange>{{kLog.file_offset, 8192},
                                            {kLog.file_offset + 12288, kMiB - 12288}}));
}

TEST_F(LogWriterTest, FileThatEndsInTheLog_IsNotAllocatedForEver) {
  ASSERT_TRUE(file_.Resize(kLog.file_offset + 8192));
  EXPECT_EQ(OutcomeOf(writer_.Allocate()), "ok");
}

// docs/format.md, section 18.7 (a).
TEST_F(LogWriterTest, FirstEntry_IsTheOneOfTheReference) {
  const Guid guid = *Guid::Parse("11223344-5566-7788-99aa-bbccddeeff00");
  ASSERT_EQ(OutcomeOf(writer_.Begin(guid, {5 * kMiB, 5 * kMiB})), "ok");
  std::vector<std::byte> entry(4096);
  ASSERT_EQ(OutcomeOf(file_.ReadExactAt(kMiB, entry)), "ok");
  EXPECT_EQ(testing::Sha256Of(entry),
            "93ca97ccc3cc2e6565aa129dff0ccc7723d16e61050568970e5244c9db10fcc8");
}

TEST_F(LogWriterTest, Entries_AreReadBackWithTheirPages) {
  ASSERT_EQ(OutcomeOf(writer_.Begin(TestGuid(1), {})), "ok");
  std::vector<Page> pages;
  for (uint64_t i = 0; i < 200; ++i) {  // more than one sector of descriptors
    pages.push_back(PageOf(4 * kMiB + i * 4096, static_cast<uint8_t>(i)));
  }
  ASSERT_EQ(OutcomeOf(writer_.Append(pages, {3 * kMiB, 6 * kMiB})), "ok");
  const auto sequence = Sequence(TestGuid(1));
  ASSERT_EQ(sequence.size(), 2U);
  EXPECT_EQ(sequence[1].descriptor_count, 200U);
  EXPECT_EQ(sequence[1].flushed_file_offset, 3 * kMiB);
  EXPECT_EQ(sequence[1].last_file_offset, 6 * kMiB);
  LogReader reader(file_, kLog, TestGuid(1));
  size_t found = 0;
  auto visited = reader.VisitUpdates(sequence[1], [&](const Update& update) -> Result<void> {
    const Page& page = pages.at(found++);
    EXPECT_EQ(update.target, (FileRange{page.file_offset, 4096}));
    std::array<std::byte, 4096> sector;
    EXPECT_EQ(OutcomeOf(file_.ReadExactAt(update.stored_at, sector)), "ok");
    std::ranges::copy(update.leading, sector.begin());
    std::ranges::copy(update.trailing, sector.end() - 4);
    EXPECT_EQ(sector, page.bytes);
    return {};
  });
  EXPECT_EQ(OutcomeOf(visited), "ok");
  EXPECT_EQ(found, pages.size());
}

TEST_F(LogWriterTest, Tail_ReachesBackToWhatIsNotDurablyInPlace) {
  const std::vector<Page> pages = {PageOf(4 * kMiB, 1)};
  ASSERT_EQ(OutcomeOf(writer_.Begin(TestGuid(1), {})), "ok");
  writer_.NoteSynced();
  ASSERT_EQ(OutcomeOf(writer_.Append(pages, {})), "ok");
  writer_.NoteSynced();  // durable, but not in place
  ASSERT_EQ(OutcomeOf(writer_.Append(pages, {})), "ok");
  writer_.NoteCheckpointed();  // in place, but not durably
  ASSERT_EQ(OutcomeOf(writer_.Append(pages, {})), "ok");
  const auto before = Sequence(TestGuid(1));
  ASSERT_EQ(before.size(), 3U);
  EXPECT_EQ(before.back().tail, 4096U);
  writer_.NoteSynced();
  ASSERT_EQ(OutcomeOf(writer_.Append(pages, {})), "ok");
  EXPECT_EQ(Sequence(TestGuid(1)).back().tail, 4096U + 2 * 8192U);
}

TEST_F(LogWriterTest, Room_EndsWithTheLogAndBeginsAgainWithALap) {
  ASSERT_EQ(OutcomeOf(writer_.Begin(TestGuid(1), {})), "ok");
  EXPECT_TRUE(writer_.HasSpaceFor(writer_.pages_per_entry()));
  const std::vector<Page> pages(100, PageOf(4 * kMiB, 3));
  ASSERT_EQ(OutcomeOf(writer_.Append(pages, {})), "ok");
  ASSERT_EQ(OutcomeOf(writer_.Append(pages, {})), "ok");
  EXPECT_TRUE(writer_.HasSpaceFor(52));  // 256 sectors less 1, 101 and 101, less one of descriptors
  EXPECT_FALSE(writer_.HasSpaceFor(53));
  ASSERT_EQ(OutcomeOf(writer_.Begin(TestGuid(2), {})), "ok");
  EXPECT_TRUE(writer_.HasSpaceFor(200));
  EXPECT_EQ(Sequence(TestGuid(2)).size(), 1U);
}

TEST_F(LogWriterTest, LargestEntry_FitsBehindTheEmptyOne) {
  LogWriter writer(file_, kLog, 100000);
  EXPECT_EQ(writer.pages_per_entry(), 253U);  // 2 sectors of descriptors: 1 + 2 + 253 = 256
  ASSERT_EQ(OutcomeOf(writer.Begin(TestGuid(1), {})), "ok");
  EXPECT_TRUE(writer.HasSpaceFor(253));
  EXPECT_FALSE(writer.HasSpaceFor(254));
}

}  // namespace
}  // namespace vhdx::log
