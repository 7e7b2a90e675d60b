// Inspect of a disk that is open; of an image alone it is tested with what it reads.

#include <gtest/gtest.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/forwarding_file.h>
#include <vhdxkit/inspect.h>
#include <vhdxkit/snapshot.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "testing/image_builder.h"
#include "testing/memory_file_system.h"
#include "testing/outcome.h"

namespace vhdx {
namespace {

using testing::OutcomeOf;

const std::string kPath = "/vm/disk.vhdx";

class InspectOfADisk : public ::testing::Test {
 protected:
  InspectOfADisk() {
    EXPECT_TRUE(testing::BuildAt(
        testing::DynamicImage({.disk_size = 64 * kMiB, .block_size = kMiB}), files_, kPath));
  }

  std::unique_ptr<Disk> Open(DiskAccess access) {
    auto disk = Disk::Open(files_, kPath, {.access = access});
    EXPECT_TRUE(disk) << ToString(disk.error());
    return disk ? *std::move(disk) : nullptr;
  }
  static void Put(Disk& disk, uint64_t offset) {
    const std::vector<std::byte> bytes(512, std::byte{1});
    EXPECT_EQ(OutcomeOf(disk.Write(offset, ByteSpan(bytes))), "ok");
  }

  testing::MemoryFileSystem files_;
};

TEST_F(InspectOfADisk, TakesNoLockAndSeesTheSession) {
  const auto disk = Open(DiskAccess::kReadWrite);
  EXPECT_EQ(OutcomeOf(Inspect(files_, kPath)), "busy");
  Put(*disk, 0);
  ASSERT_EQ(OutcomeOf(disk->Flush()), "ok");
  const auto inspection = Inspect(files_, *disk);
  ASSERT_EQ(OutcomeOf(inspection), "ok");
  EXPECT_TRUE(inspection->image.log.dirty);
  EXPECT_NE(inspection->image.header().file_write_guid,
            disk->image_at_open(0).header().file_write_guid);
  Put(*disk, kMiB);  // the requests go on
}

TEST_F(InspectOfADisk, IsOfTheChildAfterASnapshot) {
  const auto disk = Open(DiskAccess::kReadWrite);
  ASSERT_EQ(OutcomeOf(Snapshot(*disk, "/vm/child.avhdx")), "ok");
  const auto inspection = Inspect(files_, *disk);
  ASSERT_EQ(OutcomeOf(inspection), "ok");
  EXPECT_EQ(inspection->image.filename, "/vm/child.avhdx");
  ASSERT_TRUE(inspection->parent);
  EXPECT_EQ(inspection->parent->resolved, kPath);
}

TEST_F(InspectOfADisk, ThatIsReadOrClosed) {
  const auto disk = Open(DiskAccess::kReadOnly);
  EXPECT_EQ(OutcomeOf(Inspect(files_, *disk)), "ok");
  ASSERT_EQ(OutcomeOf(disk->Close()), "ok");
  EXPECT_EQ(OutcomeOf(Inspect(files_, *disk)), "invalid-argument");
}

// Calls back once, when a file is opened.
class WatchedFileSystem final : public ForwardingFileSystem {
 public:
  using ForwardingFileSystem::ForwardingFileSystem;
  Result<std::unique_ptr<File>> Open(const std::string& path,
                                     const OpenFileOptions& options) override {
    if (on_open) std::exchange(on_open, nullptr)();
    return ForwardingFileSystem::Open(path, options);
  }
  std::function<void()> on_open;
};

TEST_F(InspectOfADisk, RequestsWaitMeanwhile) {
  const auto disk = Open(DiskAccess::kReadWrite);
  WatchedFileSystem watched(files_);
  std::atomic<bool> written = false;
  std::thread writer;
  watched.on_open = [&] {
    writer = std::thread([&] {
      Put(*disk, 0);
      written = true;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    EXPECT_FALSE(written);
  };
  EXPECT_EQ(OutcomeOf(Inspect(watched, *disk)), "ok");
  writer.join();
  EXPECT_TRUE(written);
}

TEST_F(InspectOfADisk, IsNotOfAnotherFileThatHasItsName) {
  const auto disk = Open(DiskAccess::kReadWrite);
  ASSERT_TRUE(files_.Rename(kPath, "/vm/moved.vhdx", RenameMode::kRefuseExisting));
  ASSERT_TRUE(testing::BuildAt(testing::DynamicImage({.disk_size = 64 * kMiB}), files_, kPath));
  EXPECT_EQ(OutcomeOf(Inspect(files_, *disk)), "not-found");
}

TEST_F(InspectOfADisk, NeverSeesARequestHalfDone) {
  const auto disk = Open(DiskAccess::kReadWrite);
  std::atomic<bool> is_over = false;
  std::thread writer([&] {
    for (uint64_t number = 0; !is_over; ++number) {
      Put(*disk, number % 64 * kMiB);
      EXPECT_EQ(OutcomeOf(disk->Flush()), "ok");
      if (number % 64 == 63) {
        EXPECT_EQ(OutcomeOf(disk->Trim({0, 64 * kMiB})), "ok");
      }
    }
  });
  for (int i = 0; i < 100; ++i) {
    const auto inspection = Inspect(files_, *disk);
    ASSERT_EQ(OutcomeOf(inspection), "ok");
    for (const Finding& finding : inspection->image.findings) {
      EXPECT_EQ(finding.rule->id, "log.dirty") << finding.sentence;
    }
  }
  is_over = true;
  writer.join();
}

}  // namespace
}  // namespace vhdx
