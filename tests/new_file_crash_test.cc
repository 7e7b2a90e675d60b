// Commands that make a file, all of it or none: the power cut at every point of a create or a
// convert, the process killed anywhere and followed by another one, whose power is cut in turn.
// What has the target's name afterwards is the file that had it before, or nothing where there was
// none; or it is complete. No other file changes, and whatever else is left has a name that says
// whose it is.

#include <gtest/gtest.h>
#include <vhdxkit/check.h>
#include <vhdxkit/convert.h>
#include <vhdxkit/create.h>
#include <vhdxkit/disk.h>

#include <algorithm>
#include <cstring>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/formatting.h"
#include "testing/crash_cursor.h"
#include "testing/crash_file_system.h"
#include "testing/image_builder.h"
#include "testing/memory_file.h"
#include "testing/scale.h"
#include "tests/random_blocks.h"

namespace vhdx::tests {
namespace {

using testing::CrashCursor;
using testing::CrashFileSystem;
using testing::CrashState;
using testing::CrashStore;
using testing::PageImage;

constexpr uint64_t kDiskBytes = 6 * kMiB;
constexpr uint64_t kStates = 1000;  // of each way to make a file
constexpr uint64_t kCutsAtAPoint = 4;
constexpr int kKills = 3;  // of each run

const std::string kTarget = "/vm/new.vhdx";
const std::string kSource = "/vm/source.vhdx";
const std::string kParent = "/vm/parent.vhdx";

enum class Maker : uint8_t {
  kDynamic,
  kPreallocated,
  kFixed,
  kChild,
  kCopy,
  kStream,
  kRawCopy,
  kRawStream,
};

enum class Before : uint8_t {
  kNothing,
  kOldFile,  ///< which is replaced, by --force
};

struct Making {
  const char* name;
  Maker maker;
  Before before;
};

const Making kMakings[] = {
    {"Dynamic", Maker::kDynamic, Before::kNothing},
    {"DynamicByForce", Maker::kDynamic, Before::kOldFile},
    {"Preallocated", Maker::kPreallocated, Before::kNothing},
    {"FixedByForce", Maker::kFixed, Before::kOldFile},
    {"Child", Maker::kChild, Before::kNothing},
    {"ChildByForce", Maker::kChild, Before::kOldFile},
    {"Copy", Maker::kCopy, Before::kNothing},
    {"CopyByForce", Maker::kCopy, Before::kOldFile},
    {"StreamByForce", Maker::kStream, Before::kOldFile},
    {"RawCopyByForce", Maker::kRawCopy, Before::kOldFile},
    {"RawStream", Maker::kRawStream, Before::kNothing},
};

bool IsRaw(Maker maker) { return maker == Maker::kRawCopy || maker == Maker::kRawStream; }

// An image with data at both ends of these blocks.
PageImage ImageWith(const std::vector<uint64_t>& blocks) {
  testing::ImageSpec spec = testing::DynamicImage({.disk_size = kDiskBytes, .block_size = kMiB});
  for (const uint64_t block : blocks) {
    spec.blocks.push_back(WithEnds(testing::FullBlock(block)));
  }
  testing::MemoryFile file;
  EXPECT_TRUE(testing::Build(spec, file));
  return *PageImage::Load(file);
}

CrashState FilesBefore(Before before) {
  CrashState state;
  state.AddFile(kSource, ImageWith({1, 4}));
  state.AddFile(kParent, ImageWith({0, 5}));
  if (before == Before::kOldFile) state.AddFile(kTarget, ImageWith({2, 3}));
  return state;
}

Result<std::vector<std::byte>> ReadDisk(FileSystem& files, const std::string& path) {
  auto disk = Disk::Open(files, path, OpenOptions{});
  if (!disk) return std::unexpected(std::move(disk.error()));
  std::vector<std::byte> bytes((*disk)->size_bytes());
  if (auto read = (*disk)->Read(0, bytes); !read) return std::unexpected(std::move(read.error()));
  return bytes;
}

// One process that makes the file.
class Process {
 public:
  Process(const Making& making, bool sync, const std::vector<std::byte>& contents)
      : making_(making), sync_(sync), contents_(contents) {}

  Result<void> Run(const std::shared_ptr<CrashStore>& store, uint64_t seed) const {
    CrashFileSystem files(store, seed);
    switch (making_.maker) {
      case Maker::kDynamic:
      case Maker::kPreallocated:
      case Maker::kFixed:
      case Maker::kChild:
        return WithoutReport(Create(files, kTarget, Image()));
      case Maker::kStream:
        return WithoutReport(ConvertStreamToVhdx(files, Stream(), kTarget, Image(), Options()));
      case Maker::kRawStream:
        return WithoutReport(ConvertStreamToRaw(files, Stream(), kTarget, Options()));
      case Maker::kCopy:
      case Maker::kRawCopy:
        return Copy(files);
    }
    return {};
  }

 private:
  template <typename Report>
  static Result<void> WithoutReport(const Result<Report>& report) {
    if (!report) return std::unexpected(report.error());
    return {};
  }

  Result<void> Copy(CrashFileSystem& files) const {
    auto source = Disk::Open(files, kSource, OpenOptions{});
    if (!source) return std::unexpected(std::move(source.error()));
    if (IsRaw(making_.maker)) {
      return WithoutReport(ConvertToRaw(files, **source, kTarget, Options()));
    }
    return WithoutReport(ConvertToVhdx(files, **source, kTarget, Image(), Options()));
  }

  CreateOptions Image() const {
    const bool is_child = making_.maker == Maker::kChild;
    return {.subformat = is_child                         ? Subformat::kDifferencing
                         : making_.maker == Maker::kFixed ? Subformat::kFixed
                                                          : Subformat::kDynamic,
            .size_bytes = making_.maker < Maker::kChild ? kDiskBytes : 0,
            .block_size_bytes = kMiB,
            .log_size_bytes = kMiB,
            .preallocate = making_.maker == Maker::kPreallocated,
            .parent_path = is_child ? kParent : "",
            .replace_existing = making_.before == Before::kOldFile,
            .sync = sync_};
  }

  ConvertOptions Options() const {
    return {.existing = making_.before == Before::kOldFile ? ExistingTarget::kReplace
                                                           : ExistingTarget::kRefuse,
            .sync = sync_,
            .threads = 2};
  }

  ReadStream Stream() const {
    return [this, at = size_t{0}](MutableByteSpan buffer) mutable -> Result<size_t> {
      const size_t length = std::min(buffer.size(), contents_.size() - at);
      std::memcpy(buffer.data(), contents_.data() + at, length);
      at += length;
      return length;
    };
  }

  const Making& making_;
  const bool sync_;
  const std::vector<std::byte>& contents_;
};

// What has to hold of the files at any time; what is wrong comes back as a sentence.
class Judge {
 public:
  Judge(const Making& making, CrashState before)
      : making_(making), before_(std::move(before)), contents_(ExpectedContents()) {}

  const CrashState& before() const { return before_; }
  /// Those of the new disk.
  const std::vector<std::byte>& contents() const { return contents_; }

  enum class Promise : uint8_t {
    kNone,
    kDurable,  ///< the command has returned success: the new file is there
  };
  std::string Look(const CrashState& state, Promise promise) {
    for (const auto& [path, number] : before_.names()) {
      if (path != kTarget && HashAt(state, path) != HashAt(before_, path)) {
        return path + " is gone or has changed";
      }
    }
    for (const auto& [path, number] : state.names()) {
      if (path == kTarget || before_.NumberAt(path)) continue;
      if (!IsNamedAsOurs(path)) return path + " was left behind";
      ++seen_.leftovers;
    }
    return LookAtTarget(state, promise);
  }

  /// In all the states that were looked at.
  struct Seen {
    uint64_t old_targets = 0;  ///< no target, or the old file
    uint64_t new_targets = 0;
    uint64_t leftovers = 0;  ///< temporary files
  };
  const Seen& seen() const { return seen_; }

 private:
  static uint64_t HashAt(const CrashState& state, const std::string& path) {
    const PageImage* const file = state.FileAt(path);
    return file == nullptr ? 0 : file->Hash();
  }

  /// ".new.vhdx.ab12yz.partial"
  static bool IsNamedAsOurs(const std::string& path) {
    constexpr std::string_view kBegin = "/vm/.new.vhdx.";
    constexpr std::string_view kEnd = ".partial";
    return path.size() == kBegin.size() + 6 + kEnd.size() && path.starts_with(kBegin) &&
           path.ends_with(kEnd);
  }

  std::vector<std::byte> ExpectedContents() const {
    if (making_.maker < Maker::kChild) return std::vector<std::byte>(kDiskBytes);
    CrashFileSystem files(std::make_shared<CrashStore>(before_, CrashStore::Options{}));
    return *ReadDisk(files, making_.maker == Maker::kChild ? kParent : kSource);
  }

  std::string LookAtTarget(const CrashState& state, Promise promise) {
    const PageImage* const target = state.FileAt(kTarget);
    if (HashAt(state, kTarget) == HashAt(before_, kTarget)) {
      ++seen_.old_targets;
      return promise == Promise::kNone ? "" : "the new file is not there";
    }
    if (target == nullptr) return "the old file is gone";
    ++seen_.new_targets;
    if (complete_.contains(target->Hash())) return "";
    std::string wrong = IsRaw(making_.maker) ? CompareRaw(*target) : CompareDisk(state);
    if (wrong.empty()) complete_.insert(target->Hash());
    return wrong;
  }

  std::string CompareRaw(const PageImage& target) const {
    const bool is_complete = target.Bytes({0, kDiskBytes + 1}) == contents_;
    return is_complete ? "" : "the new file is not complete";
  }

  std::string CompareDisk(const CrashState& state) const {
    CrashFileSystem files(std::make_shared<CrashStore>(state, CrashStore::Options{}));
    const auto report = Check(files, kTarget);
    if (!report) return "the new file cannot be checked: " + ToString(report.error());
    if (report->verdict != CheckVerdict::kClean) return "check finds something in the new file";
    const auto read = ReadDisk(files, kTarget);
    if (!read) return "the new file cannot be read: " + ToString(read.error());
    return *read == contents_ ? "" : "the new file has other contents";
  }

  const Making& making_;
  const CrashState before_;
  const std::vector<std::byte> contents_;
  std::unordered_set<uint64_t> complete_;  // hashes
  Seen seen_;
};

class NewFileCrash : public ::testing::TestWithParam<Making> {
 protected:
  NewFileCrash() : judge_(GetParam(), FilesBefore(GetParam().before)) {}

  std::shared_ptr<CrashStore> NewHost(uint64_t seed) {
    return std::make_shared<CrashStore>(judge_.before(),
                                        CrashStore::Options{.seed = seed, .shuffle_threads = true});
  }
  Process ProcessThat(bool sync) const { return {GetParam(), sync, judge_.contents()}; }
  bool replaces() const { return GetParam().before == Before::kOldFile; }

  void Expect(const CrashState& state, Judge::Promise promise, const std::string& where) {
    const std::string wrong = judge_.Look(state, promise);
    if (!wrong.empty()) ADD_FAILURE() << where << ": " << wrong;
  }

  // From one point on; at the end of the record the promise holds.
  void CutEverywhere(const CrashStore& store, size_t from, Judge::Promise promise,
                     const std::string& who) {
    const auto record = store.Record();
    CrashCursor cursor(store.base(), record);
    cursor.AdvanceTo(from);
    while (!HasFailure()) {
      for (uint64_t i = 0; i < kCutsAtAPoint; ++i) {
        const CrashState state = cursor.Cut(i);
        if (state.Hash() != cursor.cached().Hash()) states_.insert(state.Hash());
        Expect(state, cursor.at_end() ? promise : Judge::Promise::kNone,
               Format("{}, point {}, cut {}", who, cursor.index(), i));
      }
      if (cursor.at_end()) return;
      cursor.Advance();
    }
  }

  // What the next process finds, makes and leaves.
  void GoOnAfterKill(const CrashStore& killed, size_t length, uint64_t seed) {
    const std::string who = Format("seed {}, killed at {}", seed, length);
    const std::shared_ptr<CrashStore> store = killed.AfterKill(length);
    const bool was_there = store->Cached().FileAt(kTarget) != nullptr;
    Expect(store->Cached(), Judge::Promise::kNone, who);
    const Result<void> made = ProcessThat(true).Run(store, seed + 1);
    if (was_there && !replaces()) {
      ASSERT_FALSE(made) << who;
      EXPECT_EQ(made.error().code, ErrorCode::kExists) << who;
    } else {
      ASSERT_TRUE(made) << who << ": " << ToString(made.error());
      // What the killed process left is gone, too.
      const size_t names = judge_.before().names().size() + (replaces() ? 0 : 1);
      EXPECT_EQ(store->Cached().names().size(), names) << who;
    }
    CutEverywhere(*store, length, made ? Judge::Promise::kDurable : Judge::Promise::kNone, who);
  }

  Judge judge_;
  std::unordered_set<uint64_t> states_;  // hashes of those that lost something
};

TEST_P(NewFileCrash, PowerCutAnywhere_LeavesAllOfTheFileOrNone) {
  const uint64_t wanted = testing::Scaled(kStates);
  uint64_t seed = 1;
  for (; states_.size() < wanted && !HasFailure(); ++seed) {
    const auto store = NewHost(seed);
    const Result<void> made = ProcessThat(true).Run(store, seed);
    ASSERT_TRUE(made) << ToString(made.error());
    CutEverywhere(*store, 0, Judge::Promise::kDurable, Format("seed {}", seed));
    std::mt19937_64 random(seed);
    for (int kill = 0; kill < kKills; ++kill) {
      GoOnAfterKill(*store, random() % (store->RecordLength() + 1), seed);
    }
  }
  std::cout << "seeds up to " << seed << "; states: " << states_.size() << " distinct; target as "
            << "before: " << judge_.seen().old_targets
            << ", complete: " << judge_.seen().new_targets
            << "; temporary files: " << judge_.seen().leftovers << "\n";
  EXPECT_GT(judge_.seen().old_targets, 0U);
  EXPECT_GT(judge_.seen().new_targets, 0U);
  EXPECT_GT(judge_.seen().leftovers, 0U);
}

TEST_P(NewFileCrash, SyncThatFails_LeavesWhatWasThere) {
  for (uint64_t nth = 1;; ++nth) {
    const auto store = NewHost(nth);
    store->FailSync(nth);
    const Result<void> made = ProcessThat(true).Run(store, nth);
    if (made) {
      EXPECT_GT(nth, 1U) << "nothing is synced";
      return;
    }
    EXPECT_EQ(made.error().code, ErrorCode::kIo);
    EXPECT_EQ(store->Cached().names(), judge_.before().names());
    CutEverywhere(*store, 0, Judge::Promise::kNone, Format("sync {} failed", nth));
    EXPECT_EQ(judge_.seen().new_targets, 0U);
    if (HasFailure()) return;
  }
}

// Without --sync a power cut may lose anything of the new file, but the end of the process must
// not.
TEST_P(NewFileCrash, KillAnywhereWithoutSyncs_LeavesAllOfTheFileOrNone) {
  const auto store = NewHost(1);
  ASSERT_TRUE(ProcessThat(false).Run(store, 1));
  const auto record = store->Record();
  CrashCursor cursor(store->base(), record);
  for (; !HasFailure(); cursor.Advance()) {
    Expect(cursor.cached(), Judge::Promise::kNone, Format("point {}", cursor.index()));
    if (cursor.at_end()) break;
  }
  EXPECT_GT(judge_.seen().new_targets, 0U);
}

INSTANTIATE_TEST_SUITE_P(Makers, NewFileCrash, ::testing::ValuesIn(kMakings),
                         [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace vhdx::tests
