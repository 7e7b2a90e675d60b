// File and FileSystem when memory runs out: each function of them that returns a Result is tried
// with an operator new that fails at its n-th call, for every n, as no_memory_test.cc tries the
// rest. What takes memory is mostly to say what went wrong, so most of what is asked fails.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <vhdxkit/file.h>
#include <vhdxkit/forwarding_file.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "io/direct_file.h"
#include "testing/host_folder.h"
#include "tests/attempt.h"
#include "tests/result_functions.h"

namespace vhdx {
namespace {

using tests::Answer;
using tests::Attempt;

constexpr Answer kUnsupported{.refusal = ErrorCode::kUnsupported};
constexpr Answer kFails{.refusal = ErrorCode::kIo};
constexpr Answer kNotFound{.refusal = ErrorCode::kNotFound};
constexpr Answer kNeedsNoMemory{.needs_memory = false};

// A file that has only what it must have.
class SmallFile final : public File {
 public:
  using File::ReadAt;
  using File::WriteAt;

  const std::string& name() const override { return name_; }
  Result<size_t> ReadAt(uint64_t, std::span<const MutableByteSpan>) override { return size_t{0}; }
  Result<uint64_t> Size() override { return 100; }

 private:
  const std::string name_ = "a file that has a long name";
};

// A file system that has only what it must have.
class SmallFiles final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> Open(const std::string&, const OpenFileOptions&) override {
    return nullptr;
  }
  Result<std::string> RealPath(const std::string&) override { return ""; }
  Result<std::vector<std::string>> List(const std::string&, size_t) override { return {}; }
  Result<bool> IsFolder(const std::string&) override { return false; }
};

// Takes the descriptor from an open file and gives it back, so that meanwhile the host refuses
// everything.
class WithoutDescriptor {
 public:
  explicit WithoutDescriptor(const File& file)
      : number_(*file.HostDescriptor()), kept_(::dup(number_)) {
    ::close(number_);
  }
  WithoutDescriptor(const WithoutDescriptor&) = delete;
  WithoutDescriptor& operator=(const WithoutDescriptor&) = delete;
  ~WithoutDescriptor() {
    ::dup2(kept_, number_);
    ::close(kept_);
  }

 private:
  const int number_;
  const int kept_;
};

class NoMemoryFiles : public testing::HostFolderTest {
 protected:
  // Tries the operation with each call failing, once and for good.
  void FailEachCall(const std::function<void(Attempt&)>& operation) {
    for (const auto how : {tests::MemoryFailure::kOnce, tests::MemoryFailure::kForGood}) {
      tests::FailEachCall(functions_, {.how = how}, operation);
    }
  }

  // A file of 8 KiB.
  std::unique_ptr<File> NewFile(const std::string& name) {
    auto file = New(name);
    EXPECT_TRUE(file->WriteAt(0, testing::PatternBytes(8192)));
    return file;
  }

  void TryDefaults();
  void TryOpenFile(std::string_view of_class, File& file, File& other);
  void TryHost(std::string_view of_class, FileSystem& files);

  std::set<std::string> Tried() const {
    std::set<std::string> names;
    for (const auto& each : functions_) {
      names.insert(std::string(each.of_class) + "::" + std::string(each.name));
    }
    return names;
  }

  Attempt::Functions functions_;
};

void NoMemoryFiles::TryDefaults() {
  SmallFile file;
  std::array<std::byte, 16> buffer = {};
  FailEachCall([&](Attempt& attempt) {
    attempt.set_class("File");
    attempt.Try("RealPath", file.RealPath(), kUnsupported);
    attempt.Try("ReadAt", file.ReadAt(0, buffer), kNeedsNoMemory);
    attempt.Try("ReadExactAt", file.ReadExactAt(0, buffer), {.refusal = ErrorCode::kCorrupt});
    attempt.Try("WriteAt", file.WriteAt(0, buffer), kUnsupported);
    attempt.Try("Sync", file.Sync(), kUnsupported);
    attempt.Try("AllocatedBytes", file.AllocatedBytes(), kNeedsNoMemory);
    attempt.Try("Resize", file.Resize(1), kUnsupported);
    attempt.Try("ZeroRange", file.ZeroRange({0, 1}), kUnsupported);
    attempt.Try("PunchHole", file.PunchHole({0, 1}), kUnsupported);
    attempt.Try("CloneRange", file.CloneRange(0, file, {0, 1}), kUnsupported);
    attempt.Try("NextData", file.NextData(0), kNeedsNoMemory);
    attempt.Try("NextHole", file.NextHole(0), kNeedsNoMemory);
    attempt.Try("Lock", file.Lock(LockMode::kShared), kUnsupported);
  });
  SmallFiles files;
  const std::string path = "a path that has a long name";
  FailEachCall([&](Attempt& attempt) {
    attempt.set_class("FileSystem");
    attempt.Try("Rename", files.Rename(path, path, RenameMode::kReplace), kUnsupported);
    attempt.Try("Remove", files.Remove(path), kUnsupported);
    attempt.Try("SyncFolder", files.SyncFolder(path), kUnsupported);
    attempt.Try("FillRandom", files.FillRandom(buffer), kNeedsNoMemory);
  });
}

// Every function of a file that is open, fails.
void NoMemoryFiles::TryOpenFile(std::string_view of_class, File& file, File& other) {
  std::array<std::byte, 16> buffer = {};
  const WithoutDescriptor without(file);
  FailEachCall([&](Attempt& attempt) {
    attempt.set_class(of_class);
    attempt.Try("RealPath", file.RealPath());
    attempt.Try("ReadAt", file.ReadAt(0, buffer), kFails);
    attempt.Try("WriteAt", file.WriteAt(0, buffer), kFails);
    attempt.Try("Size", file.Size(), kFails);
    attempt.Try("AllocatedBytes", file.AllocatedBytes(), kFails);
    attempt.Try("Resize", file.Resize(1), kFails);
    attempt.Try("ZeroRange", file.ZeroRange({0, 1}), kFails);
    attempt.Try("PunchHole", file.PunchHole({0, 1}), kFails);
    attempt.Try("CloneRange", file.CloneRange(0, other, {0, 1}), kUnsupported);
    attempt.Try("NextData", file.NextData(0), kFails);
    attempt.Try("NextHole", file.NextHole(0), kFails);
    attempt.Try("Lock", file.Lock(LockMode::kShared), kFails);
    attempt.Try("Sync", file.Sync(), kFails);
  });
}

void NoMemoryFiles::TryHost(std::string_view of_class, FileSystem& files) {
  const std::string missing = PathOf("missing/file");
  const std::string there = PathOf("there");
  const std::string also_there = PathOf("also there");
  std::array<std::byte, 16> buffer = {};
  FailEachCall([&](Attempt& attempt) {
    attempt.set_class(of_class);
    attempt.Try("Open", files.Open(missing, {}), kNotFound);
    attempt.Try("Open", files.Open(folder(), {}), kUnsupported);
    attempt.Try("Open", files.Open(there, {}));
    attempt.Try("RealPath", files.RealPath(missing), kNotFound);
    attempt.Try("RealPath", files.RealPath(there));
    attempt.Try("List", files.List(missing, 10), kNotFound);
    attempt.Try("List", files.List(folder(), 1));
    attempt.Try("IsFolder", files.IsFolder(missing), kNotFound);
    attempt.Try("Rename", files.Rename(missing, there, RenameMode::kReplace), kNotFound);
    attempt.Try("Rename", files.Rename(there, also_there, RenameMode::kRefuseExisting),
                {.refusal = ErrorCode::kExists});
    attempt.Try("Remove", files.Remove(missing), kNotFound);
    attempt.Try("SyncFolder", files.SyncFolder(missing), kNotFound);
    attempt.Try("FillRandom", files.FillRandom(buffer), kNeedsNoMemory);
  });
}

std::set<std::string> FunctionsIn(const std::string& header) {
  std::ifstream stream(std::filesystem::path(VHDXKIT_SOURCE_DIR) / header);
  return tests::ResultFunctions({std::istreambuf_iterator<char>(stream), {}});
}

TEST_F(NoMemoryFiles, EveryFunctionThatReturnsAResultIsTried) {
  TryDefaults();
  const auto file = NewFile("there");
  const auto other = NewFile("also there");
  TryOpenFile("PosixFile", *file, *other);
  ForwardingFile forwarding(NewFile("forwarded"));
  TryOpenFile("ForwardingFile", forwarding, *other);
  TryHost("HostFileSystem", files());
  ForwardingFileSystem forwarding_files(files());
  TryHost("ForwardingFileSystem", forwarding_files);
  tests::ExpectAllRanOutOfMemory(functions_);

  const std::set<std::string> tried = Tried();
  size_t functions = 0;
  for (const char* header :
       {"include/vhdxkit/file.h", "include/vhdxkit/forwarding_file.h", "src/io/posix_file.h"}) {
    for (const std::string& function : FunctionsIn(header)) {
      ++functions;
      EXPECT_TRUE(tried.contains(function)) << header << ": " << function;
    }
  }
  EXPECT_GT(functions, 45U);
}

// Aligned requests are passed on; the others have a part of their own.
TEST_F(NoMemoryFiles, ADirectFile) {
  auto plain = NewFile("there");
  DirectFile file(OpenedFile{.descriptor = FileDescriptor(::dup(*plain->HostDescriptor())),
                             .name = "a file that has a long name",
                             .identity = {},
                             .capabilities = {.writable = true, .io_alignment = 512}});
  std::vector<std::byte> buffer(1000);
  FailEachCall([&](Attempt& attempt) {
    attempt.Try("ReadAt", file.ReadAt(1, buffer));
    attempt.Try("WriteAt", file.WriteAt(1, buffer));
    attempt.Try("WriteAt past the end", file.WriteAt(8000, buffer),
                {.refusal = ErrorCode::kInvalidArgument});
  });
  const WithoutDescriptor without(file);
  FailEachCall([&](Attempt& attempt) {
    attempt.set_class("without descriptor");
    attempt.Try("ReadAt", file.ReadAt(1, buffer), kFails);
    attempt.Try("WriteAt", file.WriteAt(1, buffer), kFails);
  });
  tests::ExpectAllRanOutOfMemory(functions_);
}

TEST_F(NoMemoryFiles, AFileThatCannotBeCreatedIsNotThere) {
  const std::string path = PathOf("new file");
  for (const bool direct : {false, true}) {
    const OpenFileOptions options{
        .access = FileAccess::kReadWrite, .creation = FileCreation::kNew, .direct = direct};
    bool created = false;
    tests::FailEachCall(functions_,
                        {.look =
                             [&] {
                               EXPECT_EQ(std::filesystem::exists(path), created);
                               std::filesystem::remove(path);
                             }},
                        [&](Attempt& attempt) {
                          created = attempt.Try("Open", files().Open(path, options), kUnsupported);
                        });
  }
  tests::ExpectAllRanOutOfMemory(functions_);
}

TEST_F(NoMemoryFiles, ALockThatCannotBeTakenLeavesNone) {
  const auto holder = NewFile("there");
  ASSERT_TRUE(holder->Lock(LockMode::kShared));
  const auto other = Open("there", {.access = FileAccess::kReadWrite});
  tests::FailEachCall(functions_,
                      {.look =
                           [&] {
                             EXPECT_TRUE(holder->Lock(LockMode::kExclusive));
                             EXPECT_TRUE(holder->Lock(LockMode::kShared));
                           }},
                      [&](Attempt& attempt) {
                        attempt.Try("Lock", other->Lock(LockMode::kExclusive),
                                    {.refusal = ErrorCode::kBusy});
                      });
  tests::ExpectAllRanOutOfMemory(functions_);
}

// What was not synced may be lost, and the host says so only once.
TEST_F(NoMemoryFiles, AFailedSyncIsRememberedWithoutMemory) {
  const auto file = NewFile("there");
  {
    const WithoutDescriptor without(*file);
    tests::FailingMemory::Start(1, tests::MemoryFailure::kForGood);
    auto synced = file->Sync();
    ASSERT_TRUE(tests::FailingMemory::Stop());
    ASSERT_FALSE(synced);
    EXPECT_EQ(synced.error().code, ErrorCode::kNoMemory);
  }
  const auto again = file->Sync();
  ASSERT_FALSE(again) << "the failure was forgotten";
  EXPECT_EQ(again.error().code, ErrorCode::kIo);
}

}  // namespace
}  // namespace vhdx
