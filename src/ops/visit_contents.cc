#include <vhdxkit/convert.h>

#include <algorithm>
#include <utility>

#include "bytes/aligned_buffer.h"
#include "bytes/border.h"
#include "bytes/progress_meter.h"
#include "bytes/try.h"
#include "ops/extent_walk.h"
#include "ops/shared_space.h"
#include "ops/zero_runs.h"

namespace vhdx {
namespace {

constexpr uint64_t kVisitPiece = kMiB;

class Visitor {
 public:
  using Visit = std::function<Result<void>(uint64_t disk_offset, ByteSpan bytes)>;

  Visitor(BlockDevice& source, const Visit& visit, const OperationControl& control)
      : source_(source),
        visit_(visit),
        control_(control),
        progress_(control, source.size_bytes()) {}

  Result<void> Run() {
    ExtentWalk walk(source_, {0, source_.size_bytes()});
    for (;;) {
      auto extent = VHDX_TRY(walk.Next());
      if (!extent) return {};
      progress_.Add(extent->range.length_bytes);
      if (extent->kind != ExtentKind::kData) continue;
      VHDX_TRY(ReadRange(extent->range));
    }
  }

 private:
  // Whole units, of which the first may have been seen as the last of an extent before.
  Result<void> ReadRange(DiskRange range) {
    const uint64_t end = std::min(AlignUp(range.end(), kHoleUnit), source_.size_bytes());
    for (uint64_t at = std::max(AlignDown(range.disk_offset, kHoleUnit), next_); at < end;) {
      if (control_.cancelled()) return Fail(ErrorCode::kCancelled, "the operation was cancelled");
      const auto bytes = buffer_.bytes().first(std::min(kVisitPiece, end - at));
      VHDX_TRY(source_.Read(at, bytes));
      VHDX_TRY(Show(at, bytes));
      at += bytes.size();
      next_ = at;
    }
    return {};
  }

  Result<void> Show(uint64_t disk_offset, ByteSpan bytes) {
    while (!bytes.empty()) {
      const ByteSpan unit = FirstUnit(disk_offset, bytes);
      if (!IsAllZero(unit)) {
        VHDX_TRY(visit_(disk_offset, unit));
      }
      disk_offset += unit.size();
      bytes = bytes.subspan(unit.size());
    }
    return {};
  }

  BlockDevice& source_;
  const Visit& visit_;
  const OperationControl& control_;
  ProgressMeter progress_;
  const AlignedBuffer buffer_{kVisitPiece};
  uint64_t next_ = 0;  // what lies before was read
};

}  // namespace

Result<void> VisitContents(
    BlockDevice& source,
    const std::function<Result<void>(uint64_t disk_offset, ByteSpan bytes)>& visit,
    const OperationControl& control) try {
  VHDX_TRY(RefuseSharedSpace(source));
  return Visitor(source, visit, control).Run();
} catch (...) {
  return CaughtException();
}

}  // namespace vhdx
