// tests/mistakes.txt, line by line: the status and all of standard error of each command.

#include <gtest/gtest.h>
#include <vhdxkit/create.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "bytes/arithmetic.h"
#include "command.h"
#include "testing/host_folder.h"
#include "testing/image_builder.h"

namespace vhdx::tests {
namespace {

const std::string kTable = VHDXKIT_SOURCE_DIR "/tests/mistakes.txt";

struct Mistake {
  std::string command;
  std::string answer;  // "STATUS", then the lines
};

class Mistakes : public testing::HostFolderTest {
 protected:
  void SetUp() override {
    testing::ImageSpec base = testing::DynamicImage({.disk_size = 64 * kMiB});
    base.blocks = {testing::FullBlock(0), testing::FullBlock(5)};
    Build(base, "base.vhdx");
    Build(testing::ChildOf(base, ".\\base.vhdx"), "child.avhdx");
    base.data_write_guid = testing::TestGuid(5);
    Build(testing::ChildOf(base, ".\\gone.vhdx"), "lonely.avhdx");
    base.data_write_guid = testing::TestGuid(6);
    Shell("mkdir twins folder moved");
    Build(base, "twins/one.vhdx");
    Build(base, "twins/two.vhdx");
    Build(testing::ChildOf(base, ".\\gone.vhdx"), "twins/child.avhdx");
    Build(testing::ChildOf(base, ".\\base.vhdx"), "moved/child.avhdx");
    base.data_write_guid = testing::TestGuid(7);
    Build(base, "moved/base.vhdx");
    Build(base, "other.vhdx");
    Build(base, "cut.vhdx");
    Shell(
        "truncate -s -2M cut.vhdx; truncate -s 1M raw.img; echo text > text.txt; touch empty.vhdx;"
        "truncate -s 1M disk.vhd set.vhds;"
        "printf conectix | dd of=disk.vhd bs=1 seek=1048064 conv=notrunc status=none;"
        "printf 'QFI\\373\\000\\000\\000\\003' > disk.qcow2; truncate -s 64k disk.qcow2");
    base.blocks = {testing::FullBlock(0, 16 * kMiB), testing::FullBlock(1, 16 * kMiB)};
    Build(base, "double.vhdx");
  }

  void Build(const testing::ImageSpec& spec, const std::string& name) {
    ASSERT_TRUE(testing::BuildAt(spec, files(), PathOf(name)));
  }
  CommandResult Shell(const std::string& script) {
    return RunCommand(
        {"sh", "-c", "cd " + folder() + "; vhdx() { " VHDXKIT_COMMAND " \"$@\"; }; " + script});
  }

  // Standard error, with the test's folder named FOLDER.
  std::string Answer(const std::string& command) {
    const CommandResult result = Shell(command);
    std::string answer = std::to_string(result.exit_status) + "\n" + result.err;
    for (size_t at = 0; (at = answer.find(folder())) != std::string::npos;) {
      answer.replace(at, folder().size(), "FOLDER");
    }
    return answer;
  }
};

TEST_F(Mistakes, EachIsAnsweredAsTheTableSays) {
  std::ifstream file(kTable);
  std::string head;
  std::vector<Mistake> mistakes;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("$ ")) {
      mistakes.push_back({line.substr(2), ""});
    } else if (mistakes.empty()) {
      head += line + "\n";
    } else if (!line.empty()) {
      mistakes.back().answer += line + "\n";
    }
  }
  EXPECT_GE(mistakes.size(), 60U);
  std::string updated = head;
  for (const Mistake& mistake : mistakes) {
    const std::string answer = Answer(mistake.command);
    updated += "$ " + mistake.command + "\n" + answer + "\n";
    if (std::getenv("VHDXKIT_UPDATE_DOCUMENTS") == nullptr) {
      EXPECT_EQ(answer, mistake.answer) << mistake.command;
    }
  }
  if (std::getenv("VHDXKIT_UPDATE_DOCUMENTS") != nullptr) std::ofstream(kTable) << updated;
}

}  // namespace
}  // namespace vhdx::tests
