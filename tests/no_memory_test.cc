// What happens when memory runs out: each function of the API that returns a Result is tried with
// an operator new that fails at its n-th call, for every n until the operation gets by without that
// call. The answer must be kNoMemory with empty strings, or the right one; no thread and no process
// ends; an image that was written is sound afterwards and has what was flushed. The functions of
// File and FileSystem are in no_memory_files_test.cc.

#include <gtest/gtest.h>
#include <vhdxkit/bench.h>
#include <vhdxkit/check.h>
#include <vhdxkit/compact.h>
#include <vhdxkit/compare.h>
#include <vhdxkit/convert.h>
#include <vhdxkit/create.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/dump.h>
#include <vhdxkit/forwarding_file.h>
#include <vhdxkit/image_format.h>
#include <vhdxkit/image_tree.h>
#include <vhdxkit/inspect.h>
#include <vhdxkit/measure.h>
#include <vhdxkit/raw_device.h>
#include <vhdxkit/resize.h>
#include <vhdxkit/snapshot.h>
#include <vhdxkit/statistics.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/border.h"
#include "testing/memory_file_system.h"
#include "testing/scale.h"
#include "tests/attempt.h"
#include "tests/result_functions.h"

namespace vhdx {
namespace {

using testing::MemoryContents;
using testing::MemoryFileSystem;
using tests::Attempt;
using tests::MemoryFailure;

const std::string kBase = "/vm/base.vhdx";
const std::string kChild = "/vm/child.avhdx";
const std::string kNew = "/vm/new.vhdx";
const std::string kSnapshot = "/vm/snapshot.avhdx";
const std::string kRaw = "/vm/new.raw";
constexpr uint64_t kDiskBytes = 16 * kMiB;

std::vector<std::byte> Bytes(size_t size, uint8_t value) {
  return std::vector<std::byte>(size, std::byte{value});
}

// -- The images --

// A base with data at 0 and at 5 MiB, and a child with some of its own and a partial block.
void MakeImages(MemoryFileSystem& files) {
  files.AddFolder("/vm");
  CreateOptions base;
  base.size_bytes = kDiskBytes;
  base.block_size_bytes = kMiB;
  base.log_size_bytes = kMiB;
  ASSERT_TRUE(Create(files, kBase, base));
  {
    auto disk = *Disk::Open(files, kBase, {.access = DiskAccess::kReadWrite});
    ASSERT_TRUE(disk->Write(0, Bytes(8192, 'a')));
    ASSERT_TRUE(disk->Write(5 * kMiB, Bytes(kMiB, 'b')));
    ASSERT_TRUE(disk->Close());
  }
  CreateOptions child;
  child.subformat = Subformat::kDifferencing;
  child.parent_path = kBase;
  child.log_size_bytes = kMiB;
  ASSERT_TRUE(Create(files, kChild, child));
  auto disk = *Disk::Open(files, kChild, {.access = DiskAccess::kReadWrite});
  ASSERT_TRUE(disk->Write(4096, Bytes(4096, 'c')));
  ASSERT_TRUE(disk->Close());
}

// The same images each time, made once.
void AddImages(MemoryFileSystem& files) {
  static MemoryFileSystem made;
  if (made.Contents(kChild) == nullptr) {
    ASSERT_NO_FATAL_FAILURE(MakeImages(made));
  }
  files.AddFolder("/vm");
  for (const auto& path : {kBase, kChild}) files.AddFile(path, made.Contents(path)->Copy());
}

// -- Files that throw nothing --

class CatchingFile final : public ForwardingFile {
 public:
  using ForwardingFile::ForwardingFile;

  Result<std::string> RealPath() const override {
    return Caught([&] { return ForwardingFile::RealPath(); });
  }
  Result<void> Lock(LockMode mode) override {
    return Caught([&] { return base().Lock(mode); });
  }
};

class CatchingFiles final : public ForwardingFileSystem {
 public:
  using ForwardingFileSystem::ForwardingFileSystem;

  Result<std::unique_ptr<File>> Open(const std::string& path,
                                     const OpenFileOptions& options) override {
    return Caught([&]() -> Result<std::unique_ptr<File>> {
      auto file = base().Open(path, options);
      if (!file) return file;
      return std::make_unique<CatchingFile>(*std::move(file));
    });
  }
  Result<std::string> RealPath(const std::string& path) override {
    return Caught([&] { return base().RealPath(path); });
  }
  Result<std::vector<std::string>> List(const std::string& folder, size_t limit) override {
    return Caught([&] { return base().List(folder, limit); });
  }
  Result<bool> IsFolder(const std::string& path) override {
    return Caught([&] { return base().IsFolder(path); });
  }
  Result<void> Rename(const std::string& from, const std::string& to, RenameMode mode) override {
    return Caught([&] { return base().Rename(from, to, mode); });
  }
  Result<void> Remove(const std::string& path) override {
    return Caught([&] { return base().Remove(path); });
  }
};

// A file for a test itself, which may not throw.
Result<std::unique_ptr<File>> OpenFile(FileSystem& files, const std::string& path,
                                       const OpenFileOptions& options) {
  return Caught([&] { return files.Open(path, options); });
}

constexpr OpenFileOptions kNewFile{.access = FileAccess::kReadWrite,
                                   .creation = FileCreation::kNew};

// -- The fixture --

class NoMemory : public ::testing::Test {
 protected:
  using Operation = std::function<void(Attempt& attempt, FileSystem& files)>;
  using Arrange = std::function<void(MemoryFileSystem& files)>;

  // Tries the operation on fresh files with each call of operator new failing: with files that
  // throw what they run into, as those of a program may, and with some that answer kNoMemory.
  // `look` looks at the files afterwards; `arrange` adds to them before.
  static void FailEachCall(const Operation& operation, const Arrange& look = {},
                           const Arrange& arrange = {}) {
    Attempt::Functions functions;
    for (const bool throws : {true, false}) {
      for (const MemoryFailure how : {MemoryFailure::kOnce, MemoryFailure::kForGood}) {
        SCOPED_TRACE(throws ? "files that throw" : "files that throw nothing");
        std::unique_ptr<MemoryFileSystem> files;
        std::unique_ptr<CatchingFiles> catching;
        is_for_good_ = how == MemoryFailure::kForGood;
        tests::FailEachCall(functions,
                            {.how = how,
                             .step = StepOf(throws, how),
                             .prepare =
                                 [&] {
                                   files = std::make_unique<MemoryFileSystem>();
                                   AddImages(*files);
                                   if (arrange) arrange(*files);
                                   catching = std::make_unique<CatchingFiles>(*files);
                                 },
                             .look =
                                 [&] {
                                   if (look) look(*files);
                                 }},
                            [&](Attempt& attempt) {
                              operation(attempt,
                                        throws ? static_cast<FileSystem&>(*files) : *catching);
                            });
        if (HasFailure()) return;
      }
    }
    tests::ExpectAllRanOutOfMemory(functions);
  }

  static void ExpectSound(MemoryFileSystem& files, const std::string& path) {
    const auto report = Check(files, path);
    ASSERT_TRUE(report) << ToString(report.error());
    EXPECT_TRUE(report->verdict == CheckVerdict::kClean ||
                report->verdict == CheckVerdict::kWarnings);
  }
  // A new file is whole, or not there.
  static void ExpectSoundIfThere(MemoryFileSystem& files, const std::string& path) {
    if (files.Contents(path) != nullptr) ExpectSound(files, path);
  }

  // Whether no call succeeds after the one that fails. MemoryFileSystem then removes nothing.
  static bool is_for_good() { return is_for_good_; }

 private:
  // One of the four ways has every call fail, in every run; the others differ from it seldom.
  static int64_t StepOf(bool throws, MemoryFailure how) {
    if (throws && how == MemoryFailure::kOnce) return 1;
    return static_cast<int64_t>(testing::Scale()) * (how == MemoryFailure::kOnce ? 1 : 7);
  }

  static inline bool is_for_good_ = false;
};

// -- Devices --

TEST_F(NoMemory, Reading) {
  std::vector<std::byte> buffer(2 * kMiB);
  const std::array<MutableByteSpan, 2> buffers = {MutableByteSpan(buffer).first(kMiB),
                                                  MutableByteSpan(buffer).last(kMiB)};
  FailEachCall([&](Attempt& attempt, FileSystem& files) {
    auto disk = Disk::Open(files, kChild);
    if (!attempt.Try("Disk::Open", disk)) return;
    attempt.Try("Disk::Read", (*disk)->Read(512 * kKiB, buffers));
    attempt.Try("BlockDevice::Read", (*disk)->Read(100, buffer), {.needs_memory = false});
    attempt.Try("Disk::NextData", (*disk)->NextData({0, kDiskBytes}), {.needs_memory = false});
    attempt.Try("Disk::RefuseSharedSpace", (*disk)->RefuseSharedSpace());
    attempt.Try("Disk::Extents", (*disk)->Extents({0, kDiskBytes}, 100));
    attempt.Try("Disk::Close", (*disk)->Close(), {.needs_memory = false});
  });
}

// It takes memory to say what is wrong with a request.
void TryRefusedRequests(Attempt& attempt, BlockDevice& device, MutableByteSpan buffer) {
  const tests::Answer refusal{.refusal = ErrorCode::kInvalidArgument};
  const tests::Answer refused_write{.refusal = device.writable() ? ErrorCode::kInvalidArgument
                                                                 : ErrorCode::kReadOnly};
  const uint64_t end = device.size_bytes();
  attempt.Try("Read", device.Read(end, buffer), refusal);
  attempt.Try("Write", device.Write(end, ByteSpan(buffer)), refused_write);
  attempt.Try("WriteZeroes", device.WriteZeroes({end, 1}), refused_write);
  attempt.Try("Trim", device.Trim({end, 1}), refused_write);
  attempt.Try("Extents", device.Extents({0, 1}, 0), refusal);
  attempt.Try("NextData", device.NextData({end, 1}), refusal);
  attempt.Try("CloneFrom", device.CloneFrom(end, device, {0, 1}), refused_write);
}

// Everything that is asked of a device after its end.
void TryClosed(Attempt& attempt, BlockDevice& device, File& target, MutableByteSpan buffer) {
  const tests::Answer refusal{.refusal = ErrorCode::kInvalidArgument};
  attempt.Try("Close", device.Close(), {.needs_memory = false});
  attempt.Try("BlockDevice::Read", device.Read(0, buffer), refusal);
  attempt.Try("BlockDevice::Write", device.Write(0, ByteSpan(buffer)), refusal);
  attempt.Try("WriteZeroes", device.WriteZeroes({0, 1}), refusal);
  attempt.Try("Trim", device.Trim({0, 1}), refusal);
  attempt.Try("Flush", device.Flush(), refusal);
  attempt.Try("Extents", device.Extents({0, 1}, 1), refusal);
  attempt.Try("NextData", device.NextData({0, 1}), refusal);
  attempt.Try("CloneTo", device.CloneTo({0, 1}, target, 0), refusal);
  attempt.Try("CloneFrom", device.CloneFrom(0, device, {0, 1}), refusal);
  attempt.Try("Close", device.Close(), refusal);
}

TEST_F(NoMemory, RequestsThatAreRefused) {
  std::vector<std::byte> buffer(512);
  for (const auto access : {DiskAccess::kReadOnly, DiskAccess::kReadWrite}) {
    FailEachCall([&](Attempt& attempt, FileSystem& files) {
      auto target = OpenFile(files, kBase, {});
      if (!attempt.Try("opening a file", target)) return;
      auto disk = Disk::Open(files, kChild, {.access = access});
      if (!attempt.Try("Disk::Open", disk)) return;
      attempt.set_class("Disk");
      TryRefusedRequests(attempt, **disk, buffer);
      attempt.set_class("closed Disk");
      TryClosed(attempt, **disk, **target, buffer);
    });
  }
}

TEST_F(NoMemory, RawDevices) {
  std::vector<std::byte> buffer(512);
  FailEachCall([&](Attempt& attempt, FileSystem& files) {
    auto target = OpenFile(files, kBase, {});
    if (!attempt.Try("opening a file", target)) return;
    auto file = OpenFile(files, kChild, {.access = FileAccess::kReadWrite});
    if (!attempt.Try("opening a file", file)) return;
    auto borrowed = RawDevice::OnFile(**file);
    attempt.Try("RawDevice::OnFile", borrowed);
    auto device = RawDevice::Open(*std::move(file));
    if (!attempt.Try("RawDevice::Open", device)) return;
    attempt.set_class("RawDevice");
    TryRefusedRequests(attempt, **device, buffer);
    attempt.set_class("closed RawDevice");
    TryClosed(attempt, **device, **target, buffer);
  });
}

// A device that has only what it must have.
class SmallDevice final : public BlockDevice {
 public:
  using BlockDevice::Read;
  using BlockDevice::Write;

  const std::string& name() const override { return name_; }
  uint64_t size_bytes() const override { return 4096; }
  uint32_t logical_sector_size() const override { return 512; }
  uint32_t physical_sector_size() const override { return 512; }
  bool writable() const override { return false; }
  Result<void> Read(uint64_t, std::span<const MutableByteSpan>) override { return {}; }
  Result<void> Write(uint64_t, std::span<const ByteSpan>, WriteFlag) override { return {}; }
  Result<void> WriteZeroes(DiskRange) override { return {}; }
  Result<void> Trim(DiskRange) override { return {}; }
  Result<void> Flush() override { return {}; }
  Result<std::vector<Extent>> Extents(DiskRange, size_t) override { return {}; }
  bool Uses(const FileIdentity&) const override { return false; }

 private:
  const std::string name_ = "a device that has a long name";
};

TEST_F(NoMemory, DefaultsOfABlockDevice) {
  SmallDevice device;
  const tests::Answer unsupported{.refusal = ErrorCode::kUnsupported};
  FailEachCall([&](Attempt& attempt, FileSystem& files) {
    auto file = OpenFile(files, kBase, {});
    if (!attempt.Try("opening a file", file)) return;
    attempt.Try("BlockDevice::NextData", device.NextData({4096, 1}),
                {.refusal = ErrorCode::kInvalidArgument});
    attempt.Try("BlockDevice::CloneTo", device.CloneTo({0, 1}, **file, 0), unsupported);
    attempt.Try("BlockDevice::CloneFrom", device.CloneFrom(0, device, {0, 1}), unsupported);
    attempt.Try("BlockDevice::Close", device.Close(), {.needs_memory = false});
  });
}

TEST_F(NoMemory, Sharing) {
  FailEachCall(
      [&](Attempt& attempt, FileSystem& files) {
        auto source = Disk::Open(files, kBase);
        if (!attempt.Try("Disk::Open", source)) return;
        auto target = Disk::Open(files, kChild, {.access = DiskAccess::kReadWrite});
        if (!attempt.Try("Disk::Open", target)) return;
        const tests::Answer may_refuse{.refusal = ErrorCode::kUnsupported};
        attempt.Try("Disk::CloneFrom", (*target)->CloneFrom(4 * kMiB, **source, {5 * kMiB, kMiB}),
                    may_refuse);
        auto file = OpenFile(files, kRaw, kNewFile);
        if (!attempt.Try("opening a file", file)) return;
        attempt.Try("Disk::CloneTo", (*source)->CloneTo({5 * kMiB, kMiB}, **file, 0), may_refuse);
      },
      [&](MemoryFileSystem& files) { ExpectSound(files, kChild); },
      [](MemoryFileSystem& files) {
        files.SetCapabilities({.punch_hole = true, .clone_range = true});
      });
}

TEST_F(NoMemory, WritingTrimmingAndFlushing) {
  const auto whole = Bytes(kMiB, 'd');
  const auto part = Bytes(1000, 'e');
  bool flushed = false;
  FailEachCall(
      [&](Attempt& attempt, FileSystem& files) {
        flushed = false;
        auto disk = Disk::Open(files, kChild, {.access = DiskAccess::kReadWrite});
        if (!attempt.Try("Disk::Open", disk)) return;
        const bool written =
            attempt.Try("Disk::Write", (*disk)->Write(2 * kMiB, whole)) &&
            attempt.Try("BlockDevice::Write", (*disk)->Write(7 * kMiB + 100, part)) &&
            attempt.Try("Disk::WriteZeroes", (*disk)->WriteZeroes({0, 512}));
        flushed = attempt.Try("Disk::Flush", (*disk)->Flush()) && written;
        attempt.Try("Disk::Trim", (*disk)->Trim({2 * kMiB, kMiB}));
        attempt.Try("Disk::Write", (*disk)->Write(9 * kMiB, part));
        attempt.Try("Disk::Close", (*disk)->Close());
      },
      [&](MemoryFileSystem& files) {
        ExpectSound(files, kChild);
        if (!flushed) return;
        auto disk = Disk::Open(files, kChild);
        ASSERT_TRUE(disk) << ToString(disk.error());
        std::vector<std::byte> read(part.size());
        ASSERT_TRUE((*disk)->Read(7 * kMiB + 100, read));
        EXPECT_EQ(read, part) << "a flushed write is lost";
      });
}

TEST_F(NoMemory, ADiskThatIsDroppedUnclosed) {
  const auto bytes = Bytes(4096, 'd');
  FailEachCall(
      [&](Attempt& attempt, FileSystem& files) {
        auto disk = Disk::Open(files, kChild, {.access = DiskAccess::kReadWrite});
        if (!attempt.Try("Disk::Open", disk)) return;
        attempt.Try("BlockDevice::Write", (*disk)->Write(3 * kMiB, bytes));
      },
      [&](MemoryFileSystem& files) {
        ExpectSound(files, kChild);
        auto file = files.Open(kChild, {});
        ASSERT_TRUE(file);
        EXPECT_TRUE((*file)->Lock(LockMode::kExclusive)) << "its lock was not given back";
      });
}

// -- Operations --

TEST_F(NoMemory, Creating) {
  CreateOptions child;
  child.subformat = Subformat::kDifferencing;
  child.parent_path = kChild;
  child.log_size_bytes = kMiB;
  FailEachCall([&](Attempt& attempt,
                   FileSystem& files) { attempt.Try("Create", Create(files, kNew, child)); },
               [&](MemoryFileSystem& files) { ExpectSoundIfThere(files, kNew); });
}

TEST_F(NoMemory, TakingASnapshot) {
  const auto bytes = Bytes(4096, 'd');
  bool succeeded = false;
  FailEachCall(
      [&](Attempt& attempt, FileSystem& files) {
        succeeded = false;
        auto disk = Disk::Open(files, kChild, {.access = DiskAccess::kReadWrite});
        if (!attempt.Try("Disk::Open", disk)) return;
        attempt.Try("BlockDevice::Write", (*disk)->Write(3 * kMiB, bytes));
        succeeded = attempt.Try("Snapshot", Snapshot(**disk, kSnapshot, {.log_size_bytes = kMiB}));
        attempt.Try("BlockDevice::Write", (*disk)->Write(4 * kMiB, bytes));
        attempt.Try("Disk::Close", (*disk)->Close());
      },
      [&](MemoryFileSystem& files) {
        ExpectSound(files, kChild);
        if (!is_for_good()) {
          EXPECT_EQ(files.Contents(kSnapshot) != nullptr, succeeded);
        }
        ExpectSoundIfThere(files, kSnapshot);
      });
}

TEST_F(NoMemory, ResizingAndCompacting) {
  for (const uint64_t size : {40 * kMiB, 7 * kMiB}) {
    FailEachCall(
        [&](Attempt& attempt, FileSystem& files) {
          attempt.Try("Resize", Resize(files, kChild, {.size_bytes = size, .allow_unsafe = true}));
        },
        [&](MemoryFileSystem& files) { ExpectSound(files, kChild); });
  }
  const auto ask = [](BlockDevice&,
                      const std::vector<DiskVolume>&) -> Result<std::vector<VolumeFreeSpace>> {
    std::vector<VolumeFreeSpace> said(1);
    said[0].free = {{6 * kMiB, 2 * kMiB}};
    return said;
  };
  FailEachCall(
      [&](Attempt& attempt, FileSystem& files) {
        attempt.Try("Compact", Compact(files, kChild, {.ask_free_space = ask}));
      },
      [&](MemoryFileSystem& files) { ExpectSound(files, kChild); });
}

TEST_F(NoMemory, ConvertingOnSeveralThreads) {
  CreateOptions image;
  image.log_size_bytes = kMiB;
  image.block_size_bytes = kMiB;
  ConvertOptions options;
  options.threads = 3;
  FailEachCall(
      [&](Attempt& attempt, FileSystem& files) {
        auto disk = Disk::Open(files, kChild);
        if (!attempt.Try("Disk::Open", disk)) return;
        attempt.Try("ConvertToVhdx", ConvertToVhdx(files, **disk, kNew, image, options));
      },
      [&](MemoryFileSystem& files) { ExpectSoundIfThere(files, kNew); });
  FailEachCall([&](Attempt& attempt, FileSystem& files) {
    auto disk = Disk::Open(files, kChild);
    if (!attempt.Try("Disk::Open", disk)) return;
    attempt.Try("ConvertToRaw", ConvertToRaw(files, **disk, kRaw, options));
  });
}

TEST_F(NoMemory, ConvertingInto) {
  const CreateOptions image;
  ConvertOptions options;
  options.threads = 2;
  options.existing = ExistingTarget::kInto;
  FailEachCall(
      [&](Attempt& attempt, FileSystem& files) {
        auto disk = Disk::Open(files, kBase);
        if (!attempt.Try("Disk::Open", disk)) return;
        attempt.Try("ConvertToVhdx", ConvertToVhdx(files, **disk, kChild, image, options));
      },
      [&](MemoryFileSystem& files) { ExpectSound(files, kChild); });
}

TEST_F(NoMemory, CopyingOnSeveralThreads) {
  FailEachCall(
      [&](Attempt& attempt, FileSystem& files) {
        auto source = Disk::Open(files, kBase);
        if (!attempt.Try("Disk::Open", source)) return;
        auto target = Disk::Open(files, kChild, {.access = DiskAccess::kReadWrite});
        if (!attempt.Try("Disk::Open", target)) return;
        attempt.Try("CopyContents", CopyContents(**source, **target, {.threads = 3}));
        attempt.Try("Disk::Close", (*target)->Close());
      },
      [&](MemoryFileSystem& files) { ExpectSound(files, kChild); });
}

// Takes everything and keeps nothing.
class Pipe final : public File {
 public:
  using File::ReadAt;
  using File::WriteAt;

  const std::string& name() const override { return name_; }
  const FileCapabilities& capabilities() const override { return capabilities_; }
  Result<size_t> ReadAt(uint64_t, std::span<const MutableByteSpan>) override { return size_t{0}; }
  Result<void> WriteAt(uint64_t, std::span<const ByteSpan>) override { return {}; }
  Result<uint64_t> Size() override { return 0; }

 private:
  const std::string name_ = "pipe";
  const FileCapabilities capabilities_ = {.writable = true, .seekable = false};
};

TEST_F(NoMemory, StreamingContents) {
  Pipe pipe;
  const std::function<Result<void>(uint64_t, ByteSpan)> visit = [](uint64_t, ByteSpan) {
    return Result<void>{};
  };
  FailEachCall([&](Attempt& attempt, FileSystem& files) {
    auto disk = Disk::Open(files, kChild);
    if (!attempt.Try("Disk::Open", disk)) return;
    attempt.Try("VisitContents", VisitContents(**disk, visit));
    attempt.Try("StreamContents", StreamContents(**disk, pipe));
  });
}

TEST_F(NoMemory, ConvertingAStream) {
  uint64_t left = 0;
  const ReadStream stream = [&](MutableByteSpan buffer) -> Result<size_t> {
    const size_t count = std::min<uint64_t>(left, buffer.size());
    std::ranges::fill(buffer.first(count), std::byte{0});
    if (count != 0) buffer.front() = std::byte{'s'};
    left -= count;
    return count;
  };
  CreateOptions image;
  image.log_size_bytes = kMiB;
  image.block_size_bytes = kMiB;
  FailEachCall(
      [&](Attempt& attempt, FileSystem& files) {
        left = kMiB + 4096;
        attempt.Try("ConvertStreamToVhdx", ConvertStreamToVhdx(files, stream, kNew, image, {}));
      },
      [&](MemoryFileSystem& files) { ExpectSoundIfThere(files, kNew); });
  FailEachCall([&](Attempt& attempt, FileSystem& files) {
    left = kMiB + 4096;
    attempt.Try("ConvertStreamToRaw", ConvertStreamToRaw(files, stream, kRaw, {}));
  });
}

TEST_F(NoMemory, Comparing) {
  bool identical = false;
  FailEachCall(
      [&](Attempt& attempt, FileSystem& files) {
        identical = false;
        auto a = Disk::Open(files, kBase);
        if (!attempt.Try("Disk::Open", a)) return;
        auto b = Disk::Open(files, kChild);
        if (!attempt.Try("Disk::Open", b)) return;
        auto report = Compare(**a, **b, {.all_differences = true});
        identical = report && report->identical;
        attempt.Try("Compare", report);
      },
      [&](MemoryFileSystem&) { EXPECT_FALSE(identical); });
}

TEST_F(NoMemory, Benchmarking) {
  FailEachCall([&](Attempt& attempt, FileSystem& files) {
    auto disk = Disk::Open(files, kBase, {.access = DiskAccess::kReadWrite});
    if (!attempt.Try("Disk::Open", disk)) return;
    attempt.Try("BenchRequests",
                BenchRequests(**disk, {.kind = RequestKind::kWrite, .count = 40, .depth = 3}));
  });
}

// -- Looking at images --

TEST_F(NoMemory, Checking) {
  bool is_clean = true;
  FailEachCall(
      [&](Attempt& attempt, FileSystem& files) {
        auto report = Check(files, kChild);
        is_clean = !report || report->verdict == CheckVerdict::kClean;
        attempt.Try("Check", report);
      },
      [&](MemoryFileSystem&) { EXPECT_TRUE(is_clean) << "damage, where memory ran out"; });
}

TEST_F(NoMemory, Inspecting) {
  bool is_right = true;
  const auto note = [&](const Result<Inspection>& inspection) {
    is_right = is_right && (!inspection || (inspection->parent && inspection->parent->identity ==
                                                                      ParentState::Identity::kOk));
  };
  FailEachCall(
      [&](Attempt& attempt, FileSystem& files) {
        auto inspection = Inspect(files, kChild);
        note(inspection);
        attempt.Try("Inspect", inspection);
        auto disk = Disk::Open(files, kChild, {.access = DiskAccess::kReadWrite});
        if (!attempt.Try("Disk::Open", disk)) return;
        auto of_open = Inspect(files, **disk);
        note(of_open);
        attempt.Try("Inspect", of_open);
      },
      [&](MemoryFileSystem&) { EXPECT_TRUE(is_right) << "no parent, where memory ran out"; });
}

TEST_F(NoMemory, Counting) {
  CreateOptions image;
  FailEachCall([&](Attempt& attempt, FileSystem& files) {
    attempt.Try("CountBlocks", CountBlocks(files, kChild));
    auto disk = Disk::Open(files, kChild);
    if (!attempt.Try("Disk::Open", disk)) return;
    attempt.Try("MinimumSize", MinimumSize(**disk));
    attempt.Try("MeasureVhdx", MeasureVhdx(**disk, image));
  });
}

TEST_F(NoMemory, RecognizingAFormat) {
  FailEachCall([&](Attempt& attempt, FileSystem& files) {
    auto opened = OpenFile(files, kBase, {});
    if (!attempt.Try("opening a file", opened)) return;
    attempt.Try("RecognizeFormat", RecognizeFormat(**opened), {.needs_memory = false});
  });
}

TEST_F(NoMemory, Dumping) {
  const std::function<Result<void>(const LogEntryDump&)> log = [](const LogEntryDump&) {
    return Result<void>{};
  };
  const std::function<Result<void>(const BatEntryInfo&)> bat = [](const BatEntryInfo&) {
    return Result<void>{};
  };
  const std::function<Result<void>(const BitmapDump&)> bitmaps = [](const BitmapDump&) {
    return Result<void>{};
  };
  FailEachCall([&](Attempt& attempt, FileSystem& files) {
    auto dump = ImageDump::Open(files, kChild);
    if (!attempt.Try("ImageDump::Open", dump)) return;
    const auto& items = (*dump)->structures().metadata.items;
    if (!items.empty()) attempt.Try("ImageDump::ReadItem", (*dump)->ReadItem(items.front()));
    attempt.Try("ImageDump::VisitLog", (*dump)->VisitLog(log));
    attempt.Try("ImageDump::VisitBat", (*dump)->VisitBat(bat));
    attempt.Try("ImageDump::VisitBitmaps", (*dump)->VisitBitmaps(bitmaps));
  });
}

// An image whose children were overlooked would be overwritten.
TEST_F(NoMemory, LookingForRelatives) {
  bool is_right = true;
  const std::vector<std::string> folder = {"/vm"};
  FailEachCall(
      [&](Attempt& attempt, FileSystem& files) {
        auto children = FindChildren(files, kBase, {});
        is_right = !children || children->size() == 1;
        attempt.Try("FindChildren", children);
        auto refused = RefuseIfParent(files, kBase, {});
        is_right = is_right && !refused;
        attempt.Try("RefuseIfParent", refused, {.refusal = ErrorCode::kBusy});
        auto tree = FindImageTree(files, folder, {});
        is_right = is_right && (!tree || (tree->size() == 2 && !(*tree)[0].error &&
                                          (*tree)[1].link == ImageNode::Link::kOk));
        attempt.Try("FindImageTree", tree);
      },
      [&](MemoryFileSystem&) { EXPECT_TRUE(is_right) << "overlooked, where memory ran out"; });
}

// -- All of them --

std::string TextOf(const std::filesystem::path& path) {
  std::ifstream stream(path);
  return {std::istreambuf_iterator<char>(stream), {}};
}

// The names that this source tries, as they are in its text. TryRefusedRequests and TryClosed try
// both classes of devices.
std::set<std::string> NamesTriedHere() {
  static const std::regex kTry(R"re(\.Try\(\s*"([\w:]+)")re");
  const std::string text =
      TextOf(std::filesystem::path(VHDXKIT_SOURCE_DIR) / "tests/no_memory_test.cc");
  std::set<std::string> names;
  for (std::sregex_iterator at(text.begin(), text.end(), kTry), end; at != end; ++at) {
    const std::string name = (*at)[1];
    names.insert(name);
    if (name.find("::") == std::string::npos) {
      names.merge(std::set<std::string>{"Disk::" + name, "RawDevice::" + name});
    }
  }
  return names;
}

TEST(NoMemoryCoverage, EveryFunctionThatReturnsAResultIsTried) {
  const std::set<std::string> tried = NamesTriedHere();
  size_t functions = 0;
  for (const auto& header : std::filesystem::directory_iterator(
           std::filesystem::path(VHDXKIT_SOURCE_DIR) / "include/vhdxkit")) {
    const std::string name = header.path().filename();
    if (name == "file.h" || name == "forwarding_file.h") continue;  // no_memory_files_test.cc
    for (const std::string& function : tests::ResultFunctions(TextOf(header.path()))) {
      ++functions;
      EXPECT_TRUE(tried.contains(function)) << name << ": " << function;
    }
  }
  EXPECT_GT(functions, 40U);
}

}  // namespace
}  // namespace vhdx
