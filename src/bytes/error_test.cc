#include <gtest/gtest.h>
#include <vhdxkit/error.h>

#include <set>
#include <string>

namespace vhdx {
namespace {

TEST(ErrorCodeName, EveryCodeHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (int code = 0; code <= static_cast<int>(ErrorCode::kInternal); ++code) {
    names.insert(ErrorCodeName(static_cast<ErrorCode>(code)));
  }
  EXPECT_EQ(names.size(), static_cast<size_t>(ErrorCode::kInternal) + 1);
  EXPECT_EQ(ErrorCodeName(ErrorCode::kCorrupt), "corrupt");
  EXPECT_EQ(ErrorCodeName(ErrorCode::kNoSpace), "no-space");
}

TEST(ErrorText, FileStandsBeforeTheSentence) {
  EXPECT_EQ(ToString(Fail(ErrorCode::kIo, "it broke", "a.vhdx").error()), "a.vhdx: it broke");
  EXPECT_EQ(ToString(Fail(ErrorCode::kIo, "it broke").error()), "it broke");
}

TEST(Fail, GivesAnErrorWithoutARule) {
  const Result<int> result = Fail(ErrorCode::kBusy, "in use", "a.vhdx");
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::kBusy);
  EXPECT_EQ(result.error().rule, "");
  EXPECT_EQ(result.error().file, "a.vhdx");
  EXPECT_EQ(result.error().file_offset, std::nullopt);
  EXPECT_EQ(result.error().sys_errno, 0);
}

}  // namespace
}  // namespace vhdx
