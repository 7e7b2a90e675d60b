// Commands on many files.

#include "cli/batch.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "cli/commands_fixture.h"

namespace vhdx::cli {
namespace {

class Batch : public Commands {
 protected:
  void SetUp() override {
    Commands::SetUp();
    ASSERT_TRUE(testing::BuildAt(base_, files_, "/vm/deep/er/copy.vhdx"));
    files_.AddFile("/vm/deep/broken.vhdx", std::as_bytes(std::span(std::string_view("nothing"))));
    files_.AddFile("/vm/base.vhdx.rct");
    files_.AddFile("/vm/deep/machine.VMCX");
  }
};

// A list of names that `--files-from` can open.
class ListFile {
 public:
  explicit ListFile(const std::string& text) : fd_(::memfd_create("list", 0)) {
    EXPECT_EQ(::write(fd_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  ~ListFile() { ::close(fd_); }
  ListFile(const ListFile&) = delete;
  ListFile& operator=(const ListFile&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

TEST_F(Batch, OneFile_GivesItsOwnDocumentAndError) {
  EXPECT_TRUE(Run({"info", "--json", "/vm/base.vhdx"}).json().is_object());
  const Outcome failed = Run({"info", "--json", "/vm/deep/broken.vhdx"});
  EXPECT_EQ(failed.status, 1);
  EXPECT_EQ(failed.out, "");
  EXPECT_EQ(failed.error()["rule"], "file.signature");
}

TEST_F(Batch, SeveralFiles_AreAnArrayInTheirOrder) {
  const Outcome outcome =
      Run({"info", "--json", "/vm/child.avhdx", "/vm/deep/broken.vhdx", "/vm/base.vhdx"});
  EXPECT_EQ(outcome.status, 1);
  const Json json = outcome.json();
  ASSERT_EQ(json.size(), 3U);
  EXPECT_EQ(json[0]["filename"], "/vm/child.avhdx");
  EXPECT_EQ(json[1]["filename"], "/vm/deep/broken.vhdx");
  EXPECT_EQ(json[1]["error"]["rule"], "file.signature");
  EXPECT_EQ(json[1]["exit-status"], 1);
  EXPECT_EQ(json[2]["filename"], "/vm/base.vhdx");
  EXPECT_EQ(outcome.error()["file"], "/vm/deep/broken.vhdx");
}

TEST_F(Batch, WorstStatusCounts) {
  EXPECT_EQ(Run({"check", "-q", "/vm/base.vhdx", "/vm/child.avhdx"}).status, 0);
  EXPECT_EQ(Run({"check", "-q", "/vm/base.vhdx", "/vm/deep/broken.vhdx"}).status, 63);
  EXPECT_EQ(Run({"check", "-q", "/vm/gone.vhdx", "/vm/deep/broken.vhdx"}).status, 1);
  testing::ImageSpec corrupt = base_;
  corrupt.bat_entries = {{.index = 0, .raw = 4}};
  ASSERT_TRUE(testing::BuildAt(corrupt, files_, "/vm/corrupt.vhdx"));
  EXPECT_EQ(Run({"check", "-q", "/vm/gone.vhdx", "/vm/corrupt.vhdx", "/vm/base.vhdx"}).status, 2);
  testing::ImageSpec odd = base_;
  odd.headers[0].sequence_number = odd.headers[1].sequence_number;
  ASSERT_TRUE(testing::BuildAt(odd, files_, "/vm/odd.vhdx"));
  EXPECT_EQ(Run({"check", "-q", "/vm/odd.vhdx", "/vm/base.vhdx"}).status, 3);
  EXPECT_EQ(Run({"check", "-q", "/vm/odd.vhdx", "/vm/deep/broken.vhdx"}).status, 63);
}

TEST_F(Batch, Recursive_TakesWhatIsBelow) {
  const Json json = Run({"check", "-r", "--json", "/vm"}).json();
  std::vector<std::string> names;
  for (const Json& document : json) names.push_back(document["filename"]);
  EXPECT_EQ(names, (std::vector<std::string>{"/vm/base.vhdx", "/vm/child.avhdx",
                                             "/vm/deep/broken.vhdx", "/vm/deep/er/copy.vhdx"}));
  const Outcome plain = Run({"check", "/vm"});
  EXPECT_EQ(plain.status, 1);
  EXPECT_NE(plain.err.find("-r takes the images"), std::string::npos) << plain.err;
}

TEST_F(Batch, Recursive_FindsParentsInTheTree) {
  ASSERT_TRUE(
      testing::BuildAt(testing::ChildOf(base_, "..\\base.vhdx"), files_, "/vm/deep/other.avhdx"));
  EXPECT_EQ(Run({"check", "-q", "/vm/deep/other.avhdx"}).status, 1);
  EXPECT_EQ(Run({"check", "-q", "--json-lines", "-r", "/vm"}).out.find("parent.missing"),
            std::string::npos);
}

TEST_F(Batch, JsonLines_AreOneObjectAFile) {
  const Outcome outcome = Run({"check", "--json-lines", "--jobs", "3", "/vm/base.vhdx",
                               "/vm/gone.vhdx", "/vm/child.avhdx", "/vm/deep/broken.vhdx"});
  EXPECT_EQ(outcome.status, 1);
  std::vector<std::pair<std::string, int>> ended;
  for (size_t at = 0; at < outcome.out.size();) {
    const size_t end = outcome.out.find('\n', at);
    const Json json = Json::parse(outcome.out.substr(at, end - at));
    ended.emplace_back(json["filename"], json["exit-status"]);
    EXPECT_NE(json.contains("document"), json.contains("error"));
    at = end + 1;
  }
  std::ranges::sort(ended);
  EXPECT_EQ(ended, (std::vector<std::pair<std::string, int>>{{"/vm/base.vhdx", 0},
                                                             {"/vm/child.avhdx", 0},
                                                             {"/vm/deep/broken.vhdx", 63},
                                                             {"/vm/gone.vhdx", 1}}));
}

TEST_F(Batch, Jobs_KeepTheOrder) {
  std::vector<std::string> words = {"info", "--jobs", "8"};
  for (int i = 0; i < 50; ++i) {
    words.emplace_back(i % 2 == 0 ? "/vm/base.vhdx" : "/vm/child.avhdx");
  }
  std::vector<std::string> alone = words;
  alone[2] = "1";
  const Outcome outcome = Run(words);
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.out, Run(alone).out);
}

TEST_F(Batch, FilesFrom_ReadsNames) {
  const ListFile lines("/vm/base.vhdx\n\n/vm/child.avhdx\n");
  EXPECT_EQ(Run({"info", "--json", "--files-from", lines.path()}).json().size(), 2U);
  const ListFile nulls(std::string("/vm/base.vhdx\0/vm/child.avhdx", 29));
  EXPECT_EQ(Run({"info", "--json", "-0", "--files-from", nulls.path()}).json().size(), 2U);
  const ListFile one("/vm/base.vhdx");
  EXPECT_EQ(Run({"info", "--json", "--files-from", one.path()}).json().size(), 1U);
  const ListFile none("\n");
  EXPECT_EQ(Run({"info", "--files-from", none.path()}).status, 1);
  EXPECT_EQ(Run({"info", "--files-from", "/gone/list"}).status, 1);
  EXPECT_EQ(Run({"chain", "--json", "--files-from", lines.path()}).json().size(), 2U);
}

TEST_F(Batch, WithoutFiles_IsAMistake) {
  for (const char* command : {"info", "check", "chain"}) {
    const Outcome outcome = Run({command});
    EXPECT_EQ(outcome.status, 64);
    EXPECT_NE(outcome.err.find(" is missing"), std::string::npos) << outcome.err;
  }
  EXPECT_EQ(Run({"info", "-0", "/vm/base.vhdx"}).status, 64);
  EXPECT_EQ(Run({"check", "--jobs", "0", "/vm/base.vhdx"}).status, 64);
}

TEST_F(Batch, Interrupted_EndsAsOne) {
  EXPECT_EQ(cli::Run(files_, {"check", "/vm/base.vhdx", "/vm/child.avhdx"}, true).status, 130);
}

// Whichever file is done first.
TEST(FileResult, OneFileARunComesWithAdvice) {
  bool advised = false;
  EXPECT_EQ((FileResult{.text = "plain"}.TextFor(advised)), "plain");
  EXPECT_EQ((FileResult{.text = "one", .text_with_advice = "one!"}.TextFor(advised)), "one!");
  EXPECT_EQ((FileResult{.text = "two", .text_with_advice = "two!"}.TextFor(advised)), "two");
}

TEST_F(Batch, Chain_GoesBelowIfAsked) {
  const Outcome flat = Run({"chain", "/vm"});
  EXPECT_EQ(flat.out.find("copy.vhdx"), std::string::npos) << flat.out;
  EXPECT_NE(flat.out.find("/vm/base.vhdx.rct  changed blocks"), std::string::npos) << flat.out;
  const Outcome deep = Run({"chain", "-r", "/vm"});
  EXPECT_NE(deep.out.find("duplicate: has the same identity as /vm/deep/er/copy.vhdx"),
            std::string::npos)
      << deep.out;
  EXPECT_NE(deep.out.find("/vm/deep/machine.VMCX  configuration of a virtual machine"),
            std::string::npos)
      << deep.out;
  const Json json = Run({"chain", "-r", "--json", "/vm"}).json();
  EXPECT_EQ(
      std::ranges::count_if(json, [](const Json& node) { return node.contains("side-file"); }), 2);
  EXPECT_EQ(json[0]["same-identity-as"], "/vm/deep/er/copy.vhdx");
}

TEST_F(Batch, Chain_FailsIfAnImageThatItFoundCannotBeRead) {
  files_.AddFolder("/mixed");
  ASSERT_TRUE(testing::BuildAt(base_, files_, "/mixed/a.vhdx"));
  EXPECT_EQ(Run({"chain", "/mixed"}).status, 0);
  files_.AddFile("/mixed/b.vhdx");
  const Outcome outcome = Run({"chain", "/mixed"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.out.find("/mixed/b.vhdx  cannot be read"), std::string::npos) << outcome.out;
}

TEST_F(Batch, Chain_SaysThatItDidNotLookBelow) {
  files_.AddFolder("/only/below");
  ASSERT_TRUE(testing::BuildAt(base_, files_, "/only/below/a.vhdx"));
  EXPECT_NE(Run({"chain", "/only"}).err.find("-r searches"), std::string::npos);
  EXPECT_NE(Run({"chain", "-r", "/only"}).out.find("/only/below/a.vhdx"), std::string::npos);
}

TEST_F(Batch, FolderThatCannotBeRead_FailsAndTheOthersGoOn) {
  files_.FailAt("/vm/deep/er", ErrorCode::kPermission);
  const Outcome outcome = Run({"chain", "-r", "/vm"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.out.find("/vm/base.vhdx"), std::string::npos);
  EXPECT_NE(outcome.err.find("/vm/deep/er"), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace vhdx::cli
