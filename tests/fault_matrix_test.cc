// The fault matrix: the n-th read, write, sync, ... of a workload fails, for every n. The failure
// is told; after a failed sync or metadata write nothing more is written; and what is on disk then
// still keeps every promise.

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <iostream>
#include <optional>

#include "disk/open_disk.h"
#include "format/layout.h"
#include "testing/crash_cursor.h"
#include "testing/crash_file_system.h"
#include "testing/fault_file.h"
#include "testing/scale.h"
#include "tests/crash_check.h"
#include "tests/crash_disk.h"
#include "tests/crash_workload.h"

namespace vhdx::tests {
namespace {

using testing::CrashFileKind;
using testing::CrashOperation;
using testing::CrashStore;
using testing::DiskHistory;
using testing::Fault;
using testing::FaultPlan;
using testing::FileCall;

constexpr int kCuts = 4;
constexpr uint64_t kBlocksAfterwards = 4;
constexpr uint64_t kMomentsOfALife = 40;
constexpr CrashWorkload kWorkload = {.steps = 30, .flushes = 0.3, .trims = 0.2};

// The words of the fault are there, and its code: or that of a disk that was poisoned after a flush
// had succeeded, or of a parent that could not be read.
bool TellsOf(const Error& error, ErrorCode code) {
  const bool has_code =
      error.code == code || error.code == ErrorCode::kPoisoned || error.rule == "parent.missing";
  return has_code && (error.sentence.find("a test made this") != std::string::npos ||
                      Sentence(error).find("out of memory") != std::string::npos);
}

/// One life of a disk on which something fails.
class FaultyLife {
 public:
  FaultyLife(CrashDisk& disk, uint64_t seed)
      : disk_(disk),
        seed_(seed),
        store_(std::make_shared<CrashStore>(disk.state(), disk.store_options())),
        plan_(std::make_shared<FaultPlan>()),
        history_(disk.initial_contents()) {}

  FaultPlan& plan() { return *plan_; }
  CrashStore& store() { return *store_; }
  const std::optional<Error>& first_error() const { return first_error_; }
  /// Whether the disk takes no more writes.
  bool poisoned() const { return poisoned_; }

  void Live() {
    testing::CrashFileSystem crash(store_, seed_);
    testing::FaultFileSystem files(crash, plan_);
    auto device = OpenDisk(files, disk_.path(), {.access = DiskAccess::kReadWrite}, disk_.limits());
    if (!device) {
      first_error_ = device.error();
      const bool changed = std::ranges::any_of(store_->Record(), [](const CrashOperation& did) {
        return did.changes_bytes() || did.changes_names();
      });
      EXPECT_FALSE(changed) << "opening changed a file";  // the parents are synced
      return;
    }
    CrashSession session = {disk_, **device, *store_, history_};
    if (auto result = Run(kWorkload, session, seed_); !result) {
      first_error_ = result.error();
      if (space_returns_) plan_->Clear();
      GoOnAfterFailure(session);
    } else {
      Note(CloseStep(session));
    }
    const size_t operations = Operations();
    device->reset();
    if (poisoned_) {
      EXPECT_EQ(Operations(), operations) << "the end of a poisoned disk wrote";
    }
  }

  /// The host has space again as soon as somebody was told that there is none.
  void LetSpaceReturn() { space_returns_ = true; }

  /// Power cuts at many moments of the life, as far as they show what was flushed by then.
  std::string CheckAlong(CrashCheck& check, uint64_t points) {
    const auto record = store_->Record();
    testing::CrashCursor cursor(store_->base(), record);
    ContentGuids guids;
    for (const Guid& guid : InitialGuids()) guids.Bind(guid, disk_.initial_contents());
    guids.AllowWritten(record);
    for (uint64_t point = 1; point <= points; ++point) {
      const size_t at = record.size() * point / points;
      cursor.AdvanceTo(at);
      const auto seen = check.Look(cursor.Cut(point), history_.AllowedAt(at), guids, Care::kUsual);
      if (!seen) return "after " + std::to_string(at) + " operations: " + seen.error();
    }
    return "";
  }

  /// Everything that has to hold of what reached the file.
  std::string CheckWhatIsThere(CrashCheck& check) {
    const auto record = store_->Record();
    testing::CrashCursor cursor(store_->base(), record);
    cursor.AdvanceTo(record.size());
    ContentGuids guids;
    for (const Guid& guid : InitialGuids()) guids.Bind(guid, disk_.initial_contents());
    guids.AllowWritten(record);
    const auto allowed = history_.AllowedAt(record.size());
    for (uint64_t cut = 0; cut < kCuts; ++cut) {
      const auto seen = check.Look(cursor.Cut(cut), allowed, guids, Care::kUsual);
      if (!seen) return seen.error();
    }
    // Without a power cut too, unless a sync failed: then the cache holds what is no more.
    if (SyncFailed()) return "";
    const auto seen = check.Look(store_->Cached(), allowed, guids, Care::kThorough);
    return seen ? "" : seen.error();
  }

  bool SyncFailed() const {
    return std::ranges::count(store_->Record(), CrashOperation::Kind::kFailedSyncEnd,
                              &CrashOperation::kind) != 0;
  }

 private:
  void Note(const Result<void>& result) {
    if (!result && !first_error_) first_error_ = result.error();
  }

  std::vector<Guid> InitialGuids() {
    const auto store = std::make_shared<CrashStore>(disk_.state(), CrashStore::Options{});
    testing::CrashFileSystem files(store);
    auto device = disk_.Open(files, DiskAccess::kReadOnly);
    if (!device) return {};
    return {(*device)->image_at_open(0).header().data_write_guid};
  }

  Result<void> CloseStep(CrashSession& session) {
    const auto step = history_.BeginFlush(store_->Mark());
    auto result = session.device.Close();
    if (result) history_.End(step, store_->Mark());
    return result;
  }

  /// Operations that changed the file, or tried to make it durable.
  size_t Operations() const {
    const auto record = store_->Record();
    return record.size() - static_cast<size_t>(std::ranges::count(
                               record, CrashOperation::Kind::kMark, &CrashOperation::kind));
  }

  // Either the failure concerned one request, and all others work; or nothing works any more.
  void GoOnAfterFailure(CrashSession& session) {
    const size_t operations = Operations();
    const Result<void> written = WriteStep(session, {0, 4 * kKiB});
    poisoned_ = !written && written.error().code == ErrorCode::kPoisoned;
    if (poisoned_) {
      ExpectRefusal(written);
      ExpectRefusal(FlushStep(session));
      ExpectRefusal(TrimStep(session, {0, CrashDisk::kBlockBytes}));
      ExpectRefusal(session.device.Close());
      EXPECT_EQ(Operations(), operations) << "a poisoned disk wrote";
      return;
    }
    if (plan_->fired() > 1 && !space_returns_) return;  // the failure goes on
    EXPECT_TRUE(written) << ToString(written.error());
    // What is flushed now has to be found behind what the failure left in the log.
    for (uint64_t block = 0; block < kBlocksAfterwards; ++block) {
      const Result<void> changed =
          block % 3 == 2
              ? TrimStep(session, {block * CrashDisk::kBlockBytes, CrashDisk::kBlockBytes})
              : WriteStep(session, {block * CrashDisk::kBlockBytes, 4 * kKiB});
      EXPECT_TRUE(changed) << ToString(changed.error());
      const Result<void> flushed = FlushStep(session);
      EXPECT_TRUE(flushed) << ToString(flushed.error());
    }
    const Result<void> closed = CloseStep(session);
    EXPECT_TRUE(closed) << ToString(closed.error());
  }

  void ExpectRefusal(const Result<void>& result) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::kPoisoned);
    EXPECT_NE(result.error().sentence.find(first_error_->sentence), std::string::npos)
        << result.error().sentence << " does not tell of: " << first_error_->sentence;
  }

  CrashDisk& disk_;
  const uint64_t seed_;
  const std::shared_ptr<CrashStore> store_;
  const std::shared_ptr<FaultPlan> plan_;
  DiskHistory history_;
  std::optional<Error> first_error_;
  bool poisoned_ = false;
  bool space_returns_ = false;
};

class FaultMatrix : public ::testing::TestWithParam<CrashDiskShape> {
 protected:
  static constexpr uint64_t kSeeds = 3;

  // Calls `live` with a new disk for each seed.
  template <typename Live>
  void ForEachDisk(Live live) {
    for (uint64_t seed = 1; seed <= testing::Scaled(kSeeds); ++seed) {
      SCOPED_TRACE("seed " + std::to_string(seed));
      CrashDisk disk(GetParam(), seed);
      CrashCheck check(disk);
      live(disk, check, seed);
      if (HasFailure()) return;
    }
  }

  // How many such calls the workload makes when nothing fails.
  static uint64_t CallsOf(CrashDisk& disk, uint64_t seed, FileCall call) {
    FaultyLife life(disk, seed);
    life.Live();
    EXPECT_FALSE(life.first_error()) << ToString(*life.first_error());
    return life.plan().Seen(call);
  }

  // The n-th such call fails, for every n.
  // Returns in how many lives the disk was poisoned. Each failure is told, unless it is one that
  // `may_be_made_up_for` before anybody asks.
  uint64_t FailEach(FileCall call, Fault fault, bool may_be_made_up_for = false) {
    uint64_t lives = 0;
    uint64_t told = 0;
    uint64_t poisoned = 0;
    ForEachDisk([&](CrashDisk& disk, CrashCheck& check, uint64_t seed) {
      const uint64_t calls = CallsOf(disk, seed, call);
      for (uint64_t n = 1; n <= calls && !HasFailure(); ++n) {
        SCOPED_TRACE(std::string(FileCallName(call)) + " " + std::to_string(n));
        FaultyLife life(disk, seed);
        fault.call = call;
        fault.nth = n;
        life.plan().Add(fault);
        life.Live();
        ++lives;
        if (life.poisoned()) ++poisoned;
        if (life.plan().fired() == 0) continue;  // other threads of chance than without a fault
        ASSERT_TRUE(life.first_error() || may_be_made_up_for) << "nobody was told";
        if (life.first_error()) {
          ++told;
          EXPECT_TRUE(TellsOf(*life.first_error(), fault.code)) << ToString(*life.first_error());
        }
        EXPECT_EQ(life.CheckWhatIsThere(check), "");
      }
    });
    std::cout << lives << " lives, " << told << " told, " << poisoned << " poisoned\n";
    // What is made up for: the first header, after the file was cut; pages that are written in
    // place early. Everything else is told.
    if (may_be_made_up_for) {
      EXPECT_GE(told, lives * 4 / 5);
    }
    return poisoned;
  }
};

// Headers and region tables are there twice: of those one may fail (unreadable_unit_test).
TEST_P(FaultMatrix, ReadThatFails_EndsOneRequest) {
  EXPECT_EQ(FailEach(FileCall::kRead, {.range = FileRange{0, format::kHeaderOffsets[0]}}), 0U);
  EXPECT_EQ(FailEach(FileCall::kRead, {.range = FileRange{format::kHeaderSectionSize, INT64_MAX}}),
            0U);
}

TEST_P(FaultMatrix, WriteThatFails_IsToldAndPromisesHold) { FailEach(FileCall::kWrite, {}); }

TEST_P(FaultMatrix, WriteThatFailsHalfWay_IsToldAndPromisesHold) {
  FailEach(FileCall::kWrite, {.torn = true});
}

// Payload, log, headers or checkpointed pages: once there is space the same disk continues.
TEST_P(FaultMatrix, WriteWithoutSpace_IsToldAndTheDiskGoesOn) {
  const Fault no_space{.code = ErrorCode::kNoSpace, .sys_errno = ENOSPC};
  EXPECT_EQ(FailEach(FileCall::kWrite, no_space, true), 0U);
  Fault half_way = no_space;
  half_way.torn = true;
  EXPECT_EQ(FailEach(FileCall::kWrite, half_way, true), 0U);
}

// What a sync that found no space was to make durable is unknown, as after any other failed sync.
TEST_P(FaultMatrix, SyncWithoutSpace_Poisons) {
  EXPECT_GT(
      FailEach(FileCall::kSync,
               {.name_ends_with = "/disk.vhdx", .code = ErrorCode::kNoSpace, .sys_errno = ENOSPC}),
      0U);
}

// One that fails once may be made up for by a smaller one.
TEST_P(FaultMatrix, ResizesThatFail_AreToldAndPromisesHold) {
  FailEach(FileCall::kResize, {.length = testing::FaultLength::kFromThen});
}

TEST_P(FaultMatrix, ZeroingThatFails_IsToldAndPromisesHold) {
  FailEach(FileCall::kZeroRange, {});
  FailEach(FileCall::kPunchHole, {});
}

TEST_P(FaultMatrix, SyncThatFails_PoisonsAndPromisesHold) {
  uint64_t syncs = 0;
  ForEachDisk([&](CrashDisk& disk, CrashCheck& check, uint64_t seed) {
    const uint64_t calls = CallsOf(disk, seed, FileCall::kSync);
    for (uint64_t n = 1; n <= calls && !HasFailure(); ++n) {
      SCOPED_TRACE("sync " + std::to_string(n));
      FaultyLife life(disk, seed);
      life.store().FailSync(n);
      life.Live();
      if (!life.SyncFailed()) continue;
      ++syncs;
      ASSERT_TRUE(life.first_error()) << "nobody was told";
      EXPECT_EQ(life.store().Record().back().kind == CrashOperation::Kind::kSyncEnd, false);
      EXPECT_EQ(life.CheckWhatIsThere(check), "");
    }
  });
  EXPECT_GT(syncs, 0U);
}

// Nobody is left waiting for whoever was flushing.
TEST_P(FaultMatrix, MemoryThatRunsOutInASync_PoisonsAndPromisesHold) {
  FailEach(FileCall::kSync,
           {.name_ends_with = "/disk.vhdx", .code = ErrorCode::kNoMemory, .throws = true});
}

TEST_P(FaultMatrix, HostWithoutSpace_IsToldAndPromisesHold) {
  ForEachDisk([&](CrashDisk& disk, CrashCheck& check, uint64_t seed) {
    for (uint64_t space = 0; space < 400 * kKiB && !HasFailure(); space += 7 * kKiB + 512) {
      SCOPED_TRACE("space " + std::to_string(space));
      FaultyLife life(disk, seed);
      life.plan().SetSpace(space);
      life.Live();
      if (life.plan().fired() == 0) break;
      ASSERT_TRUE(life.first_error()) << "nobody was told";
      EXPECT_TRUE(TellsOf(*life.first_error(), ErrorCode::kNoSpace))
          << ToString(*life.first_error());
      EXPECT_EQ(life.CheckWhatIsThere(check), "");
    }
  });
}

// The same, and then there is space again: the disk goes on as if nothing had been, and whatever
// was flushed before, between and after is there at every moment.
TEST_P(FaultMatrix, SpaceThatReturns_LetsTheDiskGoOn) {
  uint64_t told = 0;
  ForEachDisk([&](CrashDisk& disk, CrashCheck& check, uint64_t seed) {
    for (uint64_t space = 0; space < 400 * kKiB && !HasFailure(); space += 5 * kKiB + 512) {
      SCOPED_TRACE("space " + std::to_string(space));
      FaultyLife life(disk, seed);
      life.LetSpaceReturn();
      life.plan().SetSpace(space);
      life.Live();
      if (life.first_error()) ++told;
      EXPECT_FALSE(life.poisoned()) << ToString(*life.first_error());
      EXPECT_EQ(life.CheckAlong(check, kMomentsOfALife), "");
      EXPECT_EQ(life.CheckWhatIsThere(check), "");
    }
  });
  EXPECT_GT(told, 10U);
}

// Each write of the life in turn, header, log, page or payload.
TEST_P(FaultMatrix, EachWriteWithoutSpace_LeavesAllMomentsRight) {
  uint64_t fired = 0;
  ForEachDisk([&](CrashDisk& disk, CrashCheck& check, uint64_t seed) {
    const uint64_t calls = CallsOf(disk, seed, FileCall::kWrite);
    for (uint64_t n = 1; n <= calls && !HasFailure(); ++n) {
      SCOPED_TRACE("write " + std::to_string(n));
      FaultyLife life(disk, seed);
      life.plan().Add({.call = FileCall::kWrite,
                       .nth = n,
                       .code = ErrorCode::kNoSpace,
                       .sys_errno = ENOSPC,
                       .torn = n % 2 == 0});
      life.Live();
      if (life.plan().fired() == 0) continue;  // other threads of chance than without a fault
      ++fired;
      EXPECT_FALSE(life.poisoned());
      EXPECT_EQ(life.CheckAlong(check, kMomentsOfALife), "");
    }
  });
  EXPECT_GT(fired, 10U);
}

TEST_P(FaultMatrix, TransfersInPieces_AreNotNoticed) {
  ForEachDisk([&](CrashDisk& disk, CrashCheck& check, uint64_t seed) {
    FaultyLife life(disk, seed);
    life.plan().SetPieces(1024);
    life.Live();
    EXPECT_FALSE(life.first_error()) << ToString(*life.first_error());
    EXPECT_EQ(life.CheckWhatIsThere(check), "");
  });
}

INSTANTIATE_TEST_SUITE_P(
    Disks, FaultMatrix,
    ::testing::Values(CrashDiskShape{Subformat::kDynamic, 512, CrashFileKind::kFile},
                      CrashDiskShape{Subformat::kFixed, 512, CrashFileKind::kFile},
                      CrashDiskShape{Subformat::kDifferencing, 512, CrashFileKind::kFile},
                      CrashDiskShape{Subformat::kDifferencing, 4096, CrashFileKind::kFile}),
    [](const auto& row) {
      std::string name(SubformatName(row.param.subformat));
      return name + std::to_string(row.param.sector_size);
    });

}  // namespace
}  // namespace vhdx::tests
