#include <vhdxkit/compare.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "bytes/aligned_buffer.h"
#include "bytes/arithmetic.h"
#include "bytes/border.h"
#include "bytes/mutex.h"
#include "bytes/progress_meter.h"
#include "bytes/same_bytes.h"
#include "bytes/try.h"
#include "bytes/zeros.h"
#include "ops/extent_walk.h"
#include "ops/shared_space.h"
#include "ops/workers.h"

namespace vhdx {
namespace {

// Read from both sides and compared at once.
constexpr uint64_t kComparedPiece = 512 * kKiB;
constexpr uint64_t kDifferenceUnit = 512;
constexpr unsigned kThreads = 2;

// A range in which at least one side has bytes in a file.
struct Piece {
  DiskRange range;
  bool a_has_data = false;
  bool b_has_data = false;
};

// One of the disks, followed by zeros up to the length of the longer one.
class Side {
 public:
  Side(BlockDevice& device, uint64_t total_bytes)
      : walk_(device, {0, device.size_bytes()}), total_bytes_(total_bytes) {}

  Result<Extent> At(uint64_t position) {
    auto extent = VHDX_TRY(walk_.Peek());
    behind_end_ = !extent;
    if (behind_end_) return Extent{.range = {position, total_bytes_ - position}};
    return *extent;
  }

  void Skip(uint64_t length_bytes) {
    if (!behind_end_) walk_.Skip(length_bytes);
  }

 private:
  ExtentWalk walk_;
  uint64_t total_bytes_;
  bool behind_end_ = false;
};

// The very same bytes of the very same file: a parent that two children share.
bool AreOneAndTheSame(const Extent& a, const Extent& b) { return a.place && a.place == b.place; }

// Hands out, in order and to any number of threads, what the extents alone do not tell to be equal.
class PieceQueue {
 public:
  PieceQueue(BlockDevice& a, BlockDevice& b, ProgressMeter& progress)
      : total_bytes_(std::max(a.size_bytes(), b.size_bytes())),
        progress_(progress),
        a_(a, total_bytes_),
        b_(b, total_bytes_) {}

  Result<std::optional<Piece>> Next() VHDX_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    while (position_ < total_bytes_) {
      auto a = VHDX_TRY(a_.At(position_));
      auto b = VHDX_TRY(b_.At(position_));
      Piece piece{.range = {position_, std::min(a.range.length_bytes, b.range.length_bytes)},
                  .a_has_data = a.kind == ExtentKind::kData,
                  .b_has_data = b.kind == ExtentKind::kData};
      const bool equal = (!piece.a_has_data && !piece.b_has_data) || AreOneAndTheSame(a, b);
      if (!equal) piece.range.length_bytes = std::min(piece.range.length_bytes, kComparedPiece);
      position_ += piece.range.length_bytes;
      a_.Skip(piece.range.length_bytes);
      b_.Skip(piece.range.length_bytes);
      if (!equal) return piece;
      progress_.Add(piece.range.length_bytes);
    }
    return std::nullopt;
  }

 private:
  const uint64_t total_bytes_;
  ProgressMeter& progress_;
  Mutex mutex_;
  uint64_t position_ VHDX_GUARDED_BY(mutex_) = 0;
  Side a_ VHDX_GUARDED_BY(mutex_);
  Side b_ VHDX_GUARDED_BY(mutex_);
};

// What differs, gathered from all threads.
class Differences {
 public:
  explicit Differences(bool all) : all_(all) {}

  void Add(uint64_t first, const std::vector<DiskRange>& ranges) VHDX_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    first_ = std::min(first_.value_or(first), first);
    ranges_.insert(ranges_.end(), ranges.begin(), ranges.end());
  }

  // Pieces are handed out in order: what comes later cannot be the first difference any more.
  bool Enough() VHDX_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return !all_ && first_;
  }

  std::optional<uint64_t> first() VHDX_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return first_;
  }

  std::vector<DiskRange> Merged() VHDX_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    std::ranges::sort(ranges_);
    std::vector<DiskRange> merged;
    for (const DiskRange& range : ranges_) {
      if (!merged.empty() && merged.back().end() == range.disk_offset) {
        merged.back().length_bytes += range.length_bytes;
      } else {
        merged.push_back(range);
      }
    }
    if (!all_ && merged.size() > 1) merged.resize(1);
    return merged;
  }

 private:
  const bool all_;
  Mutex mutex_;
  std::optional<uint64_t> first_ VHDX_GUARDED_BY(mutex_);
  std::vector<DiskRange> ranges_ VHDX_GUARDED_BY(mutex_);
};

// The units of a piece that differ, merged.
std::vector<DiskRange> DifferingUnits(DiskRange range, ByteSpan a, ByteSpan b) {
  std::vector<DiskRange> units;
  for (uint64_t start = 0; start < a.size();) {
    const uint64_t to_boundary = kDifferenceUnit - (range.disk_offset + start) % kDifferenceUnit;
    const uint64_t length = std::min<uint64_t>(to_boundary, a.size() - start);
    const uint64_t disk_offset = range.disk_offset + start;
    if (std::memcmp(a.data() + start, b.data() + start, length) != 0) {
      if (!units.empty() && units.back().end() == disk_offset) {
        units.back().length_bytes += length;
      } else {
        units.push_back({disk_offset, length});
      }
    }
    start += length;
  }
  return units;
}

class Comparison {
 public:
  Comparison(BlockDevice& a, BlockDevice& b, const CompareOptions& options,
             const OperationControl& control)
      : a_(a),
        b_(b),
        control_(control),
        progress_(control, std::max(a.size_bytes(), b.size_bytes())),
        queue_(a, b, progress_),
        differences_(options.all_differences) {}

  Result<CompareReport> Run() {
    VHDX_TRY(workers_.Run(kThreads, [this](unsigned) { return Work(); }));
    CompareReport report;
    report.first_difference = differences_.first();
    report.identical = !report.first_difference;
    report.differences = differences_.Merged();
    return report;
  }

 private:
  Result<void> Work() {
    const AlignedBuffer a_bytes(kComparedPiece);
    const AlignedBuffer b_bytes(kComparedPiece);
    while (!workers_.stopping() && !differences_.Enough()) {
      if (control_.cancelled()) return Fail(ErrorCode::kCancelled, "the comparison was cancelled");
      auto piece = VHDX_TRY(queue_.Next());
      if (!piece) return {};
      const DiskRange range = piece->range;
      const MutableByteSpan a = a_bytes.bytes().first(range.length_bytes);
      const MutableByteSpan b = b_bytes.bytes().first(range.length_bytes);
      VHDX_TRY(ComparePiece(*piece, a, b));
      progress_.Add(range.length_bytes);
    }
    return {};
  }

  Result<void> ComparePiece(const Piece& piece, MutableByteSpan a, MutableByteSpan b) {
    VHDX_TRY(ReadSide(a_, piece.a_has_data, piece.range, a));
    VHDX_TRY(ReadSide(b_, piece.b_has_data, piece.range, b));
    if (Equal(piece, a, b)) return {};
    if (!piece.a_has_data) std::ranges::fill(a, std::byte{0});
    if (!piece.b_has_data) std::ranges::fill(b, std::byte{0});
    const auto first = std::ranges::mismatch(a, b).in1 - a.begin();
    differences_.Add(piece.range.disk_offset + static_cast<uint64_t>(first),
                     DifferingUnits(piece.range, a, b));
    return {};
  }

  static Result<void> ReadSide(BlockDevice& device, bool has_data, DiskRange range,
                               MutableByteSpan buffer) {
    return has_data ? device.Read(range.disk_offset, buffer) : Result<void>{};
  }

  // A side without data is not in its buffer: it is zeros.
  static bool Equal(const Piece& piece, ByteSpan a, ByteSpan b) {
    if (!piece.a_has_data) return IsAllZero(b);
    if (!piece.b_has_data) return IsAllZero(a);
    return SameBytes(a, b);
  }

  BlockDevice& a_;
  BlockDevice& b_;
  const OperationControl& control_;
  ProgressMeter progress_;
  PieceQueue queue_;
  Differences differences_;
  Workers workers_;
};

}  // namespace

Result<CompareReport> Compare(BlockDevice& a, BlockDevice& b, const CompareOptions& options,
                              const OperationControl& control) try {
  const bool sizes_forbid = options.strict && a.size_bytes() != b.size_bytes();
  CompareReport report;
  // Without a wish for all differences, the answer is known before anything is read.
  if (!sizes_forbid || options.all_differences) {
    for (BlockDevice* const device : {&a, &b}) {
      VHDX_TRY(RefuseSharedSpace(*device));
    }
    report = VHDX_TRY(Comparison(a, b, options, control).Run());
  }
  if (sizes_forbid) report.identical = false;
  report.size_a_bytes = a.size_bytes();
  report.size_b_bytes = b.size_bytes();
  return report;
} catch (...) {
  return CaughtException();
}

}  // namespace vhdx
