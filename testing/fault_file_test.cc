#include "testing/fault_file.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "testing/memory_file_system.h"
#include "testing/recording_file.h"

namespace vhdx::testing {
namespace {

class FaultFileTest : public ::testing::Test {
 protected:
  std::shared_ptr<MemoryContents> contents_ = std::make_shared<MemoryContents>();
  std::shared_ptr<FaultPlan> plan_ = std::make_shared<FaultPlan>();
  std::shared_ptr<CallRecord> record_ = std::make_shared<CallRecord>();
  FaultFile file_{std::make_unique<RecordingFile>(std::make_unique<MemoryFile>(contents_), record_),
                  plan_};
  const std::vector<std::byte> bytes_ = std::vector<std::byte>(100, std::byte{7});
};

TEST_F(FaultFileTest, OnlyTheNthCallFails) {
  plan_->Add({.call = FileCall::kSync, .nth = 2});
  EXPECT_TRUE(file_.Sync());
  EXPECT_TRUE(file_.WriteAt(0, ByteSpan(bytes_)));
  const Result<void> second = file_.Sync();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kIo);
  EXPECT_EQ(second.error().sys_errno, EIO);
  EXPECT_TRUE(file_.Sync());
  EXPECT_EQ(plan_->fired(), 1U);
  EXPECT_EQ(plan_->Seen(FileCall::kSync), 3U);
  EXPECT_EQ(record_->Count(FileCall::kSync), 2U);
}

TEST_F(FaultFileTest, FromThenOnEveryCallFails) {
  plan_->Add({.nth = 2, .length = FaultLength::kFromThen});
  EXPECT_TRUE(file_.Sync());
  EXPECT_FALSE(file_.WriteAt(0, ByteSpan(bytes_)));
  EXPECT_FALSE(file_.Resize(5));
  EXPECT_FALSE(file_.Size());
  plan_->Clear();
  EXPECT_EQ(*file_.Size(), 0U);
}

TEST_F(FaultFileTest, OnlyCallsThatTouchTheRangeFail) {
  plan_->Add(
      {.call = FileCall::kWrite, .range = FileRange{200, 10}, .length = FaultLength::kFromThen});
  EXPECT_TRUE(file_.WriteAt(100, ByteSpan(bytes_)));
  EXPECT_TRUE(file_.WriteAt(210, ByteSpan(bytes_)));
  EXPECT_FALSE(file_.WriteAt(101, ByteSpan(bytes_)));
  EXPECT_FALSE(file_.WriteAt(209, ByteSpan(bytes_)));
}

TEST_F(FaultFileTest, FailedWriteLeavesNothingOrHalf) {
  plan_->Add({.call = FileCall::kWrite});
  EXPECT_FALSE(file_.WriteAt(0, ByteSpan(bytes_)));
  EXPECT_EQ(contents_->size(), 0U);
  plan_->Add({.call = FileCall::kWrite, .torn = true});
  EXPECT_FALSE(file_.WriteAt(0, ByteSpan(bytes_)));
  EXPECT_EQ(contents_->size(), 50U);
}

TEST_F(FaultFileTest, FullSpaceKeepsWhatFits) {
  plan_->SetSpace(130);
  EXPECT_TRUE(file_.WriteAt(0, ByteSpan(bytes_)));
  const Result<void> second = file_.WriteAt(100, ByteSpan(bytes_));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(contents_->size(), 130U);
  EXPECT_FALSE(file_.ZeroRange({130, 1}));
  EXPECT_EQ(plan_->fired(), 2U);
}

TEST_F(FaultFileTest, PiecesMoveTheSameBytes) {
  plan_->SetPieces(30);
  const std::array<ByteSpan, 2> twice = {bytes_, bytes_};
  ASSERT_TRUE(file_.WriteAt(5, twice));
  EXPECT_EQ(record_->Count(FileCall::kWrite), 8U);
  EXPECT_EQ(contents_->size(), 205U);
  std::vector<std::byte> read(210, std::byte{9});
  EXPECT_EQ(*file_.ReadAt(5, read), 200U);
  EXPECT_EQ(read[199], std::byte{7});
  EXPECT_EQ(read[200], std::byte{9});
}

TEST(FaultFileSystem, OnePlanCountsOverAllFiles) {
  MemoryFileSystem memory;
  memory.AddFile("/a");
  memory.AddFile("/b");
  auto plan = std::make_shared<FaultPlan>();
  FaultFileSystem files(memory, plan);
  plan->Add({.call = FileCall::kOpen, .name_ends_with = "b"});
  EXPECT_TRUE(files.Open("/a", {}));
  EXPECT_FALSE(files.Open("/b", {}));
  auto a = files.Open("/a", {});
  auto b = files.Open("/b", {});
  plan->Add({.call = FileCall::kSync, .nth = 2});
  EXPECT_TRUE((*a)->Sync());
  EXPECT_FALSE((*b)->Sync());
  plan->Add({.call = FileCall::kRename, .code = ErrorCode::kNoSpace, .sys_errno = ENOSPC});
  EXPECT_EQ(files.Rename("/a", "/c", RenameMode::kReplace).error().code, ErrorCode::kNoSpace);
  EXPECT_NE(memory.Contents("/a"), nullptr);
}

}  // namespace
}  // namespace vhdx::testing
