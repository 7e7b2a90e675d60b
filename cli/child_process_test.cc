#include "cli/child_process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "cli/file_descriptor.h"

namespace vhdx::cli {
namespace {

using namespace std::chrono_literals;

class ChildProcessTest : public ::testing::Test {
 protected:
  std::unique_ptr<ChildProcess> Start(const std::string& script) {
    auto child = ChildProcess::Start({"sh", "-c", script}, STDIN_FILENO);
    EXPECT_TRUE(child) << child.error().sentence;
    return child ? *std::move(child) : nullptr;
  }
  Result<void> Read(ChildProcess& child, std::chrono::milliseconds limit = 30s) {
    return child.ReadOutput(
        [this](std::string_view piece) -> Result<void> {
          output_ += piece;
          if (output_.find("enough") == std::string::npos) return {};
          return Fail(ErrorCode::kCorrupt, "enough");
        },
        ChildProcess::Clock::now() + limit, interrupted_);
  }
  // Whether a process is there that is not a zombie.
  static bool Runs(const std::string& pid) {
    std::ifstream status("/proc/" + std::to_string(std::stoi(pid)) + "/stat");
    std::string line;
    std::getline(status, line);
    return !line.empty() && line.find(") Z ") == std::string::npos;
  }

  std::string output_;
  std::atomic<bool> interrupted_ = false;
};

TEST_F(ChildProcessTest, OutputComplaintsAndStatusAreKept) {
  const auto child = Start("echo one; echo first >&2; echo last >&2; echo two; exit 7");
  ASSERT_TRUE(Read(*child));
  EXPECT_EQ(output_, "one\ntwo\n");
  EXPECT_EQ(child->Wait(), 7);
  EXPECT_EQ(child->LastComplaint(), "last");
}

TEST_F(ChildProcessTest, MoreThanAPipeHolds_IsReadFromBothPipes) {
  const auto child = Start(
      "i=0; while [ $i -lt 3000 ]; do echo 'some words that fill the pipe of the output';"
      " echo 'and some for that of the errors, which nobody reads first' >&2; i=$((i+1)); done");
  ASSERT_TRUE(Read(*child));
  EXPECT_EQ(output_.size(), 3000U * 44);
  EXPECT_EQ(child->Wait(), 0);
}

TEST_F(ChildProcessTest, ProcessThatTakesTooLong_IsKilledWithWhatItStarted) {
  const auto child = Start("sleep 600 & echo $!; wait");
  const auto read = Read(*child, 300ms);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kBusy);
  EXPECT_EQ(child->Wait(), 128 + SIGKILL);
  for (int i = 0; i < 1000 && Runs(output_); ++i) std::this_thread::sleep_for(10ms);
  EXPECT_FALSE(Runs(output_));
}

TEST_F(ChildProcessTest, Interruption_EndsTheReading) {
  const auto child = Start("echo begun; sleep 600");
  std::thread interrupter([this] {
    std::this_thread::sleep_for(100ms);
    interrupted_ = true;
  });
  const auto read = Read(*child);
  interrupter.join();
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(child->Wait(), 128 + SIGKILL);
}

TEST_F(ChildProcessTest, ReaderThatHasEnough_EndsTheProcess) {
  const auto child = Start("echo enough; sleep 600");
  const auto read = Read(*child);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().sentence, "enough");
  EXPECT_EQ(child->Wait(), 128 + SIGKILL);
}

TEST_F(ChildProcessTest, ProgramThatIsNotThere_IsAnError) {
  const auto child = ChildProcess::Start({"/nowhere/program"}, STDIN_FILENO);
  ASSERT_FALSE(child);
  EXPECT_EQ(child.error().sentence, "cannot start /nowhere/program: No such file or directory");
  EXPECT_FALSE(FindProgram("a-program-that-nobody-has"));
  EXPECT_TRUE(FindProgram("sh"));
}

}  // namespace
}  // namespace vhdx::cli
