#include "testing/recording_file.h"

#include <gtest/gtest.h>

#include <array>

#include "testing/memory_file_system.h"

namespace vhdx::testing {
namespace {

constexpr std::array<std::byte, 3> kLetters = {std::byte{'a'}, std::byte{'b'}, std::byte{'c'}};

TEST(RecordingFile, EveryCallIsRecordedAndPassedOn) {
  MemoryFileSystem memory;
  auto record = std::make_shared<CallRecord>(RecordData::kYes);
  RecordingFileSystem files(memory, record);
  {
    auto file =
        files.Open("/a", {.access = FileAccess::kReadWrite, .creation = FileCreation::kNew});
    const std::array<ByteSpan, 2> twice = {kLetters, kLetters};
    ASSERT_TRUE((*file)->WriteAt(10, twice));
    ASSERT_TRUE((*file)->Sync());
    std::array<std::byte, 5> read;
    ASSERT_TRUE((*file)->ReadAt(2, read));
    ASSERT_TRUE((*file)->Resize(12));
  }
  ASSERT_TRUE(files.Rename("/a", "/b", RenameMode::kReplace));
  std::vector<std::string> lines;
  for (const RecordedCall& call : record->Calls()) {
    lines.push_back(std::string(FileCallName(call.call)) + " " + call.file + " " +
                    std::to_string(call.range.file_offset) + "+" +
                    std::to_string(call.range.length_bytes));
  }
  EXPECT_EQ(lines, (std::vector<std::string>{"open /a 0+0", "write /a 10+6", "sync /a 0+0",
                                             "read /a 2+5", "resize /a 0+12", "rename /b 0+0"}));
  const std::vector<RecordedCall> writes = record->Calls(FileCall::kWrite);
  ASSERT_EQ(writes.size(), 1U);
  EXPECT_EQ(writes[0].data.size(), 6U);
  EXPECT_EQ(writes[0].data[3], std::byte{'a'});
  EXPECT_EQ(memory.Contents("/b")->size(), 12U);
}

TEST(RecordingFile, CloneBetweenTwoReachesTheFilesBelow) {
  auto record = std::make_shared<CallRecord>();
  RecordingFile source(std::make_unique<MemoryFile>(), record);
  RecordingFile target(
      std::make_unique<MemoryFile>(
          std::make_shared<MemoryContents>(),
          MemoryFileOptions{.capabilities = {.writable = true, .clone_range = true}}),
      record);
  ASSERT_TRUE(source.WriteAt(0, ByteSpan(kLetters)));
  ASSERT_TRUE(target.CloneRange(5, source, {1, 2}));
  EXPECT_EQ(*target.base().Size(), 7U);
  EXPECT_EQ(record->Count(FileCall::kCloneRange), 1U);
  EXPECT_TRUE(record->Calls(FileCall::kWrite)[0].data.empty());
}

}  // namespace
}  // namespace vhdx::testing
