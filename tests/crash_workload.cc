#include "tests/crash_workload.h"

#include <algorithm>
#include <array>
#include <thread>
#include <utility>

#include "bytes/arithmetic.h"

namespace vhdx::tests {
namespace {

constexpr uint64_t kBlockBytes = CrashDisk::kBlockBytes;
constexpr uint64_t kLongestWrite = 24 * kKiB;

double Fraction(std::mt19937_64& random) {
  return std::uniform_real_distribution<double>(0, 1)(random);
}

// The guest of one thread.
class Guest {
 public:
  Guest(const CrashWorkload& workload, CrashSession& session, uint64_t seed)
      : workload_(workload),
        session_(session),
        random_(seed),
        block_count_(std::min(workload.blocks, session.disk.blocks().size())) {}

  Result<void> Step() {
    double drawn = Fraction(random_);
    if ((drawn -= workload_.flushes) < 0) return FlushStep(session_);
    const bool whole_block = Fraction(random_) < (workload_.whole_blocks ? 0.3 : 0.04);
    if ((drawn -= workload_.trims) < 0) {
      // Most trims free something.
      return TrimStep(session_, random_() % 3 != 0 ? WholeBlock() : RandomRange());
    }
    const DiskRange range = whole_block ? WholeBlock() : RandomRange();
    if ((drawn -= workload_.zeroes) < 0) return ZeroStep(session_, range);
    return WriteStep(session_, range);
  }

 private:
  uint64_t NextBlock() {
    const size_t index = workload_.in_order ? next_++ : random_();
    return session_.disk.blocks()[index % block_count_];
  }

  DiskRange WholeBlock() {
    const uint64_t start = NextBlock() * kBlockBytes;
    return {start, std::min(kBlockBytes, session_.disk.size_bytes() - start)};
  }

  // Near the ends of a block more often than not, and now and then over the end.
  DiskRange RandomRange() {
    const uint64_t unit = random_() % 8 == 0 ? 512 : session_.disk.shape().sector_size;
    const uint64_t start = NextBlock() * kBlockBytes;
    const uint64_t room = random_() % 4 == 0 ? kLongestWrite : 8 * kKiB;
    const uint64_t length = unit * (1 + random_() % std::max<uint64_t>(room / unit, 1));
    const uint64_t near = AlignDown(random_() % (32 * kKiB), unit);
    uint64_t offset = start + near;
    switch (random_() % 4) {
      case 0:
        offset = start + kBlockBytes / 2 + near;
        break;
      case 1:
        offset = start + kBlockBytes - near - unit;
        break;
      default:
        break;
    }
    offset = std::min(offset, session_.disk.size_bytes() - unit);
    return {offset, std::min(length, session_.disk.size_bytes() - offset)};
  }

  const CrashWorkload& workload_;
  CrashSession& session_;
  std::mt19937_64 random_;
  const size_t block_count_;
  size_t next_ = 0;
};

Result<void> Finish(CrashSession& session, testing::DiskHistory::Step step, Result<void> result) {
  const size_t mark = session.store.Mark();
  if (result) {
    session.history.End(step, mark);
  } else {
    session.history.Fail(step, mark);
  }
  return result;
}

}  // namespace

Result<void> WriteStep(CrashSession& session, DiskRange range) {
  const auto write = session.history.BeginWrite(range, session.store.Mark());
  std::vector<std::byte> bytes(range.length_bytes);
  testing::FillGuestPattern(write.number, range.disk_offset, bytes);
  return Finish(session, write.step, session.device.Write(range.disk_offset, bytes));
}

Result<void> ZeroStep(CrashSession& session, DiskRange range) {
  const auto step = session.history.BeginZeroes(range, session.store.Mark());
  return Finish(session, step, session.device.WriteZeroes(range));
}

Result<void> TrimStep(CrashSession& session, DiskRange range) {
  const auto step = session.history.BeginZeroes(range, session.store.Mark());
  return Finish(session, step, session.device.Trim(range));
}

Result<void> FlushStep(CrashSession& session) {
  const auto step = session.history.BeginFlush(session.store.Mark());
  return Finish(session, step, session.device.Flush());
}

CrashWorkload CrashWorkload::Random(std::mt19937_64& random) {
  CrashWorkload workload;
  workload.threads = std::array{1U, 1U, 2U, 4U}[random() % 4];
  workload.steps = 10 + static_cast<int>(random() % 24);
  workload.steps /= workload.threads == 4 ? 2 : 1;
  workload.flushes = std::array{0.15, 0.3, 0.5}[random() % 3];
  workload.trims = std::array{0.05, 0.2, 0.4}[random() % 3];
  if (random() % 3 == 0) workload.blocks = 2;
  workload.whole_blocks = random() % 6 == 0;
  workload.in_order = random() % 3 == 0;
  return workload;
}

Result<void> Run(const CrashWorkload& workload, CrashSession& session, uint64_t seed) {
  std::vector<Result<void>> results(workload.threads);
  const auto run_guest = [&](unsigned thread) {
    Guest guest(workload, session, seed * 64 + thread);
    for (int step = 0; step < workload.steps && results[thread]; ++step) {
      results[thread] = guest.Step();
    }
  };
  if (workload.threads == 1) {
    run_guest(0);
  } else {
    std::vector<std::jthread> threads;
    for (unsigned thread = 0; thread < workload.threads; ++thread) {
      threads.emplace_back(run_guest, thread);
    }
  }
  for (Result<void>& result : results) {
    if (!result) return std::move(result);
  }
  return {};
}

}  // namespace vhdx::tests
