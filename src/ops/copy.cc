#include <vhdxkit/convert.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "bytes/aligned_buffer.h"
#include "bytes/arithmetic.h"
#include "bytes/border.h"
#include "bytes/mutex.h"
#include "bytes/progress_meter.h"
#include "bytes/size_format.h"
#include "bytes/try.h"
#include "ops/shared_space.h"
#include "ops/workers.h"
#include "ops/zero_runs.h"

namespace vhdx {
namespace {

// Read, looked at and written at once: so long that the calls and the waking of threads cost
// nothing beside the copy, and still in the processor's cache between the three.
constexpr uint64_t kCopyPiece = 2 * kMiB;
constexpr uint64_t kClonePiece = 256 * kMiB;
constexpr uint64_t kZeroPiece = kGiB;
constexpr size_t kExtentsAtATime = 1024;
constexpr unsigned kMaxThreads = 4;

// Hands out the source, piece by piece, to any number of threads.
class ExtentQueue {
 public:
  ExtentQueue(BlockDevice& source, bool want_zeros) : source_(source), want_zeros_(want_zeros) {}

  // The next piece: a part of one extent that is worth a thread's while. Nothing: the end.
  Result<std::optional<Extent>> Next(bool whole_extents) VHDX_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    for (;;) {
      if (next_ == extents_.size()) {
        if (position_ == source_.size_bytes()) return std::nullopt;
        VHDX_TRY(Refill());
      }
      Extent& extent = extents_[next_];
      const bool data = extent.kind == ExtentKind::kData;
      const uint64_t limit = !data ? kZeroPiece : whole_extents ? kClonePiece : kCopyPiece;
      Extent piece = extent;
      piece.range.length_bytes = std::min(limit, extent.range.length_bytes);
      extent.range.disk_offset += piece.range.length_bytes;
      extent.range.length_bytes -= piece.range.length_bytes;
      if (extent.range.length_bytes == 0) ++next_;
      if (data || want_zeros_) return piece;
      skipped_bytes_ += piece.range.length_bytes;
    }
  }

  uint64_t skipped_bytes() VHDX_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return skipped_bytes_;
  }

 private:
  Result<void> Refill() VHDX_REQUIRES(mutex_) {
    auto extents =
        VHDX_TRY(source_.Extents({position_, source_.size_bytes() - position_}, kExtentsAtATime));
    extents_ = std::move(extents);
    next_ = 0;
    position_ = extents_.back().range.end();
    return {};
  }

  BlockDevice& source_;
  const bool want_zeros_;
  Mutex mutex_;
  std::vector<Extent> extents_ VHDX_GUARDED_BY(mutex_);
  size_t next_ VHDX_GUARDED_BY(mutex_) = 0;
  uint64_t position_ VHDX_GUARDED_BY(mutex_) = 0;
  uint64_t skipped_bytes_ VHDX_GUARDED_BY(mutex_) = 0;
};

class Copier {
 public:
  Copier(BlockDevice& source, BlockDevice& target, const CopyOptions& options,
         const OperationControl& control)
      : source_(source),
        target_(target),
        target_is_zero_(options.target == TargetContents::kZeros),
        control_(control),
        queue_(source, !target_is_zero_),
        meter_(control, source.size_bytes()) {}

  Result<CopyReport> Run(unsigned threads) {
    VHDX_TRY(workers_.Run(threads, [this](unsigned) { return Work(); }));
    CopyReport report{.copied_bytes = copied_, .cloned_bytes = cloned_};
    report.zero_bytes = source_.size_bytes() - report.copied_bytes - report.cloned_bytes;
    meter_.Reach(source_.size_bytes());
    return report;
  }

 private:
  Result<void> Work() {
    const AlignedBuffer buffer(kCopyPiece);
    while (!workers_.stopping()) {
      if (control_.cancelled()) return Fail(ErrorCode::kCancelled, "the operation was cancelled");
      auto piece = VHDX_TRY(queue_.Next(may_clone_.load(std::memory_order_relaxed)));
      if (!piece) return {};
      VHDX_TRY(CopyPiece(*piece, buffer.bytes()));
      done_ += piece->range.length_bytes;
      meter_.Reach(done_ + queue_.skipped_bytes());
    }
    return {};
  }

  Result<void> CopyPiece(const Extent& piece, std::span<std::byte> buffer) {
    if (piece.kind != ExtentKind::kData) return target_.Trim(piece.range);
    auto cloned = VHDX_TRY(TryClone(piece.range));
    if (cloned) return {};
    for (DiskRange left = piece.range; left.length_bytes > 0;) {
      auto step = VHDX_TRY(CopySome(left, buffer));
      left = {left.disk_offset + step, left.length_bytes - step};
    }
    return {};
  }

  Result<bool> TryClone(const DiskRange& range) {
    if (!IsAligned(range.disk_offset | range.length_bytes, kHoleUnit) ||
        !may_clone_.load(std::memory_order_relaxed)) {
      return false;
    }
    auto cloned = target_.CloneFrom(range.disk_offset, source_, range);
    if (cloned) {
      cloned_ += range.length_bytes;
      return true;
    }
    if (cloned.error().code != ErrorCode::kUnsupported) {
      return std::unexpected(std::move(cloned.error()));
    }
    may_clone_ = false;
    return false;
  }

  // Copies from the start of the range on, up to a buffer's worth; returns how far it came.
  Result<uint64_t> CopySome(DiskRange range, std::span<std::byte> buffer) {
    auto data = VHDX_TRY(source_.NextData(range));
    if (const uint64_t zeros = data - range.disk_offset; zeros > 0) {
      VHDX_TRY(PutZeros({range.disk_offset, zeros}));
      return zeros;
    }
    const auto bytes = buffer.first(std::min<uint64_t>(buffer.size(), range.length_bytes));
    VHDX_TRY(source_.Read(range.disk_offset, bytes));
    VHDX_TRY(Put(range.disk_offset, bytes));
    return bytes.size();
  }

  Result<void> Put(uint64_t disk_offset, ByteSpan bytes) {
    return ForEachRun(disk_offset, bytes, [this](const ByteRun& run) -> Result<void> {
      if (run.is_zero) return PutZeros({run.disk_offset, run.bytes.size()});
      // The host lets one thread at a time write to a file, and has the others spin meanwhile:
      // here they sleep.
      const MutexLock lock(writing_);
      auto written = target_.Write(run.disk_offset, run.bytes);
      if (written) copied_ += run.bytes.size();
      return written;
    });
  }

  Result<void> PutZeros(DiskRange range) {
    return target_is_zero_ ? Result<void>{} : target_.Trim(range);
  }

  BlockDevice& source_;
  BlockDevice& target_;
  const bool target_is_zero_;
  const OperationControl& control_;
  ExtentQueue queue_;
  ProgressMeter meter_;
  Workers workers_;
  std::atomic<bool> may_clone_ = true;
  std::atomic<uint64_t> copied_ = 0;
  std::atomic<uint64_t> cloned_ = 0;
  std::atomic<uint64_t> done_ = 0;
  Mutex writing_;
};

unsigned ThreadsFor(unsigned wanted) {
  if (wanted != 0) return wanted;
  return std::clamp(std::thread::hardware_concurrency(), 1U, kMaxThreads);
}

}  // namespace

Result<CopyReport> CopyContents(BlockDevice& source, BlockDevice& target,
                                const CopyOptions& options, const OperationControl& control) try {
  if (target.size_bytes() < source.size_bytes()) {
    return Fail(ErrorCode::kInvalidArgument,
                "the target has " + FormatSizeExactly(target.size_bytes()) +
                    ", and the source needs " + FormatSizeExactly(source.size_bytes()) +
                    "; choose a larger target",
                target.name());
  }
  VHDX_TRY(RefuseSharedSpace(source));
  return Copier(source, target, options, control).Run(ThreadsFor(options.threads));
} catch (...) {
  return CaughtException();
}

Result<CopyReport> StreamContents(BlockDevice& source, File& stream,
                                  const OperationControl& control) try {
  VHDX_TRY(RefuseSharedSpace(source));
  ProgressMeter meter(control, source.size_bytes());
  const AlignedBuffer buffer(kMiB);
  CopyReport report;
  for (uint64_t position = 0; position < source.size_bytes();) {
    if (control.cancelled()) return Fail(ErrorCode::kCancelled, "the operation was cancelled");
    const uint64_t length = std::min(kMiB, source.size_bytes() - position);
    const std::span<std::byte> piece = buffer.bytes().first(length);
    VHDX_TRY(source.Read(position, piece));
    VHDX_TRY(stream.WriteAt(position, ByteSpan(piece)));
    position += length;
    report.copied_bytes += length;
    meter.Add(length);
  }
  return report;
} catch (...) {
  return CaughtException();
}

}  // namespace vhdx
