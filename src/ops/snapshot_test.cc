#include <gtest/gtest.h>
#include <vhdxkit/check.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/forwarding_file.h>
#include <vhdxkit/inspect.h>
#include <vhdxkit/snapshot.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "testing/fault_file.h"
#include "testing/image_builder.h"
#include "testing/memory_file_system.h"
#include "testing/outcome.h"

namespace vhdx {
namespace {

using testing::Fault;
using testing::FaultFileSystem;
using testing::FaultPlan;
using testing::FileCall;
using testing::OutcomeOf;

constexpr uint64_t kSector = 512;
const std::string kDisk = "/vm/disk.vhdx";
const std::string kChild = "/vm/child.avhdx";

class SnapshotTest : public ::testing::Test {
 protected:
  SnapshotTest() {
    spec_ = testing::DynamicImage({.disk_size = 16 * kMiB, .block_size = kMiB});
    spec_.blocks = {testing::FullBlock(15)};
    EXPECT_TRUE(testing::BuildAt(spec_, files_, kDisk));
  }

  std::unique_ptr<Disk> Open() { return OpenAt(kDisk, {.access = DiskAccess::kReadWrite}); }
  std::unique_ptr<Disk> OpenAt(const std::string& path, const OpenOptions& options = {}) {
    auto disk = Disk::Open(failing_, path, options);
    EXPECT_TRUE(disk) << ToString(disk.error());
    return disk ? *std::move(disk) : nullptr;
  }

  static void Put(Disk& disk, uint64_t offset, uint8_t value) {
    const std::vector<std::byte> bytes(kSector, std::byte{value});
    EXPECT_EQ(OutcomeOf(disk.Write(offset, ByteSpan(bytes))), "ok");
  }
  static int At(Disk& disk, uint64_t offset) {
    std::vector<std::byte> bytes(kSector);
    EXPECT_EQ(OutcomeOf(disk.Read(offset, bytes)), "ok");
    EXPECT_EQ(std::vector<std::byte>(kSector, bytes[0]), bytes);
    return std::to_integer<int>(bytes[0]);
  }
  void ExpectClean(const std::string& path) {
    const auto report = Check(files_, path, {.images = {.lock = LockPolicy::kIgnore}});
    ASSERT_EQ(OutcomeOf(report), "ok");
    EXPECT_EQ(report->verdict, CheckVerdict::kClean)
        << path << ": " << OutcomeOf(std::span<const Finding>(report->findings));
  }
  /// The BAT is in the log only.
  void MakeLogDirty() {
    spec_.log.log_guid = testing::TestGuid(9);
    spec_.log.entries = {
        {.writes = testing::MovedPages({testing::PlanLayout(spec_).bat.file_offset, 4096})}};
  }
  /// Of how many snapshots a call failed, and after how many of those the disk took writes.
  struct Tally {
    size_t failed = 0;
    size_t went_on = 0;
  };
  void FailEachCall(const Fault& fault, Tally& tally);
  bool Exists(const std::string& path) { return files_.Open(path, {}).has_value(); }
  std::vector<std::string> Names() { return *files_.List("/vm", 100); }

  testing::MemoryFileSystem files_;
  std::shared_ptr<FaultPlan> plan_ = std::make_shared<FaultPlan>();
  FaultFileSystem failing_{files_, plan_};
  testing::ImageSpec spec_;
};

TEST_F(SnapshotTest, ParentHasWhatWasWrittenBefore_ChildWhatCameAfter) {
  const auto disk = Open();
  Put(*disk, 0, 1);
  Put(*disk, 5 * kMiB, 1);
  const auto report = Snapshot(*disk, kChild);
  ASSERT_EQ(OutcomeOf(report), "ok");
  EXPECT_EQ(report->parent, kDisk);
  EXPECT_EQ(report->child, kChild);
  EXPECT_GT(report->pause.count(), 0);
  EXPECT_EQ(disk->name(), kChild);
  EXPECT_EQ(disk->chain_length(), 2u);
  Put(*disk, 0, 2);
  Put(*disk, 7 * kMiB, 2);
  EXPECT_EQ(At(*disk, 0), 2);
  EXPECT_EQ(At(*disk, 5 * kMiB), 1);
  EXPECT_EQ(At(*disk, 7 * kMiB), 2);
  ASSERT_EQ(OutcomeOf(disk->Close()), "ok");
  const auto parent = OpenAt(kDisk);
  EXPECT_EQ(At(*parent, 0), 1);
  EXPECT_EQ(At(*parent, 5 * kMiB), 1);
  EXPECT_EQ(At(*parent, 7 * kMiB), 0);
  const auto child = OpenAt(kChild);
  EXPECT_EQ(child->chain_length(), 2u);
  EXPECT_EQ(At(*child, 0), 2);
  EXPECT_EQ(At(*child, 5 * kMiB), 1);
  ExpectClean(kDisk);
  ExpectClean(kChild);
  EXPECT_EQ(Names(), (std::vector<std::string>{"child.avhdx", "disk.vhdx"}));
}

TEST_F(SnapshotTest, ParentCanBeReadByOthersAtOnce_AndNotBeWritten) {
  const auto disk = Open();
  Put(*disk, 0, 1);
  EXPECT_FALSE(Disk::Open(files_, kDisk)) << "it is being written";
  ASSERT_EQ(OutcomeOf(Snapshot(*disk, kChild)), "ok");
  EXPECT_FALSE(Inspect(files_, kDisk)->image.log.dirty);
  const auto parent = OpenAt(kDisk);
  EXPECT_EQ(At(*parent, 0), 1);
  EXPECT_EQ(OutcomeOf(Disk::Open(files_, kDisk, {.access = DiskAccess::kReadWrite})), "busy");
  EXPECT_EQ(OutcomeOf(Disk::Open(files_, kChild)), "busy");
}

TEST_F(SnapshotTest, ChildNamesTheIdentityThatItsParentHas) {
  const auto disk = Open();
  Put(*disk, 0, 1);  // which gives the parent a new one
  ASSERT_EQ(OutcomeOf(Snapshot(*disk, kChild)), "ok");
  const auto parent = *Inspect(files_, kDisk, {.images = {.lock = LockPolicy::kIgnore}});
  const auto child = *Inspect(files_, kChild, {.images = {.lock = LockPolicy::kIgnore}});
  EXPECT_EQ(child.image.parent_locator->parent_linkage, parent.image.header().data_write_guid);
  EXPECT_TRUE(parent.image.header().log_guid.IsZero());
  EXPECT_EQ(parent.image.parameters.virtual_disk_id, child.image.parameters.virtual_disk_id);
}

TEST_F(SnapshotTest, DiskThatWasNeverWritten_StaysAsItIs) {
  const auto before = files_.Contents(kDisk)->Bytes();
  const auto disk = Open();
  ASSERT_EQ(OutcomeOf(Snapshot(*disk, kChild)), "ok");
  Put(*disk, 0, 2);
  ASSERT_EQ(OutcomeOf(disk->Close()), "ok");
  EXPECT_EQ(files_.Contents(kDisk)->Bytes(), before);
  ExpectClean(kChild);
}

TEST_F(SnapshotTest, ManySnapshots_MakeAChain) {
  const auto disk = Open();
  for (int i = 1; i <= 10; ++i) {
    Put(*disk, static_cast<uint64_t>(i) * kSector, static_cast<uint8_t>(i));
    Put(*disk, 0, static_cast<uint8_t>(i));
    ASSERT_EQ(OutcomeOf(Snapshot(*disk, "/vm/" + std::to_string(i) + ".avhdx")), "ok");
  }
  EXPECT_EQ(disk->chain_length(), 11u);
  for (int i = 1; i <= 10; ++i) EXPECT_EQ(At(*disk, static_cast<uint64_t>(i) * kSector), i);
  ASSERT_EQ(OutcomeOf(disk->Close()), "ok");
  EXPECT_EQ(At(*OpenAt(kDisk), 0), 1);
  for (int i = 1; i < 10; ++i) {
    const auto member = OpenAt("/vm/" + std::to_string(i) + ".avhdx");
    EXPECT_EQ(At(*member, 0), i + 1);
  }
  ExpectClean("/vm/10.avhdx");
}

// Each thread writes its numbers in order: a parent holds the first so many of each thread's, and
// at least those whose writes had returned when the snapshot began.
TEST_F(SnapshotTest, RequestsGoOnMeanwhile_AndEachIsInOneImage) {
  constexpr int kNumbers = 200;
  constexpr int kSnapshots = 5;
  const auto offset_of = [](size_t thread, int number) {
    return thread * 4 * kMiB + static_cast<uint64_t>(number) * 32 * kSector;
  };
  const auto disk = Open();
  std::vector<std::atomic<int>> written(3);
  std::vector<std::thread> threads;
  for (size_t thread = 0; thread < written.size(); ++thread) {
    threads.emplace_back([&, thread] {
      for (int number = 1; number <= kNumbers; ++number) {
        Put(*disk, offset_of(thread, number), static_cast<uint8_t>(number));
        written[thread] = number;
        EXPECT_EQ(At(*disk, offset_of(thread, number)), number);
      }
    });
  }
  std::vector<std::vector<int>> before(kSnapshots);
  std::vector<std::vector<int>> after(kSnapshots);
  for (int i = 0; i < kSnapshots; ++i) {
    while (written[0] < (i + 1) * kNumbers / (kSnapshots + 1)) std::this_thread::yield();
    for (const auto& number : written) before[static_cast<size_t>(i)].push_back(number);
    ASSERT_EQ(OutcomeOf(Snapshot(*disk, "/vm/" + std::to_string(i) + ".avhdx")), "ok");
    for (const auto& number : written) after[static_cast<size_t>(i)].push_back(number);
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_EQ(OutcomeOf(disk->Close()), "ok");
  for (int i = 0; i < kSnapshots; ++i) {
    const auto parent = OpenAt(i == 0 ? kDisk : "/vm/" + std::to_string(i - 1) + ".avhdx");
    for (size_t thread = 0; thread < written.size(); ++thread) {
      int count = 0;
      while (count < kNumbers && At(*parent, offset_of(thread, count + 1)) == count + 1) ++count;
      EXPECT_GE(count, before[static_cast<size_t>(i)][thread]);
      EXPECT_LE(count, after[static_cast<size_t>(i)][thread] + 1);
      for (int number = count + 1; number <= kNumbers; ++number) {
        EXPECT_EQ(At(*parent, offset_of(thread, number)), 0);
      }
    }
  }
  ExpectClean("/vm/4.avhdx");
}

// Calls back while the child gets its name.
class WatchedFileSystem final : public ForwardingFileSystem {
 public:
  using ForwardingFileSystem::ForwardingFileSystem;
  Result<void> SyncFolder(const std::string& folder) override {
    if (on_sync_folder) on_sync_folder();
    return ForwardingFileSystem::SyncFolder(folder);
  }
  std::function<void()> on_sync_folder;
};

TEST_F(SnapshotTest, WriteThatComesMeanwhile_WaitsAndIsTheChilds) {
  WatchedFileSystem watched(files_);
  const auto disk = *Disk::Open(watched, kDisk, {.access = DiskAccess::kReadWrite});
  Put(*disk, 0, 1);
  std::atomic<bool> written = false;
  std::thread writer;
  watched.on_sync_folder = [&] {
    writer = std::thread([&] {
      Put(*disk, 0, 2);
      written = true;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    EXPECT_FALSE(written);
  };
  ASSERT_EQ(OutcomeOf(Snapshot(*disk, kChild)), "ok");
  writer.join();
  EXPECT_EQ(At(*disk, 0), 2);
  EXPECT_EQ(At(*OpenAt(kDisk), 0), 1);
}

// Calls back once, before the disk's file is synced.
class SyncHookFile final : public ForwardingFile {
 public:
  SyncHookFile(std::unique_ptr<File> file, std::function<void()>& on_sync)
      : ForwardingFile(std::move(file)), on_sync_(on_sync) {}
  Result<void> Sync() override {
    if (on_sync_) std::exchange(on_sync_, nullptr)();
    return ForwardingFile::Sync();
  }

 private:
  std::function<void()>& on_sync_;
};

class SyncHookFileSystem final : public ForwardingFileSystem {
 public:
  using ForwardingFileSystem::ForwardingFileSystem;
  Result<std::unique_ptr<File>> Open(const std::string& path,
                                     const OpenFileOptions& options) override {
    auto file = ForwardingFileSystem::Open(path, options);
    if (!file || path != kDisk) return file;
    return std::make_unique<SyncHookFile>(*std::move(file), on_sync);
  }
  std::function<void()> on_sync;
};

// What takes time, the sync of all that was written, is over before requests have to wait.
TEST_F(SnapshotTest, RequestsGoOnWhileTheDiskIsFlushed) {
  SyncHookFileSystem hooked(files_);
  const auto disk = *Disk::Open(hooked, kDisk, {.access = DiskAccess::kReadWrite});
  Put(*disk, 0, 1);
  std::future<int> read;
  hooked.on_sync = [&] {
    read = std::async(std::launch::async, [&] { return At(*disk, 0); });
    EXPECT_EQ(read.wait_for(std::chrono::seconds(5)), std::future_status::ready);
  };
  ASSERT_EQ(OutcomeOf(Snapshot(*disk, kChild)), "ok");
  EXPECT_EQ(read.get(), 1);
}

TEST_F(SnapshotTest, NameThatIsTaken_IsRefused_AndTheDiskGoesOn) {
  const auto disk = Open();
  files_.AddFile(kChild);
  EXPECT_EQ(OutcomeOf(Snapshot(*disk, kChild)), "exists");
  EXPECT_EQ(OutcomeOf(Snapshot(*disk, kDisk)), "exists");
  Put(*disk, 0, 1);
  EXPECT_EQ(disk->name(), kDisk);
  EXPECT_EQ(OutcomeOf(disk->Close()), "ok");
  ExpectClean(kDisk);
}

TEST_F(SnapshotTest, LongestChain_GetsNoChild_AndTheDiskGoesOn) {
  const auto disk =
      OpenAt(*testing::BuildChain(255, files_, "/vm"), {.access = DiskAccess::kReadWrite});
  EXPECT_EQ(OutcomeOf(Snapshot(*disk, kChild)), "ok");
  const std::string one_more = "/vm/one-more.avhdx";
  const auto report = Snapshot(*disk, one_more);
  EXPECT_EQ(OutcomeOf(report), "parent.depth");
  EXPECT_EQ(report.error().code, ErrorCode::kInvalidArgument);
  EXPECT_FALSE(Exists(one_more));
  Put(*disk, 0, 1);
  EXPECT_EQ(disk->name(), kChild);
  EXPECT_EQ(OutcomeOf(disk->Close()), "ok");
  ExpectClean(kChild);
}

TEST_F(SnapshotTest, DiskThatIsNotWritten_IsRefused) {
  const auto reading = OpenAt(kDisk);
  EXPECT_EQ(OutcomeOf(Snapshot(*reading, kChild)), "read-only");
  ASSERT_EQ(OutcomeOf(reading->Close()), "ok");
  const auto closed = Open();
  ASSERT_EQ(OutcomeOf(closed->Close()), "ok");
  EXPECT_EQ(OutcomeOf(Snapshot(*closed, kChild)), "invalid-argument");
  EXPECT_EQ(Names(), std::vector<std::string>{"disk.vhdx"});
}

// Each call that a snapshot makes fails once: there is no child, or it was made nevertheless; what
// was flushed is there; and the disk goes on, or says that it is poisoned.
void SnapshotTest::FailEachCall(const Fault& fault, Tally& tally) {
  auto& [failed, went_on] = tally;
  for (uint64_t nth = 1; nth < 200; ++nth) {
    ASSERT_TRUE(files_.Remove(kDisk));
    ASSERT_TRUE(testing::BuildAt(spec_, files_, kDisk));
    auto disk = Open();
    Put(*disk, 0, 1);
    ASSERT_EQ(OutcomeOf(disk->Flush()), "ok");
    Put(*disk, 3 * kMiB, 1);
    Fault nth_call = fault;
    nth_call.nth = nth;
    plan_->Add(nth_call);
    const auto snapshot = Snapshot(*disk, kChild);
    const bool met = plan_->fired() > failed;
    plan_->Clear();
    if (!met) break;
    ++failed;
    EXPECT_EQ(snapshot.has_value(), Exists(kChild)) << nth;
    EXPECT_EQ(disk->chain_length(), snapshot ? 2u : 1u);
    const std::vector<std::byte> bytes(kSector, std::byte{2});
    const bool goes_on = disk->Write(kSector, ByteSpan(bytes)).has_value();
    went_on += goes_on ? 1 : 0;
    EXPECT_EQ(disk->Close().has_value(), goes_on) << nth;
    disk.reset();
    const auto again = OpenAt(snapshot ? kChild : kDisk);
    EXPECT_EQ(At(*again, 0), 1) << nth;
    if (goes_on) {
      EXPECT_EQ(At(*again, kSector), 2) << nth;
      EXPECT_EQ(At(*again, 3 * kMiB), 1) << nth;
    }
    ExpectClean(snapshot ? kChild : kDisk);
    if (snapshot) {
      ASSERT_TRUE(files_.Remove(kChild));
    }
    EXPECT_EQ(Names(), std::vector<std::string>{"disk.vhdx"}) << nth;
  }
}

void ExpectSomePoisoned(size_t failed, size_t went_on) {
  EXPECT_GT(failed, 20u);
  EXPECT_GT(went_on, 10u);
  EXPECT_LT(went_on, failed);
}

TEST_F(SnapshotTest, WhateverFails_NothingIsLost) {
  Tally tally;
  FailEachCall({}, tally);
  ExpectSomePoisoned(tally.failed, tally.went_on);
}

TEST_F(SnapshotTest, WhateverFailsAfterALogWasReplayed_NothingIsLost) {
  MakeLogDirty();
  Tally tally;
  FailEachCall({}, tally);
  ExpectSomePoisoned(tally.failed, tally.went_on);
}

// Space that is missing once is not poison, whatever of the snapshot could not be written.
TEST_F(SnapshotTest, WriteWithoutSpace_LetsTheDiskGoOn) {
  Tally tally;
  FailEachCall({.call = FileCall::kWrite, .code = ErrorCode::kNoSpace, .sys_errno = ENOSPC}, tally);
  EXPECT_GT(tally.failed, 10u);
  EXPECT_EQ(tally.went_on, tally.failed);
}

// A header may still name the log: it has to forget it before the file is cut.
TEST_F(SnapshotTest, LogThatCouldNotBeRetired_IsRetiredByTheNextEnd) {
  for (const uint64_t header : {64 * kKiB, 128 * kKiB}) {
    for (const bool again : {false, true}) {
      ASSERT_TRUE(files_.Remove(kDisk));
      ASSERT_TRUE(testing::BuildAt(spec_, files_, kDisk));
      auto disk = Open();
      for (uint64_t block = 0; block < 8; ++block) Put(*disk, block * kMiB, 1);
      ASSERT_EQ(OutcomeOf(disk->Flush()), "ok");
      ASSERT_EQ(OutcomeOf(disk->Trim({4 * kMiB, 4 * kMiB})), "ok");
      ASSERT_EQ(OutcomeOf(disk->Flush()), "ok");
      plan_->Add({.call = FileCall::kWrite,
                  .range = FileRange{header, 4096},
                  .name_ends_with = "disk.vhdx",
                  .code = ErrorCode::kNoSpace,
                  .sys_errno = ENOSPC});
      ASSERT_EQ(OutcomeOf(Snapshot(*disk, kChild)), "no-space");
      plan_->Clear();
      if (again) {
        ASSERT_EQ(OutcomeOf(Snapshot(*disk, kChild)), "ok");
      }
      ASSERT_EQ(OutcomeOf(disk->Close()), "ok");
      disk.reset();
      const auto closed = Inspect(files_, kDisk);
      ASSERT_TRUE(closed) << header << ": " << ToString(closed.error());
      for (const auto& each : closed->image.headers) EXPECT_TRUE(each->log_guid.IsZero());
      ExpectClean(again ? kChild : kDisk);
      if (again) {
        ASSERT_TRUE(files_.Remove(kChild));
      }
    }
  }
}

TEST_F(SnapshotTest, LogThatNobodyReplayed_IsReplayedForThoseWhoReadTheParent) {
  MakeLogDirty();
  ASSERT_TRUE(files_.Remove(kDisk));
  ASSERT_TRUE(testing::BuildAt(spec_, files_, kDisk));
  const auto disk = Open();
  std::vector<std::byte> filled(kMiB);
  ASSERT_EQ(OutcomeOf(disk->Read(15 * kMiB, filled)), "ok");
  ASSERT_EQ(OutcomeOf(Snapshot(*disk, kChild)), "ok");
  Put(*disk, 0, 2);
  std::vector<std::byte> found(kMiB);
  ASSERT_EQ(OutcomeOf(disk->Read(15 * kMiB, found)), "ok");
  EXPECT_EQ(found, filled);
  ASSERT_EQ(OutcomeOf(disk->Close()), "ok");
  EXPECT_FALSE(Inspect(files_, kDisk)->image.log.dirty);
  EXPECT_EQ(At(*OpenAt(kChild), 0), 2);
  ASSERT_EQ(OutcomeOf(OpenAt(kDisk)->Read(15 * kMiB, found)), "ok");
  EXPECT_EQ(found, filled);
  ExpectClean(kChild);
}

}  // namespace
}  // namespace vhdx
