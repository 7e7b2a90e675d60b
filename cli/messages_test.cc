#include "cli/messages.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "json/error_json.h"

namespace vhdx::cli {
namespace {

TEST(ErrorToText, SentenceSaysWhere) {
  const Error error{.code = ErrorCode::kIo,
                    .file = "a.vhdx",
                    .file_offset = 4096,
                    .sentence = "cannot read 8 bytes at offset 4096"};
  EXPECT_EQ(ErrorToText(error), "a.vhdx: cannot read 8 bytes at offset 4096");
}

TEST(ErrorToText, NamesCannotPlayWithTheTerminal) {
  const Error error{.file = "a\x1b[2J\n.vhdx", .sentence = "is\rbad"};
  EXPECT_EQ(ErrorToText(error), "a\\x1b[2J\\x0a.vhdx: is\\x0dbad");
}

TEST(ErrorToJson, HasEveryKeyAndNullForNothing) {
  const Json json = ErrorToJson({.code = ErrorCode::kNotFound, .sentence = "gone"});
  std::vector<std::string> keys;
  for (const auto& [key, value] : json["error"].items()) keys.push_back(key);
  EXPECT_EQ(keys, (std::vector<std::string>{"code", "rule", "file", "offset", "found", "expected",
                                            "sentence"}));
  EXPECT_EQ(json["error"]["code"], "not-found");
  EXPECT_TRUE(json["error"]["rule"].is_null());
  EXPECT_TRUE(json["error"]["offset"].is_null());
}

}  // namespace
}  // namespace vhdx::cli
