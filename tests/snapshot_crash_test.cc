// Snapshots of a disk that is being written, and the power cut at every point.
//
// One guest writes slots of 4 KiB, each write with a number of its own, flushes now and then, and
// has snapshots taken. After a cut anywhere: the disk is the newest child whose name is there, and
// that is there once its snapshot has returned; what was flushed, or written before a snapshot that
// had returned, is in it, and nothing but what was written since; the parents hold exactly what
// the disk held at their moments; `check` finds nothing; and no other name is left than that of a
// temporary file.

#include <gtest/gtest.h>
#include <vhdxkit/check.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/image_tree.h>
#include <vhdxkit/snapshot.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <iostream>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/formatting.h"
#include "disk/open_disk.h"
#include "testing/crash_cursor.h"
#include "testing/crash_file_system.h"
#include "testing/image_builder.h"
#include "testing/memory_file.h"
#include "testing/page_image.h"
#include "testing/scale.h"

namespace vhdx::tests {
namespace {

using testing::CrashCursor;
using testing::CrashFileSystem;
using testing::CrashState;
using testing::CrashStore;

constexpr uint64_t kStates = 10000;
constexpr uint64_t kCutsAtAPoint = 3;
constexpr uint64_t kSlotBytes = 4096;
constexpr size_t kSlots = 12;  // two in each block
constexpr uint64_t kDiskBytes = 6 * kMiB;
constexpr uint64_t kSteps = 40;
constexpr size_t kSnapshots = 3;

// Numbers of the writes that slots hold; 0: none yet.
using Slots = std::array<uint64_t, kSlots>;

uint64_t OffsetOf(size_t slot) { return slot / 2 * kMiB + slot % 2 * 64 * kKiB; }

std::string PathOf(size_t depth) {
  return depth == 0 ? "/vm/disk.vhdx" : Format("/vm/{}.avhdx", depth);
}

// What the guest did, with the marks before and after it.
struct Event {
  enum class Kind : uint8_t { kWrite, kFlush, kSnapshot };
  Kind kind = Kind::kWrite;
  size_t begin = 0;
  size_t end = 0;
  size_t slot = 0;      // kWrite
  uint64_t number = 0;  // kWrite; kSnapshot: of the child, from 1 on
  Slots contents = {};  // kSnapshot: what the disk held
};

CrashState NewDisk() {
  testing::MemoryFile file;
  EXPECT_TRUE(
      testing::Build(testing::DynamicImage({.disk_size = kDiskBytes, .block_size = kMiB}), file));
  CrashState state;
  state.AddFile(PathOf(0), *testing::PageImage::Load(file));
  return state;
}

// One life of a disk.
class Guest {
 public:
  Guest(std::shared_ptr<CrashStore> store, uint64_t seed)
      : store_(std::move(store)), files_(store_, seed), random_(seed) {}

  Result<void> Live() {
    const WriteLimits limits{.log_sectors = random_() % 2 == 0 ? 8U : 64U,
                             .pages_per_entry = random_() % 2 == 0 ? 1U : 8U,
                             .least_growth_bytes = 2 * kMiB};
    auto disk = OpenDisk(files_, PathOf(0), {.access = DiskAccess::kReadWrite}, limits);
    if (!disk) return std::unexpected(disk.error());
    for (uint64_t step = 0; step < kSteps; ++step) {
      const uint64_t choice = random_() % 16;
      const bool is_due = children_ < kSnapshots && step * kSnapshots / kSteps > children_;
      auto done = is_due || choice == 0 ? TakeSnapshot(**disk)
                  : choice < 3          ? Flush(**disk)
                                        : Write(**disk);
      if (!done) return done;
    }
    return random_() % 2 == 0 ? (*disk)->Close() : Result<void>{};
  }

  const std::vector<Event>& events() const { return events_; }

 private:
  Result<void> Write(Disk& disk) {
    Event event{.begin = store_->Mark(), .slot = random_() % kSlots, .number = ++writes_};
    std::vector<uint64_t> words(kSlotBytes / sizeof(uint64_t), event.number);
    auto written = disk.Write(OffsetOf(event.slot), std::as_bytes(std::span(words)));
    contents_[event.slot] = event.number;
    return Note(event, written);
  }
  Result<void> Flush(Disk& disk) {
    const Event event{.kind = Event::Kind::kFlush, .begin = store_->Mark()};
    return Note(event, disk.Flush());
  }
  Result<void> TakeSnapshot(Disk& disk) {
    if (children_ == kSnapshots) return {};
    const Event event{.kind = Event::Kind::kSnapshot,
                      .begin = store_->Mark(),
                      .number = ++children_,
                      .contents = contents_};
    const auto taken = Snapshot(disk, PathOf(children_), {.log_size_bytes = kMiB});
    return Note(event, taken ? Result<void>{} : std::unexpected(taken.error()));
  }
  Result<void> Note(Event event, Result<void> done) {
    event.end = store_->Mark();
    events_.push_back(event);
    return done;
  }

  const std::shared_ptr<CrashStore> store_;
  CrashFileSystem files_;
  std::mt19937_64 random_;
  std::vector<Event> events_;
  Slots contents_ = {};
  uint64_t writes_ = 0;
  uint64_t children_ = 0;
};

// What must hold after a cut; what is wrong comes back as a sentence.
class Judge {
 public:
  Judge(const std::vector<Event>& events, const CrashState& state, size_t index)
      : events_(events),
        state_(state),
        index_(index),
        files_(std::make_shared<CrashStore>(state, CrashStore::Options{})) {}

  std::string Look() {
    if (auto wrong = LookAtNames(); !wrong.empty()) return wrong;
    for (const Event& event : events_) {
      if (event.kind != Event::Kind::kSnapshot || event.number > top_) continue;
      if (auto wrong = CompareParent(event); !wrong.empty()) return wrong;
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
    for (const Event& event : events_) {
      if (event.kind == Event::Kind::kSnapshot && event.end <= index_ && event.number > top_) {
        return "a child whose snapshot had returned is gone";
      }
    }
    return "";
  }

  // Each sector of a slot holds one number; returns those of its sectors.
  Result<std::vector<uint64_t>> ReadSlot(Disk& disk, size_t slot) {
    std::vector<std::byte> bytes(kSlotBytes);
    if (auto read = disk.Read(OffsetOf(slot), bytes); !read) return std::unexpected(read.error());
    std::vector<uint64_t> numbers;
    for (size_t at = 0; at < bytes.size(); at += 512) {
      std::array<uint64_t, 64> words;
      std::memcpy(words.data(), bytes.data() + at, 512);
      const bool is_whole = std::ranges::all_of(words, [&](uint64_t w) { return w == words[0]; });
      numbers.push_back(is_whole ? words[0] : ~uint64_t{0});
    }
    return numbers;
  }

  template <typename IsAllowed>
  std::string Compare(const std::string& path, IsAllowed&& is_allowed) {
    const auto disk = Disk::Open(files_, path, {});
    if (!disk) return path + " cannot be opened: " + ToString(disk.error());
    for (size_t slot = 0; slot < kSlots; ++slot) {
      const auto numbers = ReadSlot(**disk, slot);
      if (!numbers) return path + " cannot be read: " + ToString(numbers.error());
      for (const uint64_t number : *numbers) {
        if (!is_allowed(slot, number)) return Format("{}: slot {} holds {}", path, slot, number);
      }
    }
    return "";
  }

  std::string CompareParent(const Event& snapshot) {
    return Compare(PathOf(snapshot.number - 1),
                   [&](size_t slot, uint64_t number) { return number == snapshot.contents[slot]; });
  }

  std::string CompareTop() {
    // The last flush or snapshot that had returned, or whose child is there.
    size_t durable = 0;
    for (const Event& event : events_) {
      const bool is_over = event.kind != Event::Kind::kWrite && event.end <= index_;
      const bool is_there = event.kind == Event::Kind::kSnapshot && event.number <= top_;
      if (is_over || is_there) durable = std::max(durable, event.begin);
    }
    return Compare(PathOf(top_), [&](size_t slot, uint64_t number) {
      uint64_t last = 0;
      bool is_allowed = false;
      for (const Event& event : events_) {
        if (event.kind != Event::Kind::kWrite || event.slot != slot) continue;
        if (event.end <= durable) last = event.number;
        if (event.end > durable && event.begin < index_ && event.number == number) {
          is_allowed = true;
        }
      }
      return is_allowed || number == last;
    });
  }

  const std::vector<Event>& events_;
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
      for (uint64_t cut = 0; cut <= kCutsAtAPoint; ++cut) {
        // The last is a kill, which loses nothing.
        const bool is_kill = cut == kCutsAtAPoint;
        const CrashState state = is_kill ? cursor.cached() : cursor.Cut(cut);
        if (!states.insert(state.Hash()).second) continue;
        Judge judge(guest.events(), state, cursor.index());
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
