// Snapshots of a disk that is being written, and the power cut at every point.
//
// One guest writes slots of 4 KiB, flushes now and then, and has snapshots taken. After a cut
// anywhere: the disk is the newest child whose name is there, and that is there once its snapshot
// has returned; what was flushed, or written before a snapshot that had returned, is in it, and
// nothing but what was written since; the parents hold exactly what the disk held at their moments;
// `check` finds nothing; and no other name is left than that of a temporary file.

#include <gtest/gtest.h>
#include <vhdxkit/check.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/image_tree.h>
#include <vhdxkit/snapshot.h>

#include <algorithm>
#include <array>
#include <iostream>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <unordered_set>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/formatting.h"
#include "disk/open_disk.h"
#include "testing/crash_cursor.h"
#include "testing/crash_file_system.h"
#include "testing/crash_state.h"
#include "testing/crash_store.h"
#include "testing/disk_contents.h"
#include "testing/disk_history.h"
#include "testing/image_builder.h"
#include "testing/memory_file.h"
#include "testing/page_image.h"
#include "testing/scale.h"

namespace vhdx::tests {
namespace {

using testing::CrashCursor;
using testing::CrashFileSystem;
using testing::CrashOperation;
using testing::CrashState;
using testing::CrashStore;
using testing::DiskHistory;
using testing::PageImage;

constexpr uint64_t kStates = 10000;
constexpr uint64_t kCutsAtAPoint = 3;
constexpr uint64_t kSlotBytes = 4096;
constexpr size_t kSlots = 12;  // two in each block
constexpr uint64_t kDiskBytes = 6 * kMiB;
constexpr uint64_t kSteps = 40;
constexpr size_t kSnapshots = 3;

uint64_t OffsetOf(size_t slot) { return slot / 2 * kMiB + slot % 2 * 64 * kKiB; }

std::string PathOf(size_t depth) {
  return depth == 0 ? "/vm/disk.vhdx" : Format("/vm/{}.avhdx", depth);
}

CrashState NewDisk() {
  testing::MemoryFile file;
  EXPECT_TRUE(
      testing::Build(testing::DynamicImage({.disk_size = kDiskBytes, .block_size = kMiB}), file));
  CrashState state;
  state.AddFile(PathOf(0), *PageImage::Load(file));
  return state;
}

PageImage NoBytes() {
  PageImage bytes;
  bytes.SetSize(kDiskBytes);
  return bytes;
}

// A snapshot is a flush, too. The parent holds what the disk held when it began.
struct TakenSnapshot {
  DiskHistory::Step flush = 0;
  size_t begin = 0;  // marks
  size_t end = 0;
};

// One life of a disk.
class Guest {
 public:
  Guest(std::shared_ptr<CrashStore> store, uint64_t seed)
      : store_(std::move(store)),
        files_(store_, seed),
        random_(seed),
        history_(testing::InitialContents(NoBytes())) {}

  Result<void> Live() {
    const WriteLimits limits{.log_sectors = random_() % 2 == 0 ? 8U : 64U,
                             .pages_per_entry = random_() % 2 == 0 ? 1U : 8U,
                             .least_growth_bytes = 2 * kMiB};
    auto disk = OpenDisk(files_, PathOf(0), {.access = DiskAccess::kReadWrite}, limits);
    if (!disk) return std::unexpected(disk.error());
    for (uint64_t step = 0; step < kSteps; ++step) {
      const uint64_t choice = random_() % 16;
      const bool is_due = step * kSnapshots / kSteps > snapshots_.size();
      auto done = is_due || choice == 0 ? TakeSnapshot(**disk)
                  : choice < 3          ? Flush(**disk)
                                        : Write(**disk);
      if (!done) return done;
    }
    return random_() % 2 == 0 ? (*disk)->Close() : Result<void>{};
  }

  const DiskHistory& history() const { return history_; }
  /// The first made the first child, and so on.
  const std::vector<TakenSnapshot>& snapshots() const { return snapshots_; }

 private:
  Result<void> Write(Disk& disk) {
    const DiskRange range{OffsetOf(random_() % kSlots), kSlotBytes};
    const auto write = history_.BeginWrite(range, store_->Mark());
    std::vector<std::byte> bytes(kSlotBytes);
    testing::FillGuestPattern(write.number, range.disk_offset, bytes);
    return End(write.step, disk.Write(range.disk_offset, bytes));
  }
  Result<void> Flush(Disk& disk) {
    const auto step = history_.BeginFlush(store_->Mark());
    return End(step, disk.Flush());
  }
  Result<void> TakeSnapshot(Disk& disk) {
    if (snapshots_.size() == kSnapshots) return {};
    const size_t begin = store_->Mark();
    const auto step = history_.BeginFlush(begin);
    const auto taken = Snapshot(disk, PathOf(snapshots_.size() + 1), {.log_size_bytes = kMiB});
    if (!taken) return std::unexpected(taken.error());
    const size_t end = store_->Mark();
    history_.End(step, end);
    snapshots_.push_back({.flush = step, .begin = begin, .end = end});
    return {};
  }
  Result<void> End(DiskHistory::Step step, Result<void> done) {
    if (done) history_.End(step, store_->Mark());
    return done;
  }

  const std::shared_ptr<CrashStore> store_;
  CrashFileSystem files_;
  std::mt19937_64 random_;
  DiskHistory history_;
  std::vector<TakenSnapshot> snapshots_;
};

// What must hold after a cut; what is wrong comes back as a sentence.
class Judge {
 public:
  Judge(const Guest& guest, const CrashState& state, size_t index)
      : guest_(guest),
        state_(state),
        index_(index),
        files_(std::make_shared<CrashStore>(state, CrashStore::Options{})) {}

  std::string Look() {
    if (auto wrong = LookAtNames(); !wrong.empty()) return wrong;
    for (size_t depth = 0; depth < top_; ++depth) {
      if (auto wrong = CompareParent(depth); !wrong.empty()) return wrong;
    }
    const auto report = Check(files_, PathOf(top_));
    if (!report) return "it cannot be checked: " + ToString(report.error());
    if (report->verdict != CheckVerdict::kClean) {
      return "check: " + (report->findings.empty() ? "?" : report->findings[0].sentence);
    }
    // What was made and never named keeps nobody from writing the disk.
    if (auto free = RefuseIfParent(files_, PathOf(top_)); !free) return ToString(free.error());
    return CompareTop();
  }

  size_t top() const { return top_; }

 private:
  std::string LookAtNames() {
    for (const auto& [path, number] : state_.names()) {
      const bool is_temporary = path.ends_with(".partial");
      bool is_known = is_temporary;
      for (size_t depth = 0; depth <= kSnapshots; ++depth) {
        if (path != PathOf(depth)) continue;
        is_known = true;
        top_ = std::max(top_, depth);
      }
      if (!is_known) return path + " was left behind";
    }
    const auto has_returned = [&](const TakenSnapshot& taken) { return taken.end < index_; };
    const bool all_there =
        std::ranges::none_of(guest_.snapshots().begin() + static_cast<ptrdiff_t>(top_),
                             guest_.snapshots().end(), has_returned);
    return all_there ? "" : "a child whose snapshot had returned is gone";
  }

  std::string Compare(size_t depth, const testing::AllowedContents& allowed) {
    const std::string path = PathOf(depth);
    const auto disk = Disk::Open(files_, path, {});
    if (!disk) return path + " cannot be opened: " + ToString(disk.error());
    const auto contents = testing::ReadContents(**disk, NoBytes());
    if (!contents) return path + " cannot be read: " + ToString(contents.error());
    const std::string wrong = allowed.Compare(*contents);
    return wrong.empty() ? "" : path + ": " + wrong;
  }

  // Nothing that began after the snapshot, and all that had returned before it.
  std::string CompareParent(size_t depth) {
    const TakenSnapshot& taken = guest_.snapshots()[depth];
    return Compare(depth, guest_.history().AllowedAt(taken.begin + 1, taken.flush));
  }

  std::string CompareTop() {
    std::optional<DiskHistory::Step> seen;
    if (top_ > 0) seen = guest_.snapshots()[top_ - 1].flush;
    return Compare(top_, guest_.history().AllowedAt(index_, seen));
  }

  const Guest& guest_;
  const CrashState& state_;
  const size_t index_;
  CrashFileSystem files_;
  size_t top_ = 0;
};

TEST(SnapshotCrash, PowerCutAnywhere_LeavesAParentAndPerhapsItsChild) {
  const uint64_t wanted = testing::Scaled(kStates);
  std::unordered_set<uint64_t> states;
  std::array<uint64_t, kSnapshots + 1> tops = {};
  uint64_t seed = 1;
  for (; states.size() < wanted && !::testing::Test::HasFailure(); ++seed) {
    const auto store = std::make_shared<CrashStore>(NewDisk(), CrashStore::Options{.seed = seed});
    Guest guest(store, seed);
    const auto lived = guest.Live();
    ASSERT_TRUE(lived) << ToString(lived.error());
    const auto record = store->Record();
    CrashCursor cursor(store->base(), record);
    for (; !::testing::Test::HasFailure(); cursor.Advance()) {
      // The files are the same before a mark, but more is promised after it.
      if (!cursor.at_end() && record[cursor.index()].kind == CrashOperation::Kind::kMark) continue;
      for (uint64_t cut = 0; cut <= kCutsAtAPoint; ++cut) {
        // The last is a kill, which loses nothing.
        const bool is_kill = cut == kCutsAtAPoint;
        const CrashState state = is_kill ? cursor.cached() : cursor.Cut(cut);
        if (!states.insert(state.Hash()).second) continue;
        Judge judge(guest, state, cursor.index());
        const std::string wrong = judge.Look();
        ASSERT_EQ(wrong, "") << Format("seed {}, point {}, cut {}", seed, cursor.index(), cut);
        ++tops[judge.top()];
      }
      if (cursor.at_end()) break;
    }
  }
  std::cout << "seeds up to " << seed << "; " << states.size() << " distinct states";
  for (size_t depth = 0; depth < tops.size(); ++depth) {
    std::cout << "; " << tops[depth] << " with " << depth << " children";
    EXPECT_GT(tops[depth], 0U);
  }
  std::cout << "\n";
}

}  // namespace
}  // namespace vhdx::tests
