// request_bench (raw|vhdx) FILE [OPTION...]: requests of 4 KiB, and how many a second. Both ways
// issue the same requests out of the same buffers; one asks the host for a raw file, the other
// vhdx::Disk.
//
//   --write              writes instead of reads
//   --threads N          requests under way at once (1)
//   --seconds S          at random offsets, for so long (0.3)
//   --count N --step B   N requests, one every B bytes, and a flush at the end, which counts
//   --flush-each         ... and one behind each request
//   --direct             past the page cache
//   --serving            cached as for a server (vhdx only)
//   --trim               instead of requests: all of it is trimmed at once, and the rate is one a
//   run
//
// Prints {"requests": N, "seconds": S, "rate": N/S}, and for vhdx what the engine counted.
// bench/run alternates the two.

#include <fcntl.h>
#include <unistd.h>
#include <vhdxkit/disk.h>

#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "bytes/formatting.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t kRequestBytes = 4096;
// Requests between two looks at the clock.
constexpr int kBatch = 64;
constexpr double kWarmUpSeconds = 0.05;

/// One request of kRequestBytes at an offset; false if it failed.
using Request = std::function<bool(uint64_t offset, vhdx::MutableByteSpan buffer)>;

struct Target {
  uint64_t size_bytes = 0;
  Request request;
  std::function<bool()> flush;
  std::function<bool()> trim;
  std::function<std::string()> counters = [] { return std::string(); };
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

struct Arguments {
  std::string_view mode;
  std::string path;
  unsigned threads = 1;
  double seconds = 0.3;
  uint64_t count = 0;
  uint64_t step = kRequestBytes;
  bool write = false;
  bool flush_each = false;
  bool direct = false;
  bool serving = false;
  bool trim = false;
};

std::unique_ptr<std::byte[], decltype(&std::free)> NewBuffer() {
  void* const memory = std::aligned_alloc(kRequestBytes, kRequestBytes);
  std::memset(memory, 0x5A, kRequestBytes);
  return {static_cast<std::byte*>(memory), &std::free};
}

Score RequestUntil(const Target& target, uint64_t seed, Clock::time_point end) {
  Score score;
  Offsets offsets(seed, target.size_bytes);
  const auto buffer = NewBuffer();
  while (Clock::now() < end) {
    for (int i = 0; i < kBatch; ++i) {
      if (!target.request(offsets.Next(), {buffer.get(), kRequestBytes})) score.failed = true;
    }
    score.requests += kBatch;
  }
  return score;
}

Score RequestInSteps(const Target& target, const Arguments& arguments,
                     std::atomic<uint64_t>& next) {
  Score score;
  const auto buffer = NewBuffer();
  for (uint64_t i = next++; i < arguments.count; i = next++) {
    bool done = target.request(i * arguments.step, {buffer.get(), kRequestBytes});
    if (done && arguments.flush_each) done = target.flush();
    score.failed = score.failed || !done;
    ++score.requests;
  }
  return score;
}

template <typename Work>
Score RunThreads(unsigned thread_count, Work work) {
  const auto start = Clock::now();
  std::vector<Score> scores(thread_count);
  {
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < thread_count; ++i) {
      threads.emplace_back([&, i] { scores[i] = work(i); });
    }
  }
  Score total;
  for (const Score& score : scores) {
    total.requests += score.requests;
    total.failed = total.failed || score.failed;
  }
  total.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return total;
}

Score MeasureRandom(const Target& target, unsigned threads, double seconds) {
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                      std::chrono::duration<double>(seconds));
  return RunThreads(threads, [&](unsigned i) { return RequestUntil(target, i + 1, end); });
}

Score MeasureSteps(const Target& target, const Arguments& arguments) {
  std::atomic<uint64_t> next = 0;
  const auto start = Clock::now();
  Score score = RunThreads(arguments.threads,
                           [&](unsigned) { return RequestInSteps(target, arguments, next); });
  score.failed = score.failed || !target.flush();
  score.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return score;
}

Score MeasureTrim(const Target& target) {
  const auto start = Clock::now();
  const bool done = target.trim();
  const std::chrono::duration<double> took = Clock::now() - start;
  return {.requests = 1, .seconds = took.count(), .failed = !done};
}

Score Measure(const Target& target, const Arguments& arguments) {
  if (arguments.trim) return MeasureTrim(target);
  if (arguments.count > 0) return MeasureSteps(target, arguments);
  (void)MeasureRandom(target, arguments.threads, kWarmUpSeconds);
  return MeasureRandom(target, arguments.threads, arguments.seconds);
}

Target OpenRaw(const Arguments& arguments) {
  const bool writes = arguments.write || arguments.trim;
  const int flags = (writes ? O_RDWR : O_RDONLY) | (arguments.direct ? O_DIRECT : 0);
  const int fd = ::open(arguments.path.c_str(), flags | O_CLOEXEC);
  const off_t size = fd < 0 ? -1 : ::lseek(fd, 0, SEEK_END);
  if (size < 0) return {};
  Target target{.size_bytes = static_cast<uint64_t>(size),
                .request = {},
                .flush = [fd] { return ::fdatasync(fd) == 0; },
                .trim =
                    [fd, size] {
                      return ::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, size) ==
                             0;
                    }};
  const auto whole = [](ssize_t moved) { return moved == static_cast<ssize_t>(kRequestBytes); };
  if (arguments.write) {
    target.request = [fd, whole](uint64_t offset, vhdx::MutableByteSpan buffer) {
      return whole(::pwrite(fd, buffer.data(), buffer.size(), static_cast<off_t>(offset)));
    };
  } else {
    target.request = [fd, whole](uint64_t offset, vhdx::MutableByteSpan buffer) {
      return whole(::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(offset)));
    };
  }
  return target;
}

std::string CountersOf(const vhdx::Disk& disk) {
  const vhdx::EngineCounters counters = disk.counters();
  return vhdx::Format(R"(, "syncs": {}, "log-entries": {}, "allocations": {}, "punches": {})",
                      counters.syncs, counters.log_entries, counters.allocations, counters.punches);
}

Target OpenVhdx(const Arguments& arguments) {
  vhdx::HostFileSystem files;
  const bool writes = arguments.write || arguments.trim;
  const auto opened_for = writes ? vhdx::DiskAccess::kReadWrite : vhdx::DiskAccess::kReadOnly;
  const auto cache = arguments.serving ? vhdx::PageCache::kForServing : vhdx::PageCache::kAsHost;
  auto opened =
      vhdx::Disk::Open(files, arguments.path,
                       {.access = opened_for, .direct = arguments.direct, .page_cache = cache});
  if (!opened) {
    std::fprintf(stderr, "%s\n", vhdx::ToString(opened.error()).c_str());
    return {};
  }
  const std::shared_ptr<vhdx::Disk> disk = *std::move(opened);
  Target target{.size_bytes = disk->size_bytes(),
                .request = {},
                .flush = [disk] { return disk->Flush().has_value(); },
                .trim = [disk] { return disk->Trim({0, disk->size_bytes()}).has_value(); },
                .counters = [disk] { return CountersOf(*disk); }};
  if (arguments.write) {
    target.request = [disk](uint64_t offset, vhdx::MutableByteSpan buffer) {
      return disk->Write(offset, buffer).has_value();
    };
  } else {
    target.request = [disk](uint64_t offset, vhdx::MutableByteSpan buffer) {
      return disk->Read(offset, buffer).has_value();
    };
  }
  return target;
}

template <typename Number>
bool ParseNumber(std::string_view text, Number& number) {
  return std::from_chars(text.data(), text.data() + text.size(), number).ec == std::errc();
}

bool Parse(const std::vector<std::string_view>& words, Arguments& arguments) {
  if (words.size() < 2 || (words[0] != "raw" && words[0] != "vhdx")) return false;
  arguments.mode = words[0];
  arguments.path = words[1];
  for (size_t i = 2; i < words.size(); ++i) {
    const std::string_view option = words[i];
    if (option == "--write") {
      arguments.write = true;
    } else if (option == "--flush-each") {
      arguments.flush_each = true;
    } else if (option == "--direct") {
      arguments.direct = true;
    } else if (option == "--serving") {
      arguments.serving = true;
    } else if (option == "--trim") {
      arguments.trim = true;
    } else if (i + 1 == words.size()) {
      return false;
    } else if (const std::string_view value = words[++i]; option == "--threads") {
      if (!ParseNumber(value, arguments.threads)) return false;
    } else if (option == "--seconds") {
      if (!ParseNumber(value, arguments.seconds)) return false;
    } else if (option == "--count") {
      if (!ParseNumber(value, arguments.count)) return false;
    } else if (option != "--step" || !ParseNumber(value, arguments.step)) {
      return false;
    }
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (!Parse({argv + 1, argv + argc}, arguments)) {
    std::fprintf(stderr,
                 "usage: %s (raw|vhdx) FILE [--write] [--threads N] [--direct] [--serving]\n"
                 "       [--seconds S | --count N --step BYTES [--flush-each] | --trim]\n",
                 argv[0]);
    return 64;
  }
  const Target target = arguments.mode == "raw" ? OpenRaw(arguments) : OpenVhdx(arguments);
  if (target.size_bytes < kRequestBytes) {
    std::fprintf(stderr, "%s cannot be opened, or is too small\n", arguments.path.c_str());
    return 1;
  }
  const Score score = Measure(target, arguments);
  if (score.failed) {
    std::fprintf(stderr, "%s: a request failed\n", arguments.path.c_str());
    return 1;
  }
  std::printf("%s\n",
              vhdx::Format(R"({{"requests": {}, "seconds": {:.6f}, "rate": {:.1f}{}}})",
                           score.requests, score.seconds,
                           static_cast<double>(score.requests) / score.seconds, target.counters())
                  .c_str());
  return 0;
}
