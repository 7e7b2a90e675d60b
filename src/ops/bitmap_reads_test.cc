#include "ops/bitmap_reads.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "testing/fault_file.h"
#include "testing/memory_file.h"
#include "testing/outcome.h"
#include "testing/recording_file.h"

namespace vhdx {
namespace {

using testing::FileCall;
using testing::OutcomeOf;

constexpr uint64_t kPageOfBits = 4096;

class BitmapReadsTest : public ::testing::Test {
 protected:
  BitmapReadsTest() {
    auto memory = std::make_unique<testing::MemoryFile>();
    EXPECT_TRUE(memory->Resize(4 * kMiB));
    auto faults = std::make_unique<testing::FaultFile>(std::move(memory), plan_);
    file_ = std::make_unique<testing::RecordingFile>(std::move(faults), record_);
  }

  std::string Read(const std::vector<FileRange>& ranges) {
    Findings findings;
    BitmapReads reads(*file_, findings);
    for (const FileRange& range : ranges) {
      if (auto added = reads.Add(range); !added) return OutcomeOf(added);
    }
    if (auto finished = reads.Finish(); !finished) return OutcomeOf(finished);
    return OutcomeOf(findings);
  }
  void MakeUnreadable(uint64_t page, ErrorCode code = ErrorCode::kIo) {
    plan_->Add({.call = FileCall::kRead,
                .range = FileRange{page, kPageOfBits},
                .length = testing::FaultLength::kFromThen,
                .code = code});
  }
  std::vector<uint64_t> LengthsOfReads() const {
    std::vector<uint64_t> lengths;
    for (const auto& call : record_->Calls(FileCall::kRead)) {
      lengths.push_back(call.range.length_bytes);
    }
    return lengths;
  }

  std::shared_ptr<testing::FaultPlan> plan_ = std::make_shared<testing::FaultPlan>();
  std::shared_ptr<testing::CallRecord> record_ = std::make_shared<testing::CallRecord>();
  std::unique_ptr<testing::RecordingFile> file_;
};

TEST_F(BitmapReadsTest, PagesThatFollowEachOther_AreReadInOneCall) {
  // Blocks of 1 MiB have 256 bytes of bits each.
  std::vector<FileRange> ranges;
  for (uint64_t block = 0; block < 40; ++block) {
    ranges.push_back({kMiB + block * 256, 256});
  }
  ranges.push_back({kMiB + 10 * kPageOfBits, 256});
  ranges.push_back({3 * kMiB, 64 * kKiB});
  EXPECT_EQ(Read(ranges), "");
  EXPECT_EQ(LengthsOfReads(), (std::vector<uint64_t>{3 * kPageOfBits, kPageOfBits, 64 * kKiB}));
}

TEST_F(BitmapReadsTest, WholeBitmaps_AreReadInPieces) {
  std::vector<FileRange> ranges;
  for (uint64_t i = 0; i < 2 * kMiB / (64 * kKiB); ++i) {
    ranges.push_back({kMiB + i * 64 * kKiB, 64 * kKiB});
  }
  EXPECT_EQ(Read(ranges), "");
  EXPECT_EQ(LengthsOfReads(), std::vector<uint64_t>(8, 256 * kKiB));
}

TEST_F(BitmapReadsTest, EachPageThatCannotBeRead_IsAFinding) {
  MakeUnreadable(kMiB + kPageOfBits);
  MakeUnreadable(kMiB + 3 * kPageOfBits);
  MakeUnreadable(kMiB + 9 * kPageOfBits);  // which no block needs
  EXPECT_EQ(Read({{kMiB, 8 * kPageOfBits}, {kMiB + 10 * kPageOfBits, 512}}),
            "file.unreadable@" + std::to_string(kMiB + kPageOfBits) + " file.unreadable@" +
                std::to_string(kMiB + 3 * kPageOfBits));
}

TEST_F(BitmapReadsTest, OtherErrors_EndTheCheck) {
  MakeUnreadable(kMiB, ErrorCode::kNoMemory);
  EXPECT_EQ(Read({{kMiB, 512}}), "no-memory");
}

}  // namespace
}  // namespace vhdx
