// Whole images, hostile or not, that are written: opened writable, written, zeroed, trimmed,
// flushed, cut off, closed and opened again, against plain bytes kept beside. Input: as image_fuzz;
// what is done to the disk follows from the bytes of the input.

#include <vhdxkit/check.h>
#include <vhdxkit/disk.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/crc32c.h"
#include "disk/open_disk.h"
#include "fuzz/expect.h"
#include "fuzz/input.h"
#include "fuzz/placed_files.h"
#include "testing/memory_file_system.h"

namespace vhdx::fuzz {
namespace {

using testing::MemoryContents;
using testing::MemoryFileSystem;

constexpr size_t kWindows = 8;
constexpr uint64_t kWindowBytes = 12 * kKiB;
constexpr size_t kOperations = 24;
// A file may pretend to have any length. Bitmaps of what is in use follow it.
constexpr uint64_t kMaxFileLength = 8 * kTiB;

// A part of the disk whose bytes are known.
struct Window {
  uint64_t disk_offset = 0;
  std::vector<std::byte> bytes = {};

  DiskRange range() const { return {disk_offset, bytes.size()}; }
};

bool IsSound(MemoryFileSystem& files) {
  const auto report = Check(files, kPaths[0]);
  return report && report->verdict <= CheckVerdict::kWarnings;
}

// The same files with a copy of the image as it stands now: what a kill leaves.
std::unique_ptr<MemoryFileSystem> AfterKill(const PlacedFiles& placed) {
  auto files = std::make_unique<MemoryFileSystem>();
  files->AddFile(kPaths[0], placed.contents[0]->Copy());
  for (size_t i = 1; i < placed.contents.size(); ++i) files->AddFile(kPaths[i], placed.contents[i]);
  return files;
}

class WriteTrial {
 public:
  WriteTrial(Disk& disk, std::mt19937_64& random) : disk_(disk), random_(random) {}

  /// Reads the windows.
  void Prepare() {
    const uint64_t size = disk_.size_bytes();
    const uint64_t block = disk_.image_at_open(0).parameters.block_size_bytes;
    for (size_t i = 0; i < kWindows; ++i) {
      const uint64_t length = std::min(size, 1 + random_() % kWindowBytes);
      // Around the borders of blocks most of all, the last one included.
      const uint64_t near = AlignDown(random_() % size, block);
      const uint64_t start = random_() % 4 == 0   ? random_() % size
                             : random_() % 4 == 0 ? size - length
                                                  : near - std::min(near, random_() % kWindowBytes);
      AddWindow({std::min(start, size - length), length});
    }
  }

  bool empty() const { return windows_.empty(); }

  /// False once the disk has failed: then nothing is known of what was not flushed.
  bool Run() {
    for (size_t i = 0; i < kOperations; ++i) {
      if (!Step()) return false;
    }
    return Kept(disk_.Flush());
  }

  void ExpectContents(BlockDevice& disk) const {
    for (const Window& window : windows_) {
      std::vector<std::byte> bytes(window.bytes.size(), std::byte{0x55});
      const auto read = disk.Read(window.disk_offset, bytes);
      Expect(read.has_value(), "what could be read once can be read after writing");
      Expect(bytes == window.bytes, "a disk holds what was written to it");
    }
  }

 private:
  void AddWindow(DiskRange range) {
    const bool overlaps = std::ranges::any_of(windows_, [&](const Window& other) {
      return range.disk_offset < other.range().end() && other.disk_offset < range.end();
    });
    if (overlaps) return;
    Window window{range.disk_offset, std::vector<std::byte>(range.length_bytes)};
    const auto read = disk_.Read(range.disk_offset, window.bytes);
    if (!read) return ExpectHonest(read.error());
    windows_.push_back(std::move(window));
  }

  bool Step() {
    Window& window = windows_[random_() % windows_.size()];
    switch (random_() % 8) {
      case 0:
        return Kept(disk_.Flush());
      case 1:
        ExpectContents(disk_);
        return true;
      case 2:
        return Clear(PartOf(window));
      case 3:
        return Clear(BlocksOf(window));
      default:
        return Write(PartOf(window));
    }
  }

  bool Kept(const Result<void>& done) {
    if (!done) ExpectHonest(done.error());
    return done.has_value();
  }

  DiskRange PartOf(const Window& window) {
    const uint64_t start = random_() % 3 == 0 ? 0 : random_() % window.bytes.size();
    const uint64_t rest = window.bytes.size() - start;
    return {window.disk_offset + start, random_() % 3 == 0 ? rest : 1 + random_() % rest};
  }

  DiskRange BlocksOf(const Window& window) {
    const uint64_t block = disk_.image_at_open(0).parameters.block_size_bytes;
    const uint64_t start = AlignDown(window.disk_offset, block);
    return {start, std::min(AlignUp(window.range().end(), block), disk_.size_bytes()) - start};
  }

  bool Write(DiskRange range) {
    std::vector<std::byte> bytes(range.length_bytes);
    const auto first = static_cast<unsigned>(random_());
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(first + i * 7);
    if (!Kept(disk_.Write(range.disk_offset, bytes))) return false;
    Remember(range, [&](uint64_t at) { return bytes[at - range.disk_offset]; });
    return true;
  }

  bool Clear(DiskRange range) {
    if (!Kept(random_() % 2 == 0 ? disk_.WriteZeroes(range) : disk_.Trim(range))) return false;
    Remember(range, [](uint64_t) { return std::byte{0}; });
    return true;
  }

  template <typename ByteAt>
  void Remember(DiskRange range, ByteAt byte_at) {
    for (Window& window : windows_) {
      const uint64_t end = std::min(range.end(), window.range().end());
      for (uint64_t at = std::max(range.disk_offset, window.disk_offset); at < end; ++at) {
        window.bytes[at - window.disk_offset] = byte_at(at);
      }
    }
  }

  Disk& disk_;
  std::mt19937_64& random_;
  std::vector<Window> windows_;
};

void ExpectReopens(MemoryFileSystem& files, const WriteTrial& trial, bool was_sound) {
  auto disk = Disk::Open(files, kPaths[0]);
  Expect(disk.has_value(), "what was written opens again");
  trial.ExpectContents(**disk);
  if (was_sound) Expect(IsSound(files), "a sound image stays sound");
}

int TryInput(Input input) {
  const auto placed = PlaceFiles(input.rest());
  if (placed == nullptr || placed->contents[0]->size() > kMaxFileLength) return -1;
  std::vector<std::shared_ptr<MemoryContents>> before;
  for (const auto& contents : placed->contents) before.push_back(contents->Copy());
  const auto expect_untouched = [&](size_t first) {
    for (size_t i = first; i < before.size(); ++i) {
      Expect(placed->contents[i]->HasBytesOf(*before[i]), "what is not written does not change");
    }
  };

  std::mt19937_64 random(Crc32c(input.rest()));
  WriteLimits limits{.least_growth_bytes = kMiB, .most_growth_bytes = 4 * kMiB};
  if (random() % 2 == 0) limits.log_sectors = 8;
  if (random() % 2 == 0) limits.pages_per_entry = 1;
  const bool was_sound = IsSound(placed->files);
  auto disk = OpenDisk(placed->files, kPaths[0], {.access = DiskAccess::kReadWrite}, limits);
  if (!disk) {
    ExpectHonest(disk.error());
    // Files of more than 256 TiB are not written, sound or not.
    Expect(!was_sound || disk.error().code == ErrorCode::kUnsupported,
           "a sound image can be written");
    expect_untouched(0);
    return 0;
  }
  WriteTrial trial(**disk, random);
  trial.Prepare();
  expect_untouched(0);
  if (!trial.empty() && trial.Run()) {
    ExpectReopens(*AfterKill(*placed), trial, was_sound);
    const auto closed = (*disk)->Close();
    Expect(closed.has_value(), "a disk that works closes");
    disk->reset();
    ExpectReopens(placed->files, trial, was_sound);
  } else {
    disk->reset();
    Expect(Disk::Open(placed->files, kPaths[0]).has_value(), "what was opened opens again");
  }
  expect_untouched(1);
  return 0;
}

}  // namespace
}  // namespace vhdx::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return vhdx::fuzz::TryInput(vhdx::fuzz::Input(data, size));
}
