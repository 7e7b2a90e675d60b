#include "image/data_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "testing/fault_file.h"
#include "testing/memory_file.h"
#include "testing/outcome.h"

namespace vhdx {
namespace {

using testing::OutcomeOf;

constexpr uint64_t kRangeStart = 8 * kKiB;

// Of ranges that are read by the caller and by a thread of the reader.
class DataReaderTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  DataReaderTest() {
    EXPECT_TRUE(file_.Resize(kRangeStart + GetParam() + 4096));
    for (uint64_t at = 0; at < GetParam(); at += 512 * kKiB) {
      const std::vector<std::byte> bytes(64 * kKiB, static_cast<std::byte>(1 + at / kMiB % 200));
      EXPECT_TRUE(file_.WriteAt(kRangeStart + at, bytes));
    }
  }
  FileRange range() const { return {kRangeStart, GetParam()}; }

  const std::shared_ptr<testing::MemoryContents> contents_ =
      std::make_shared<testing::MemoryContents>();
  testing::MemoryFile file_{contents_};
};

TEST_P(DataReaderTest, PiecesAreInOrderAndHoldAllThatIsNotZero) {
  std::vector<std::byte> expected(GetParam());
  ASSERT_TRUE(file_.ReadExactAt(kRangeStart, expected));
  std::vector<std::byte> found(GetParam());
  DataReader reader(file_, range());
  uint64_t end = kRangeStart;
  for (;;) {
    const auto piece = reader.Next();
    ASSERT_TRUE(piece);
    if (!*piece) break;
    ASSERT_GE((*piece)->file_offset, end);
    end = (*piece)->file_offset + (*piece)->bytes.size();
    ASSERT_LE(end, kRangeStart + GetParam());
    std::ranges::copy((*piece)->bytes,
                      found.begin() + static_cast<ptrdiff_t>((*piece)->file_offset - kRangeStart));
  }
  EXPECT_EQ(found, expected);
  const auto again = reader.Next();
  EXPECT_TRUE(again && !*again) << "the end stays";
}

TEST_P(DataReaderTest, ErrorComesAfterThePiecesBeforeIt) {
  const auto plan = std::make_shared<testing::FaultPlan>();
  plan->Add({.call = testing::FileCall::kRead,
             .range = FileRange{kRangeStart + GetParam() / 2, GetParam() / 2},
             .length = testing::FaultLength::kFromThen});
  testing::FaultFile faulty(std::make_unique<testing::MemoryFile>(contents_), plan);
  DataReader reader(faulty, range());
  auto piece = reader.Next();
  ASSERT_TRUE(piece && *piece) << "what is before it can be read";
  while (piece && *piece) piece = reader.Next();
  EXPECT_EQ(OutcomeOf(piece), "io");
  EXPECT_EQ(OutcomeOf(reader.Next()), "io");
}

TEST_P(DataReaderTest, ReaderThatIsNotUsedToTheEnd_Ends) {
  DataReader reader(file_, range());
  EXPECT_TRUE(reader.Next());
}

INSTANTIATE_TEST_SUITE_P(Ranges, DataReaderTest, ::testing::Values(kMiB + 4096, 40 * kMiB));

}  // namespace
}  // namespace vhdx
