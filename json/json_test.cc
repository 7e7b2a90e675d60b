#include "json/json.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>

namespace vhdx {
namespace {

TEST(Json, BytesThatAreNotUtf8AreReplaced) {
  EXPECT_EQ(ToLine({{"filename", "caf\xe9"}}), "{\"filename\":\"caf\uFFFD\"}");
}

TEST(Json, ControlCharactersAreEscaped) { EXPECT_EQ(ToLine("\x1b[2J\n"), "\"\\u001b[2J\\n\""); }

TEST(Json, KeysKeepTheirOrderAndNumbersAreWhole) {
  EXPECT_EQ(ToLine({{"z", 1}, {"a", UINT64_MAX}}), "{\"z\":1,\"a\":18446744073709551615}");
}

TEST(Json, NothingIsNull) {
  EXPECT_TRUE(TextOrNull("").is_null());
  EXPECT_TRUE(NumberOrNull(std::optional<uint64_t>()).is_null());
  EXPECT_EQ(NumberOrNull(std::optional<uint64_t>(0)), Json(0));
}

}  // namespace
}  // namespace vhdx
