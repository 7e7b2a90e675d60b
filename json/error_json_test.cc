#include "json/error_json.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace vhdx {
namespace {

TEST(ErrorJson, EveryErrorComesBackAsItWas) {
  for (uint8_t number = 0; number <= static_cast<uint8_t>(ErrorCode::kInternal); ++number) {
    const Error error{.code = static_cast<ErrorCode>(number),
                      .rule = "bat.entry.overlap",
                      .file = "/vm/disk.vhdx",
                      .file_offset = UINT64_MAX,
                      .found = "1",
                      .expected = "2",
                      .sentence = "why"};
    const Error back = ErrorFromJson(ErrorToJson(error)["error"]);
    EXPECT_EQ(back.code, error.code);
    EXPECT_EQ(back.rule, error.rule);
    EXPECT_EQ(back.file, error.file);
    EXPECT_EQ(back.file_offset, error.file_offset);
    EXPECT_EQ(back.found, error.found);
    EXPECT_EQ(back.expected, error.expected);
    EXPECT_EQ(back.sentence, error.sentence);
  }
}

TEST(ErrorJson, WhatIsNotKnownIsNullAndComesBackEmpty) {
  const Json json = ErrorToJson({.code = ErrorCode::kIo, .sentence = "why"})["error"];
  EXPECT_TRUE(json["rule"].is_null());
  EXPECT_TRUE(json["offset"].is_null());
  EXPECT_EQ(ErrorFromJson(json).file, "");
  EXPECT_FALSE(ErrorFromJson(json).file_offset);
}

TEST(ErrorJson, AnythingElseIsAnInternalError) {
  for (const Json& json : {Json("text"), Json(nullptr), Json({{"code", 7}, {"offset", "x"}})}) {
    EXPECT_EQ(ErrorFromJson(json).code, ErrorCode::kInternal) << json;
  }
}

}  // namespace
}  // namespace vhdx
