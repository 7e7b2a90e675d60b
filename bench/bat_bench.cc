// bat_bench (make FILE TIB | read FILE | open FILE | check FILE): what a full block allocation
// table costs whoever has to look at all of it.
//
//   make   makes an image of that many TiB in blocks of 1 MiB, all present; only the table is
//          written, the blocks are a hole
//   read   reads the table once, with pread
//   open   opens the disk for writing
//   check  checks the image
//
// All but `make` print {"seconds": S, "rate": 1/S}. bench/run alternates them.

#include <fcntl.h>
#include <unistd.h>
#include <vhdxkit/check.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/dump.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bytes/arithmetic.h"
#include "testing/full_image_file.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t kPieceBytes = 256 * vhdx::kKiB;

bool Make(const std::string& path, uint64_t size_bytes) {
  vhdx::testing::FullImageFile image({.disk_size = size_bytes, .block_size = vhdx::kMiB});
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return false;
  std::vector<std::byte> bytes(vhdx::kMiB);
  bool done = ftruncate(file, static_cast<off_t>(image.Size().value_or(0))) == 0;
  for (uint64_t at = 0; done && at < image.layout().end; at += bytes.size()) {
    done = image.ReadExactAt(at, bytes).has_value() &&
           pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(at)) ==
               static_cast<ssize_t>(bytes.size());
  }
  return close(file) == 0 && done;
}

std::optional<vhdx::FileRange> FindTable(const std::string& path) {
  vhdx::HostFileSystem files;
  const auto dump = vhdx::ImageDump::Open(files, path);
  return dump ? (*dump)->structures().bat.region : std::nullopt;
}

bool Read(const std::string& path, vhdx::FileRange range) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  std::vector<std::byte> bytes(kPieceBytes);
  bool done = true;
  for (uint64_t at = 0; done && at < range.length_bytes; at += bytes.size()) {
    done = pread(file, bytes.data(), bytes.size(), static_cast<off_t>(range.file_offset + at)) ==
           static_cast<ssize_t>(bytes.size());
  }
  return close(file) == 0 && done;
}

// Prints how long it took; whether it succeeded.
bool Time(const std::function<bool()>& work) {
  const auto start = Clock::now();
  if (!work()) return false;
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  std::printf("{\"seconds\": %.6f, \"rate\": %.3f}\n", seconds, 1 / seconds);
  return true;
}

bool TimeOpening(const std::string& path) {
  vhdx::HostFileSystem files;
  std::unique_ptr<vhdx::Disk> disk;  // closed when the clock has stopped
  return Time([&] {
    auto opened = vhdx::Disk::Open(files, path, {.access = vhdx::DiskAccess::kReadWrite});
    if (opened) disk = *std::move(opened);
    return disk != nullptr;
  });
}

bool TimeCheck(const std::string& path) {
  vhdx::HostFileSystem files;
  return Time([&] {
    const auto report = vhdx::Check(files, path);
    return report && report->verdict == vhdx::CheckVerdict::kClean;
  });
}

bool Run(std::string_view what, const std::string& path, uint64_t size_tib) {
  if (what == "make") return Make(path, size_tib * vhdx::kTiB);
  if (what == "open") return TimeOpening(path);
  if (what == "check") return TimeCheck(path);
  const auto range = FindTable(path);
  return what == "read" && range && Time([&] { return Read(path, *range); });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const uint64_t size_tib = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 0;
  if (Run(argv[1], argv[2], size_tib)) return 0;
  std::fprintf(stderr, "bat_bench: cannot %s %s\n", argv[1], argv[2]);
  return 1;
}
