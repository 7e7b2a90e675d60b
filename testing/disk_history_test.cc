#include "testing/disk_history.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <set>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "testing/crash_cursor.h"
#include "testing/crash_file.h"
#include "testing/scale.h"

namespace vhdx::testing {
namespace {

constexpr uint64_t kDiskSize = 64 * kKiB;

using GuestValues = std::vector<GuestValue>;

GuestValues At(const AllowedContents& allowed, uint64_t disk_offset) {
  for (const AllowedContents::Part& part : allowed.parts()) {
    if (disk_offset < part.range.end()) return part.values;
  }
  return {};
}

DiskContents Zeros() { return {{{0, kDiskSize}, kZeroValue}}; }

// -- What may be there --

TEST(DiskHistory, UnflushedWrite_IsThereOrNot) {
  DiskHistory history(Zeros());
  const auto write = history.BeginWrite({4096, 1024}, 0);
  EXPECT_EQ(At(history.AllowedAt(0), 4096), (GuestValues{0}));
  EXPECT_EQ(At(history.AllowedAt(1), 4096), (GuestValues{0, write.number}));
  history.End(write.step, 1);
  const AllowedContents allowed = history.AllowedAt(2);
  EXPECT_EQ(At(allowed, 4095), (GuestValues{0}));
  EXPECT_EQ(At(allowed, 5119), (GuestValues{0, write.number}));
  EXPECT_EQ(At(allowed, 5120), (GuestValues{0}));
}

TEST(DiskHistory, FlushThatEnded_SettlesWhatEndedBeforeItBegan) {
  DiskHistory history(Zeros());
  const auto first = history.BeginWrite({0, 512}, 0);
  history.End(first.step, 1);
  const auto flush = history.BeginFlush(2);
  const auto second = history.BeginWrite({0, 512}, 3);
  history.End(second.step, 4);
  history.End(flush, 5);
  EXPECT_EQ(At(history.AllowedAt(5), 0), (GuestValues{0, first.number, second.number}));
  EXPECT_EQ(At(history.AllowedAt(6), 0), (GuestValues{first.number, second.number}));
  EXPECT_FALSE(history.FlushedAt(5));
  EXPECT_TRUE(history.FlushedAt(6));
}

TEST(DiskHistory, WriteThatWasUnderWayWhenTheFlushBegan_IsNotSettled) {
  DiskHistory history(Zeros());
  const auto write = history.BeginWrite({0, 512}, 0);
  const auto flush = history.BeginFlush(1);
  history.End(write.step, 2);
  history.End(flush, 3);
  EXPECT_EQ(At(history.AllowedAt(4), 0), (GuestValues{0, write.number}));
}

TEST(DiskHistory, FlushThatIsSeenToBeDone_SettlesThoughItHasNotEnded) {
  DiskHistory history(Zeros());
  const auto first = history.BeginWrite({0, 512}, 0);
  history.End(first.step, 1);
  const auto flush = history.BeginFlush(2);
  const auto second = history.BeginWrite({0, 512}, 3);
  EXPECT_EQ(At(history.AllowedAt(3), 0), (GuestValues{0, first.number}));
  EXPECT_EQ(At(history.AllowedAt(3, flush), 0), (GuestValues{first.number}));
  EXPECT_EQ(At(history.AllowedAt(4, flush), 0), (GuestValues{first.number, second.number}));
}

TEST(DiskHistory, FlushThatFailed_SettlesNothing) {
  DiskHistory history(Zeros());
  const auto write = history.BeginWrite({0, 512}, 0);
  history.End(write.step, 1);
  history.Fail(history.BeginFlush(2), 3);
  EXPECT_EQ(At(history.AllowedAt(9), 0), (GuestValues{0, write.number}));
}

TEST(DiskHistory, WritesAtOnce_LeaveEither) {
  DiskHistory history(Zeros());
  const auto first = history.BeginWrite({0, 512}, 0);
  const auto second = history.BeginWrite({0, 512}, 1);
  history.End(second.step, 2);
  history.End(first.step, 3);
  history.End(history.BeginFlush(4), 5);
  EXPECT_EQ(At(history.AllowedAt(6), 0), (GuestValues{first.number, second.number}));
}

TEST(DiskHistory, ZeroesOverAFlushedWrite_AreThereOrTheWrite) {
  DiskHistory history(Zeros());
  const auto write = history.BeginWrite({0, 4096}, 0);
  history.End(write.step, 1);
  history.End(history.BeginFlush(2), 3);
  history.End(history.BeginZeroes({512, 512}, 4), 5);
  EXPECT_EQ(At(history.AllowedAt(6), 0), (GuestValues{write.number}));
  EXPECT_EQ(At(history.AllowedAt(6), 512), (GuestValues{0, write.number}));
  history.End(history.BeginFlush(7), 8);
  EXPECT_EQ(At(history.AllowedAt(9), 512), (GuestValues{0}));
}

TEST(DiskHistory, FailedWrite_MayBeThereUntilAnotherIsFlushed) {
  DiskHistory history(Zeros());
  const auto failed = history.BeginWrite({0, 512}, 0);
  history.Fail(failed.step, 1);
  history.End(history.BeginFlush(2), 3);
  EXPECT_EQ(At(history.AllowedAt(4), 0), (GuestValues{0, failed.number}));
  const auto write = history.BeginWrite({0, 512}, 5);
  history.End(write.step, 6);
  history.End(history.BeginFlush(7), 8);
  EXPECT_EQ(At(history.AllowedAt(9), 0), (GuestValues{write.number}));
}

TEST(DiskHistory, WhatWasSeenAfterAKill_StaysOnceItIsFlushed) {
  DiskHistory before(Zeros());
  const auto lost = before.BeginWrite({0, 512}, 0);
  before.End(lost.step, 1);
  const auto under_way = before.BeginWrite({512, 512}, 2);
  before.End(under_way.step, 5);
  DiskHistory history = before.Until(4);
  EXPECT_EQ(history.next_write(), before.next_write());
  history.Observe({{{0, 512}, kZeroValue}, {{512, 512}, under_way.number}}, 4);
  EXPECT_EQ(At(history.AllowedAt(5), 0), (GuestValues{0, lost.number}));
  history.End(history.BeginFlush(6), 7);
  EXPECT_EQ(At(history.AllowedAt(8), 0), (GuestValues{0}));
  EXPECT_EQ(At(history.AllowedAt(8), 512), (GuestValues{under_way.number}));
}

TEST(AllowedContents, Compare_NamesTheFirstSectorThatIsWrong) {
  DiskHistory history({{{0, 1024}, kInitialValue}, {{1024, 1024}, kZeroValue}});
  const auto write = history.BeginWrite({512, 1024}, 0);
  const AllowedContents allowed = history.AllowedAt(1);
  EXPECT_EQ(allowed.Compare({{{0, 1024}, kInitialValue}, {{1024, 1024}, kZeroValue}}), "");
  EXPECT_EQ(
      allowed.Compare(
          {{{0, 512}, kInitialValue}, {{512, 512}, write.number}, {{1024, 1024}, kZeroValue}}),
      "");
  EXPECT_EQ(allowed.Compare({{{0, 512}, kInitialValue}, {{512, 1536}, kZeroValue}}),
            "disk offset 512: holds zeros, may hold write 1 or the initial bytes");
  EXPECT_EQ(allowed.Compare({{{0, 1024}, kInitialValue}, {{1024, 1024}, kForeignValue}}),
            "disk offset 1024: holds foreign bytes, may hold zeros or write 1");
  EXPECT_EQ(allowed.Compare({{{0, 1024}, kInitialValue}}), "the disk ends at 1024");
}

// -- GuestValues --

TEST(GuestPattern, IsKnownInItsPlaceOnly) {
  PageImage initial;
  initial.SetSize(kDiskSize);
  std::array<std::byte, 1024> bytes;
  FillGuestPattern(7, 4096, bytes);
  const ByteSpan all = bytes;
  EXPECT_EQ(ValueOf(4096, all.first(512), initial), 7U);
  EXPECT_EQ(ValueOf(4608, all.last(512), initial), 7U);
  EXPECT_EQ(ValueOf(8192, all.first(512), initial), kForeignValue);
  initial.Write(8192, all.first(512));
  EXPECT_EQ(ValueOf(8192, all.first(512), initial), kInitialValue);
  // Torn inside a sector, wherever it is.
  for (size_t cut = 1; cut < 512; cut += 73) {
    std::array<std::byte, 512> torn;
    FillGuestPattern(8, 4096, torn);
    std::copy_n(bytes.begin(), cut, torn.begin());
    EXPECT_EQ(ValueOf(4096, torn, initial), kForeignValue) << cut;
    std::fill(torn.begin() + static_cast<ptrdiff_t>(cut), torn.end(), std::byte{0});
    EXPECT_EQ(ValueOf(4096, torn, initial), kForeignValue) << cut;
  }
}

// -- The oracle against disks that keep or break the promises --

/// What a naive disk gets wrong.
enum class Flaw : uint8_t {
  kNone,
  kFlushWithoutSync,
  kMapBeforeData,  ///< a new block's place can be durable before its bytes
  kEarlyReuse,     ///< a freed block's place is used while the map may still lead there
  kLateWrite,      ///< a write is kept back until the next call
};

/// 16 blocks of 4 KiB; page 0 of the file says where each one stands.
class NaiveDisk {
 public:
  NaiveDisk(File& file, Flaw flaw) : file_(file), flaw_(flaw) {}

  void Write(uint64_t block, uint64_t number) {
    DoLateWrite();
    if (flaw_ == Flaw::kLateWrite) {
      late_ = {block, number};
    } else {
      WriteNow(block, number);
    }
  }
  void Zero(uint64_t block) {
    DoLateWrite();
    if (!places_.contains(block)) return;
    SetPlace(block, 0);
    if (flaw_ == Flaw::kEarlyReuse) free_.push_back(places_[block]);
    places_.erase(block);
  }
  void Flush() {
    if (flaw_ != Flaw::kFlushWithoutSync) Sync();
  }

  /// The disk in a file that was left behind.
  static DiskContents Read(const PageImage& file, const PageImage& initial) {
    DiskContents contents;
    for (uint64_t at = 0; at < kDiskSize; at += 512) {
      le64 place = 0;
      (void)file.Read(at / 4096 * 8, std::as_writable_bytes(std::span(&place, 1)));
      const auto bytes = file.Bytes({place + at % 4096, 512});
      const bool is_there = place != 0 && bytes.size() == 512;
      AppendRun(contents, {at, 512}, is_there ? ValueOf(at, bytes, initial) : kZeroValue);
    }
    return contents;
  }

 private:
  void WriteAt(uint64_t offset, ByteSpan bytes) { EXPECT_TRUE(file_.WriteAt(offset, bytes)); }
  void Sync() { EXPECT_TRUE(file_.Sync()); }
  void SetPlace(uint64_t block, uint64_t place) {
    const le64 entry = place;
    WriteAt(block * 8, std::as_bytes(std::span(&entry, 1)));
  }
  void WriteNow(uint64_t block, uint64_t number) {
    const bool is_new = !places_.contains(block);
    if (is_new && !free_.empty()) {
      places_[block] = free_.back();
      free_.pop_back();
    } else if (is_new) {
      places_[block] = end_;
      end_ += 4096;
    }
    std::array<std::byte, 4096> bytes;
    FillGuestPattern(number, block * 4096, bytes);
    WriteAt(places_[block], bytes);
    if (!is_new) return;
    if (flaw_ != Flaw::kMapBeforeData) Sync();
    SetPlace(block, places_[block]);
  }
  void DoLateWrite() {
    if (late_) WriteNow(late_->first, late_->second);
    late_.reset();
  }

  File& file_;
  const Flaw flaw_;
  std::map<uint64_t, uint64_t> places_;
  std::vector<uint64_t> free_;
  uint64_t end_ = 4096;
  std::optional<std::pair<uint64_t, uint64_t>> late_;
};

/// Sentences on all broken promises of a random workload, shortened to what was found.
std::set<std::string> BrokenPromises(Flaw flaw, uint64_t seed) {
  PageImage empty;
  empty.SetSize(4096);
  CrashState base(CrashFileKind::kStaleGrowth);
  const size_t number = base.AddFile("/disk", empty);
  const auto shared = std::make_shared<CrashStore>(base, CrashStore::Options{});
  CrashStore& store = *shared;
  CrashFile file(shared, number, "/disk", FileAccess::kReadWrite);
  NaiveDisk disk(file, flaw);
  DiskHistory history(Zeros());
  std::mt19937_64 random(seed);
  for (int i = 0; i < 30; ++i) {
    const uint64_t block = random() % 4;
    const uint64_t drawn = random() % 4;
    if (drawn == 0) {
      const auto step = history.BeginFlush(store.Mark());
      disk.Flush();
      history.End(step, store.Mark());
    } else if (drawn == 1) {
      const auto step = history.BeginZeroes({block * 4096, 4096}, store.Mark());
      disk.Zero(block);
      history.End(step, store.Mark());
    } else {
      const auto write = history.BeginWrite({block * 4096, 4096}, store.Mark());
      disk.Write(block, write.number);
      history.End(write.step, store.Mark());
    }
  }
  PageImage initial;
  initial.SetSize(kDiskSize);
  std::set<std::string> broken;
  const auto record = store.Record();
  CrashCursor cursor(store.base(), record);
  for (; !cursor.at_end(); cursor.Advance()) {
    const AllowedContents allowed = history.AllowedAt(cursor.index());
    for (uint64_t cut = 0; cut < 10; ++cut) {
      const std::string sentence =
          allowed.Compare(NaiveDisk::Read(cursor.Cut(cut).file(number), initial));
      if (!sentence.empty()) broken.insert(sentence.substr(sentence.find("holds")).substr(0, 11));
    }
  }
  return broken;
}

std::set<std::string> BrokenPromises(Flaw flaw) {
  std::set<std::string> all;
  for (uint64_t seed = 0; seed < Scaled(20) + 4; ++seed) all.merge(BrokenPromises(flaw, seed));
  return all;
}

using Sentences = std::set<std::string>;

TEST(DiskHistoryOracle, DiskWithoutAFlaw_KeepsEveryPromise) {
  EXPECT_EQ(BrokenPromises(Flaw::kNone), Sentences());
}

TEST(DiskHistoryOracle, FlushWithoutASync_IsCaught) {
  EXPECT_TRUE(BrokenPromises(Flaw::kFlushWithoutSync).contains("holds zeros"));
}

TEST(DiskHistoryOracle, MapBeforeData_ShowsForeignBytes) {
  EXPECT_TRUE(BrokenPromises(Flaw::kMapBeforeData).contains("holds forei"));
}

TEST(DiskHistoryOracle, EarlyReuse_ShowsForeignBytes) {
  EXPECT_TRUE(BrokenPromises(Flaw::kEarlyReuse).contains("holds forei"));
}

TEST(DiskHistoryOracle, WriteKeptBack_IsCaught) {
  EXPECT_FALSE(BrokenPromises(Flaw::kLateWrite).empty());
}

}  // namespace
}  // namespace vhdx::testing
