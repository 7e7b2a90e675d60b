#include "cli/json_text.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>

namespace vhdx::cli {
namespace {

// What `print` writes through a JsonStream.
template <typename Print>
std::string Printed(Print print) {
  const int fd = ::memfd_create("output", 0);
  TextOutput out({.fd = fd, .interrupted = nullptr});
  JsonStream json(out);
  print(json);
  EXPECT_TRUE(out.Finish());
  std::string text(static_cast<size_t>(::lseek(fd, 0, SEEK_END)), '\0');
  EXPECT_EQ(::pread(fd, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  ::close(fd);
  return text;
}

TEST(JsonText, BytesThatAreNoUtf8AreReplaced) {
  EXPECT_EQ(ToLine({{"filename", "caf\xe9"}}), "{\"filename\":\"caf\uFFFD\"}");
}

TEST(JsonText, ControlCharactersAreEscaped) { EXPECT_EQ(ToLine("\x1b[2J\n"), "\"\\u001b[2J\\n\""); }

TEST(JsonText, KeysKeepTheirOrderAndNumbersAreWhole) {
  EXPECT_EQ(ToLine({{"z", 1}, {"a", UINT64_MAX}}), "{\"z\":1,\"a\":18446744073709551615}");
}

TEST(JsonText, NothingIsNull) {
  EXPECT_TRUE(TextOrNull("").is_null());
  EXPECT_TRUE(NumberOrNull(std::optional<uint64_t>()).is_null());
  EXPECT_EQ(NumberOrNull(std::optional<uint64_t>(0)), Json(0));
}

TEST(JsonStream, EmptyArrayIsOneLine) {
  EXPECT_EQ(Printed([](JsonStream& json) {
              json.BeginArray();
              json.EndArray();
              json.Finish();
            }),
            "[]\n");
}

TEST(JsonStream, ElementsStandOnLinesOfTheirOwn) {
  EXPECT_EQ(Printed([](JsonStream& json) {
              json.BeginArray();
              json.Value({{"start", 0}});
              json.Value({{"start", 1}});
              json.EndArray();
              json.Finish();
            }),
            "[\n    {\"start\":0},\n    {\"start\":1}\n]\n");
}

TEST(JsonStream, NestedDocumentParsesAsWhatWasPrinted) {
  const std::string text = Printed([](JsonStream& json) {
    json.BeginObject();
    json.Member("name", "a\"b");
    json.Name("empty");
    json.BeginArray();
    json.EndArray();
    json.Name("list");
    json.BeginArray();
    json.Value(1);
    json.BeginObject();
    json.Member("x", nullptr);
    json.EndObject();
    json.EndArray();
    json.Member("last", true);
    json.EndObject();
    json.Finish();
  });
  const Json expected = {
      {"name", "a\"b"}, {"empty", Json::array()}, {"list", {1, {{"x", nullptr}}}}, {"last", true}};
  EXPECT_EQ(Json::parse(text), expected) << text;
}

}  // namespace
}  // namespace vhdx::cli
