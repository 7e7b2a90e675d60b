#include "cli/json_stream.h"

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
