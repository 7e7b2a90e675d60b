// Runs commands in this process, on files in memory.

#ifndef VHDXKIT_CLI_COMMANDS_FIXTURE_H_
#define VHDXKIT_CLI_COMMANDS_FIXTURE_H_

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <vector>

#include "cli/command_line.h"
#include "json/json.h"
#include "testing/image_builder.h"
#include "testing/memory_file_system.h"

namespace vhdx::cli {

struct Outcome {
  int status = 0;
  std::string out;
  std::string err;

  Json json() const { return Json::parse(out); }
  // The last line on standard error.
  Json error() const {
    const size_t line_end = err.find_last_not_of('\n');
    const size_t line_start = err.rfind('\n', line_end);
    return Json::parse(err.substr(line_start == std::string::npos ? 0 : line_start + 1))["error"];
  }
};

inline std::string TakeText(int fd) {
  std::string text(static_cast<size_t>(::lseek(fd, 0, SEEK_END)), '\0');
  EXPECT_EQ(::pread(fd, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  ::close(fd);
  return text;
}

inline Outcome Run(FileSystem& files, const std::vector<std::string>& arguments,
                   bool is_interrupted = false) {
  const std::atomic<bool> interrupted = is_interrupted;
  const int out = ::memfd_create("out", 0);
  const int err = ::memfd_create("err", 0);
  const ExitStatus status = RunCommandLine(
      arguments, {.files = files, .interrupted = interrupted, .output_fd = out, .error_fd = err});
  return {.status = static_cast<int>(status), .out = TakeText(out), .err = TakeText(err)};
}

inline std::vector<std::string> KeysOf(const Json& json) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : json.items()) keys.push_back(key);
  return keys;
}

using Keys = std::vector<std::string>;

// base.vhdx with two blocks, child.avhdx with one more and part of another.
class Commands : public ::testing::Test {
 protected:
  void SetUp() override {
    base_ = testing::DynamicImage({.disk_size = 16 * kMiB, .block_size = kMiB});
    base_.blocks = {testing::FullBlock(0), testing::FullBlock(2), testing::ZeroBlock(4)};
    ASSERT_TRUE(testing::BuildAt(base_, files_, "/vm/base.vhdx"));
    child_ = testing::ChildOf(base_, ".\\base.vhdx");
    child_.blocks = {testing::FullBlock(1), testing::PartialBlock(2, {{8, 8}})};
    ASSERT_TRUE(testing::BuildAt(child_, files_, "/vm/child.avhdx"));
  }

  Outcome Run(const std::vector<std::string>& arguments) { return cli::Run(files_, arguments); }

  testing::MemoryFileSystem files_;
  testing::ImageSpec base_;
  testing::ImageSpec child_;
};

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_COMMANDS_FIXTURE_H_
