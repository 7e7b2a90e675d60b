#include "control/control_requests.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/formatting.h"
#include "json/json.h"
#include "testing/fault_file.h"
#include "testing/image_builder.h"
#include "testing/memory_file_system.h"
#include "testing/outcome.h"

namespace vhdx::control {
namespace {

using testing::OutcomeOf;

const std::string kDisk = "/vm/disk.vhdx";
const std::string kChild = "/vm/child.avhdx";

class ControlRequestsTest : public ::testing::Test {
 protected:
  ControlRequestsTest() {
    EXPECT_TRUE(testing::BuildAt(
        testing::DynamicImage({.disk_size = 16 * kMiB, .block_size = kMiB}), memory_, kDisk));
  }

  void Open(DiskAccess access) {
    auto disk = Disk::Open(files_, kDisk, {.access = access});
    ASSERT_TRUE(disk) << ToString(disk.error());
    disk_ = *std::move(disk);
  }
  void SetUp() override { Open(DiskAccess::kReadWrite); }

  Answer AnswerTo(const std::string& line) {
    return ControlRequests(files_, *disk_, {}).AnswerTo(line);
  }
  Json Reply(const std::string& line) { return Json::parse(AnswerTo(line).line); }
  std::string Sentence(const std::string& line) { return Reply(line)["error"]["sentence"]; }
  static std::string SnapshotOf(const std::string& child) {
    return ToLine({{"execute", "snapshot"}, {"arguments", {{"child", child}}}});
  }
  void Put(uint64_t offset, uint8_t value) {
    const std::vector<std::byte> bytes(512, std::byte{value});
    EXPECT_EQ(OutcomeOf(disk_->Write(offset, ByteSpan(bytes))), "ok");
  }

  testing::MemoryFileSystem memory_;
  std::shared_ptr<testing::FaultPlan> plan_ = std::make_shared<testing::FaultPlan>();
  testing::FaultFileSystem files_{memory_, plan_};
  std::unique_ptr<Disk> disk_;
};

TEST_F(ControlRequestsTest, SnapshotSaysParentChildAndPause) {
  const Json reply = Reply(SnapshotOf(kChild));
  EXPECT_EQ(reply["return"]["parent"], kDisk) << reply;
  EXPECT_EQ(reply["return"]["child"], kChild);
  EXPECT_GT(reply["return"]["pause-ns"], 0);
  EXPECT_EQ(disk_->name(), kChild);
  EXPECT_FALSE(reply.contains("id"));
}

TEST_F(ControlRequestsTest, InfoIsOfTheImageThatIsWritten) {
  Put(0, 1);
  const Json before = Reply(R"({"execute": "info"})");
  EXPECT_EQ(before["return"]["filename"], kDisk) << before;
  EXPECT_EQ(before["return"]["format-specific"]["data"]["log"]["state"], "clean");
  ASSERT_TRUE(Reply(SnapshotOf(kChild)).contains("return"));
  Put(0, 2);
  ASSERT_EQ(OutcomeOf(disk_->Flush()), "ok");
  const Json after = Reply(R"({"execute": "info"})")["return"];
  EXPECT_EQ(after["filename"], kChild) << after;
  EXPECT_EQ(after["full-backing-filename"], kDisk);
  EXPECT_EQ(after["virtual-size"], 16 * kMiB);
  EXPECT_EQ(after["format-specific"]["data"]["parent"]["identity"], "ok");
  EXPECT_EQ(after["format-specific"]["data"]["log"]["state"], "dirty");
}

TEST_F(ControlRequestsTest, InfoOfADiskThatIsOnlyRead) {
  disk_.reset();
  Open(DiskAccess::kReadOnly);
  EXPECT_EQ(Reply(R"({"execute": "info"})")["return"]["filename"], kDisk);
}

TEST_F(ControlRequestsTest, FlushMakesWritesDurable) {
  Put(0, 1);
  const uint64_t before = disk_->counters().syncs;
  EXPECT_EQ(AnswerTo(R"({"execute": "flush"})").line, R"({"return":{}})");
  EXPECT_GT(disk_->counters().syncs, before);
}

TEST_F(ControlRequestsTest, OnlyStopEndsTheServer) {
  for (const char* const command : {"info", "flush", "nothing"}) {
    EXPECT_FALSE(AnswerTo(ToLine({{"execute", command}})).ends_server) << command;
  }
  const Answer answer = AnswerTo(R"({"execute": "stop", "arguments": {}})");
  EXPECT_TRUE(answer.ends_server);
  EXPECT_EQ(answer.line, R"({"return":{}})");
  EXPECT_FALSE(AnswerTo(R"({"execute": "stop", "arguments": {"now": true}})").ends_server);
}

TEST_F(ControlRequestsTest, IdComesBackWhateverItIs) {
  for (const char* const id : {"7", "\"a\"", "null", "[1,{\"x\":[]}]", "-1.5"}) {
    const Json reply = Reply(Format(R"({{"execute": "flush", "id": {}}})", id));
    EXPECT_EQ(reply["id"], Json::parse(id)) << reply;
    EXPECT_TRUE(reply.contains("return")) << reply;
    const Json refused = Reply(Format(R"({{"execute": "fly", "id": {}}})", id));
    EXPECT_EQ(refused["id"], Json::parse(id)) << refused;
    EXPECT_TRUE(refused.contains("error")) << refused;
  }
}

TEST_F(ControlRequestsTest, MalformedRequestsAreRefusedWithTheReason) {
  const std::vector<std::pair<std::string, std::string>> requests = {
      {"", "malformed request: not valid JSON at byte 1"},
      {"stop", "malformed request: not valid JSON at byte 1"},
      {"{\"execute\": \"stop\"", "malformed request: not valid JSON at byte 19"},
      {"{\"execute\": \"\xff\"}", "malformed request: not valid JSON at byte 14"},
      {"{\"execute\": \"stop\"} {}", "malformed request: not valid JSON at byte 21"},
      {"[]", "malformed request: not a JSON object"},
      {"{}", "malformed request: \"execute\" is missing"},
      {R"({"execute": 1})", "malformed request: \"execute\" is not a string"},
      {R"({"execute": "info", "arguments": []})",
       "malformed request: \"arguments\" is not an object"},
      {R"({"execute": "info", "argument": {}})", "malformed request: unknown member \"argument\""},
      {R"({"execute": "info", "id": 1e999})", "malformed request: a number is too large"},
      {R"({"execute": "merge"})",
       "unknown command \"merge\"; the commands are snapshot, info, flush and stop"},
      {R"({"execute": "info", "arguments": {"all": 1}})", "info: unknown argument \"all\""},
      {R"({"execute": "snapshot"})", "the argument \"child\" is missing"},
      {R"({"execute": "snapshot", "arguments": {"child": 1}})",
       "the argument \"child\" is not a string"},
      {R"({"execute": "snapshot", "arguments": {"child": ""}})",
       "the argument \"child\" is not an absolute path"},
      {R"({"execute": "snapshot", "arguments": {"child": "a.avhdx"}})",
       "the argument \"child\" is not an absolute path"},
      {R"({"execute": "snapshot", "arguments": {"child": "/vm/a\u0000b"}})",
       "the argument \"child\" is not an absolute path"},
      {R"({"execute": "snapshot", "arguments": {"child": "/vm/a", "force": true}})",
       "snapshot: unknown argument \"force\""},
  };
  for (const auto& [line, sentence] : requests) {
    const Json reply = Reply(line);
    EXPECT_EQ(reply["error"]["sentence"], sentence) << line;
    EXPECT_EQ(reply["error"]["code"], "invalid-argument") << line;
  }
  EXPECT_EQ(disk_->name(), kDisk);
}

TEST_F(ControlRequestsTest, DeeplyNestedRequestIsRefusedAndNotPrinted) {
  const std::string deep = std::string(30000, '[') + std::string(30000, ']');
  EXPECT_EQ(Sentence("{\"execute\": \"flush\", \"id\": " + deep + "}"),
            "malformed request: nested more than 32 levels deep");
}

TEST_F(ControlRequestsTest, ErrorsOfTheDiskAreThoseOfEveryCommand) {
  memory_.AddFile("/vm/there");
  const Json exists = Reply(SnapshotOf("/vm/there"))["error"];
  EXPECT_EQ(exists["code"], "exists") << exists;
  EXPECT_EQ(exists["file"], "/vm/there");
  EXPECT_EQ(disk_->name(), kDisk);
  disk_.reset();
  Open(DiskAccess::kReadOnly);
  const Json read_only = Reply(SnapshotOf(kChild))["error"];
  EXPECT_EQ(read_only["code"], "read-only") << read_only;
  EXPECT_EQ(read_only["sentence"],
            "the disk is served read-only; a snapshot needs a server that may write");
}

TEST_F(ControlRequestsTest, FailedFlushIsAnError) {
  Put(0, 1);
  plan_->Add({.call = testing::FileCall::kSync});
  EXPECT_EQ(Reply(R"({"execute": "flush"})")["error"]["code"], "io");
  EXPECT_EQ(Reply(SnapshotOf(kChild))["error"]["code"], "poisoned");
  EXPECT_EQ(disk_->name(), kDisk);
}

TEST_F(ControlRequestsTest, ClosedDiskIsAnError) {
  ASSERT_EQ(OutcomeOf(disk_->Close()), "ok");
  for (const char* const command : {"info", "flush"}) {
    EXPECT_TRUE(Reply(ToLine({{"execute", command}})).contains("error")) << command;
  }
}

}  // namespace
}  // namespace vhdx::control
