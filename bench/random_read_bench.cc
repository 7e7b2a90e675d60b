// random_read_bench (raw|vhdx) FILE --threads N --seconds S: random reads of 4 KiB, and how many a
// second. Both ways draw the same offsets into the same buffers; one asks pread, the other
// vhdx::Disk.
//
// Prints {"requests": N, "seconds": S, "rate": N/S}. bench/run alternates the two.

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <vhdxkit/disk.h>

#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t kRequestBytes = 4096;
// Requests between two looks at the clock.
constexpr int kBatch = 64;
constexpr double kWarmUpSeconds = 0.05;

/// Reads kRequestBytes at an offset; false if that failed.
using ReadFunction = std::function<bool(uint64_t offset, vhdx::MutableByteSpan buffer)>;

struct Source {
  uint64_t size_bytes = 0;
  ReadFunction read;
};

class Offsets {
 public:
  Offsets(uint64_t seed, uint64_t size_bytes)
      : state_(seed * 0x9E3779B97F4A7C15U + 1), count_(size_bytes / kRequestBytes) {}

  uint64_t Next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_ % count_ * kRequestBytes;
  }

 private:
  uint64_t state_;
  uint64_t count_;
};

struct Score {
  uint64_t requests = 0;
  double seconds = 0;
  bool failed = false;
};

Score ReadUntil(const Source& source, uint64_t seed, Clock::time_point end) {
  Score score;
  Offsets offsets(seed, source.size_bytes);
  std::vector<std::byte> buffer(kRequestBytes);
  while (Clock::now() < end) {
    for (int i = 0; i < kBatch; ++i) {
      if (!source.read(offsets.Next(), buffer)) score.failed = true;
    }
    score.requests += kBatch;
  }
  return score;
}

Score Measure(const Source& source, unsigned thread_count, double seconds) {
  const auto start = Clock::now();
  const auto end =
      start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  std::vector<Score> scores(thread_count);
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < thread_count; ++i) {
    threads.emplace_back([&, i] { scores[i] = ReadUntil(source, i + 1, end); });
  }
  for (std::thread& thread : threads) thread.join();
  Score total;
  total.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  for (const Score& score : scores) {
    total.requests += score.requests;
    total.failed = total.failed || score.failed;
  }
  return total;
}

Source OpenRaw(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const off_t size = fd < 0 ? -1 : ::lseek(fd, 0, SEEK_END);
  if (size < 0) return {};
  return {static_cast<uint64_t>(size), [fd](uint64_t offset, vhdx::MutableByteSpan buffer) {
            return ::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(offset)) ==
                   static_cast<ssize_t>(buffer.size());
          }};
}

Source OpenVhdx(const std::string& path) {
  vhdx::HostFileSystem files;
  auto opened = vhdx::Disk::Open(files, path);
  if (!opened) {
    std::fprintf(stderr, "%s\n", vhdx::ToString(opened.error()).c_str());
    return {};
  }
  const std::shared_ptr<vhdx::Disk> disk = *std::move(opened);
  return {disk->size_bytes(), [disk](uint64_t offset, vhdx::MutableByteSpan buffer) {
            return disk->Read(offset, buffer).has_value();
          }};
}

struct Arguments {
  std::string_view mode;
  std::string path;
  unsigned threads = 1;
  double seconds = 0.3;
};

bool Parse(int argc, char** argv, Arguments& arguments) {
  if (argc < 3) return false;
  arguments.mode = argv[1];
  arguments.path = argv[2];
  if (arguments.mode != "raw" && arguments.mode != "vhdx") return false;
  for (int i = 3; i + 1 < argc; i += 2) {
    const std::string_view option = argv[i];
    const std::string_view value = argv[i + 1];
    const char* end = value.data() + value.size();
    if (option == "--threads") {
      std::from_chars(value.data(), end, arguments.threads);
    } else if (option == "--seconds") {
      std::from_chars(value.data(), end, arguments.seconds);
    } else {
      return false;
    }
  }
  return argc % 2 == 1;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (!Parse(argc, argv, arguments)) {
    std::fprintf(stderr, "usage: %s (raw|vhdx) FILE [--threads N] [--seconds S]\n", argv[0]);
    return 64;
  }
  const Source source =
      arguments.mode == "raw" ? OpenRaw(arguments.path) : OpenVhdx(arguments.path);
  if (source.size_bytes < kRequestBytes) {
    std::fprintf(stderr, "%s cannot be opened, or is too small\n", arguments.path.c_str());
    return 1;
  }
  (void)Measure(source, arguments.threads, kWarmUpSeconds);
  const Score score = Measure(source, arguments.threads, arguments.seconds);
  if (score.failed) {
    std::fprintf(stderr, "%s: a read failed\n", arguments.path.c_str());
    return 1;
  }
  std::printf("%s\n", fmt::format(R"({{"requests": {}, "seconds": {:.6f}, "rate": {:.1f}}})",
                                  score.requests, score.seconds,
                                  static_cast<double>(score.requests) / score.seconds)
                          .c_str());
  return 0;
}
