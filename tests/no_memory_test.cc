// What happens when memory runs out: each operation is repeated with an operator new that fails at
// its n-th call, for every n until the operation gets by without that call. Each time it must end
// with an error or do its work, and end no thread and no process; an image that was written must
// be sound afterwards and have what was flushed.

#include <gtest/gtest.h>
#include <vhdxkit/bench.h>
#include <vhdxkit/check.h>
#include <vhdxkit/compare.h>
#include <vhdxkit/convert.h>
#include <vhdxkit/create.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/dump.h>
#include <vhdxkit/image_format.h>
#include <vhdxkit/image_tree.h>
#include <vhdxkit/inspect.h>
#include <vhdxkit/measure.h>
#include <vhdxkit/raw_device.h>
#include <vhdxkit/statistics.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "bytes/arithmetic.h"
#include "testing/memory_file_system.h"

namespace {

// Counts down to the call that fails, on whatever thread; 0: none fails.
std::atomic<int64_t> calls_until_failure = 0;
std::atomic<bool> failed = false;

void* Allocate(size_t size, size_t alignment) {
  if (calls_until_failure.load(std::memory_order_relaxed) > 0 &&
      calls_until_failure.fetch_sub(1) == 1) {
    failed = true;
    return nullptr;
  }
  size = std::max<size_t>(size, 1);
  if (alignment <= alignof(std::max_align_t)) return std::malloc(size);
  return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

void* AllocateOrThrow(size_t size, size_t alignment) {
  void* const memory = Allocate(size, alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

// Not inlined: the compiler would see free() at the end of a new.
[[gnu::noinline]] void Release(void* memory) { std::free(memory); }

}  // namespace

void* operator new(size_t size) { return AllocateOrThrow(size, 1); }
void* operator new(size_t size, std::align_val_t alignment) {
  return AllocateOrThrow(size, static_cast<size_t>(alignment));
}
void* operator new(size_t size, const std::nothrow_t&) noexcept { return Allocate(size, 1); }
void* operator new(size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return Allocate(size, static_cast<size_t>(alignment));
}
void operator delete(void* memory) noexcept { Release(memory); }
void operator delete(void* memory, size_t) noexcept { Release(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { Release(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { Release(memory); }

namespace vhdx {
namespace {

using testing::MemoryFileSystem;

constexpr int64_t kMostCalls = 100'000;
const std::string kBase = "/vm/base.vhdx";
const std::string kChild = "/vm/child.avhdx";
const std::string kNew = "/vm/new.vhdx";

std::vector<std::byte> Bytes(size_t size, uint8_t value) {
  return std::vector<std::byte>(size, std::byte{value});
}

// A base of 16 MiB with data at 0 and at 5 MiB, and a child with some of its own.
void AddImages(MemoryFileSystem& files) {
  files.AddFolder("/vm");
  CreateOptions base;
  base.size_bytes = 16 * kMiB;
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

class NoMemory : public ::testing::Test {
 protected:
  using Operation = std::function<std::optional<Error>(MemoryFileSystem& files)>;
  using Look = std::function<void(MemoryFileSystem& files)>;

  // Tries the operation on fresh files with each call of operator new failing once.
  static void FailEachCall(const Operation& operation, const Look& look = {}) {
    int64_t call = 1;
    for (bool any_failed = true; any_failed; ++call) {
      ASSERT_LT(call, kMostCalls) << "the operation never gets by without the failing call";
      SCOPED_TRACE("call " + std::to_string(call));
      MemoryFileSystem files;
      ASSERT_NO_FATAL_FAILURE(AddImages(files));
      failed = false;
      calls_until_failure = call;
      const std::optional<Error> error = operation(files);
      calls_until_failure = 0;
      any_failed = failed;
      if (error) {
        ASSERT_TRUE(any_failed) << ToString(*error);
        ASSERT_TRUE(TellsOfMemory(*error)) << ToString(*error);
      }
      if (look) look(files);
      if (HasFatalFailure()) return;
    }
    EXPECT_GT(call, 10) << "nothing was tried";
  }

  static bool TellsOfMemory(const Error& error) {
    if (error.code == ErrorCode::kNoMemory) return error.sentence.empty() && error.file.empty();
    return error.code == ErrorCode::kPoisoned &&
           error.sentence.find("ran out of memory") != std::string::npos;
  }

  template <typename T>
  static std::optional<Error> ErrorOf(Result<T> result) {
    if (result) return std::nullopt;
    return std::move(result.error());
  }

  static void ExpectSound(MemoryFileSystem& files, const std::string& path) {
    const auto report = Check(files, path);
    ASSERT_TRUE(report) << ToString(report.error());
    EXPECT_TRUE(report->verdict == CheckVerdict::kClean ||
                report->verdict == CheckVerdict::kWarnings);
  }
};

TEST_F(NoMemory, Reading) {
  std::vector<std::byte> buffer(2 * kMiB);
  FailEachCall([&](MemoryFileSystem& files) -> std::optional<Error> {
    auto disk = Disk::Open(files, kChild);
    if (!disk) return std::move(disk.error());
    if (auto read = (*disk)->Read(100, buffer); !read) return std::move(read.error());
    return ErrorOf((*disk)->Extents({0, (*disk)->size_bytes()}, 100));
  });
}

TEST_F(NoMemory, WritingTrimmingAndFlushing) {
  const auto whole = Bytes(kMiB, 'd');
  const auto part = Bytes(1000, 'e');
  bool flushed = false;
  FailEachCall(
      [&](MemoryFileSystem& files) -> std::optional<Error> {
        flushed = false;
        auto disk = Disk::Open(files, kChild, {.access = DiskAccess::kReadWrite});
        if (!disk) return std::move(disk.error());
        std::optional<Error> first;
        const auto note = [&](Result<void> done) {
          if (!done && !first) first = std::move(done.error());
          return done.has_value();
        };
        const bool written = note((*disk)->Write(2 * kMiB, whole)) &&
                             note((*disk)->Write(7 * kMiB + 100, part)) &&
                             note((*disk)->WriteZeroes({0, 512}));
        flushed = note((*disk)->Flush()) && written;
        note((*disk)->Trim({2 * kMiB, kMiB}));
        note((*disk)->Write(9 * kMiB, part));
        note((*disk)->Close());
        return first;
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
      [&](MemoryFileSystem& files) -> std::optional<Error> {
        auto disk = Disk::Open(files, kChild, {.access = DiskAccess::kReadWrite});
        if (!disk) return std::move(disk.error());
        return ErrorOf((*disk)->Write(3 * kMiB, bytes));
      },
      [&](MemoryFileSystem& files) { ExpectSound(files, kChild); });
}

TEST_F(NoMemory, Creating) {
  CreateOptions child;
  child.subformat = Subformat::kDifferencing;
  child.parent_path = kChild;
  child.log_size_bytes = kMiB;
  FailEachCall([&](MemoryFileSystem& files) { return ErrorOf(Create(files, kNew, child)); },
               [&](MemoryFileSystem& files) {
                 if (files.Contents(kNew) != nullptr) ExpectSound(files, kNew);
               });
}

TEST_F(NoMemory, ConvertingOnSeveralThreads) {
  CreateOptions image;
  image.log_size_bytes = kMiB;
  image.block_size_bytes = kMiB;
  ConvertOptions options;
  options.threads = 3;
  FailEachCall(
      [&](MemoryFileSystem& files) -> std::optional<Error> {
        auto disk = Disk::Open(files, kChild);
        if (!disk) return std::move(disk.error());
        return ErrorOf(ConvertToVhdx(files, **disk, kNew, image, options));
      },
      [&](MemoryFileSystem& files) {
        if (files.Contents(kNew) != nullptr) ExpectSound(files, kNew);
      });
  FailEachCall([&](MemoryFileSystem& files) -> std::optional<Error> {
    auto disk = Disk::Open(files, kChild);
    if (!disk) return std::move(disk.error());
    return ErrorOf(ConvertToRaw(files, **disk, "/vm/new.raw", options));
  });
}

TEST_F(NoMemory, ConvertingAStream) {
  const auto convert = [&](MemoryFileSystem& files, const auto& to) {
    uint64_t left = kMiB + 4096;
    const ReadStream stream = [&](MutableByteSpan buffer) -> Result<size_t> {
      const size_t count = std::min<uint64_t>(left, buffer.size());
      std::ranges::fill(buffer.first(count), std::byte{0});
      if (count != 0) buffer.front() = std::byte{'s'};
      left -= count;
      return count;
    };
    return ErrorOf(to(files, stream));
  };
  CreateOptions image;
  image.log_size_bytes = kMiB;
  image.block_size_bytes = kMiB;
  FailEachCall([&](MemoryFileSystem& files) {
    return convert(files, [&](MemoryFileSystem& in, const ReadStream& stream) {
      return ConvertStreamToVhdx(in, stream, kNew, image, {});
    });
  });
  FailEachCall([&](MemoryFileSystem& files) {
    return convert(files, [](MemoryFileSystem& in, const ReadStream& stream) {
      return ConvertStreamToRaw(in, stream, "/vm/new.raw", {});
    });
  });
}

TEST_F(NoMemory, Comparing) {
  FailEachCall([&](MemoryFileSystem& files) -> std::optional<Error> {
    auto a = Disk::Open(files, kBase);
    if (!a) return std::move(a.error());
    auto b = Disk::Open(files, kChild);
    if (!b) return std::move(b.error());
    return ErrorOf(Compare(**a, **b, {.all_differences = true}));
  });
}

TEST_F(NoMemory, Benchmarking) {
  FailEachCall([&](MemoryFileSystem& files) -> std::optional<Error> {
    auto disk = Disk::Open(files, kBase, {.access = DiskAccess::kReadWrite});
    if (!disk) return std::move(disk.error());
    return ErrorOf(BenchRequests(**disk, {.kind = RequestKind::kWrite, .count = 40, .depth = 3}));
  });
}

TEST_F(NoMemory, CheckingInspectingAndCounting) {
  FailEachCall([&](MemoryFileSystem& files) { return ErrorOf(Check(files, kChild)); });
  FailEachCall([&](MemoryFileSystem& files) { return ErrorOf(Inspect(files, kChild)); });
  FailEachCall([&](MemoryFileSystem& files) { return ErrorOf(CountBlocks(files, kChild)); });
  FailEachCall([&](MemoryFileSystem& files) -> std::optional<Error> {
    auto disk = Disk::Open(files, kChild);
    if (!disk) return std::move(disk.error());
    if (auto size = MinimumSize(**disk); !size) return std::move(size.error());
    return ErrorOf(MeasureVhdx(**disk, {}));
  });
}

TEST_F(NoMemory, Dumping) {
  FailEachCall([&](MemoryFileSystem& files) -> std::optional<Error> {
    auto dump = ImageDump::Open(files, kChild);
    if (!dump) return std::move(dump.error());
    const auto log = [](const LogEntryDump&) -> Result<void> { return {}; };
    const auto bat = [](const BatEntryInfo&) -> Result<void> { return {}; };
    const auto bitmaps = [](const BitmapDump&) -> Result<void> { return {}; };
    if (auto done = (*dump)->VisitLog(log); !done) return std::move(done.error());
    if (auto done = (*dump)->VisitBat(bat); !done) return std::move(done.error());
    return ErrorOf((*dump)->VisitBitmaps(bitmaps));
  });
}

TEST_F(NoMemory, LookingForRelatives) {
  FailEachCall([&](MemoryFileSystem& files) { return ErrorOf(FindChildren(files, kBase, {})); });
  FailEachCall([&](MemoryFileSystem& files) -> std::optional<Error> {
    const auto refused = RefuseIfParent(files, kBase, {});
    if (refused || refused.error().code == ErrorCode::kBusy) return std::nullopt;
    return refused.error();
  });
  const std::vector<std::string> folder = {"/vm"};
  FailEachCall([&](MemoryFileSystem& files) { return ErrorOf(FindImageTree(files, folder, {})); });
}

}  // namespace
}  // namespace vhdx
