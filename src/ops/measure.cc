#include <vhdxkit/measure.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "builder/new_image.h"
#include "bytes/aligned_buffer.h"
#include "bytes/arithmetic.h"
#include "bytes/border.h"
#include "bytes/progress_meter.h"
#include "bytes/try.h"
#include "bytes/zeros.h"
#include "format/bat.h"
#include "ops/extent_walk.h"
#include "ops/new_image_options.h"
#include "ops/shared_space.h"

namespace vhdx {
namespace {

// Mostly the first bytes of a block tell, so little is read at first.
constexpr uint64_t kFirstLook = 4 * kKiB;
constexpr uint64_t kLookPiece = kMiB;

// Counts the blocks that hold a byte that is not zero.
class BlockCounter {
 public:
  BlockCounter(BlockDevice& source, const format::BatGeometry& geometry,
               const OperationControl& control)
      : source_(source),
        geometry_(geometry),
        control_(control),
        progress_(control, source.size_bytes()),
        walk_(source, {0, source.size_bytes()}) {}

  Result<uint64_t> Count() {
    for (;;) {
      auto extent = VHDX_TRY(walk_.Next());
      if (!extent) return count_;
      if (extent->kind == ExtentKind::kData) {
        VHDX_TRY(LookAt(extent->range));
      } else {
        progress_.Add(extent->range.length_bytes);
      }
    }
  }

 private:
  // A range of data: block by block, as far as each of them is not counted yet.
  Result<void> LookAt(DiskRange range) {
    for (uint64_t position = range.disk_offset; position < range.end();) {
      const uint64_t block = geometry_.BlockOf(position);
      const uint64_t end =
          std::min(range.end(), geometry_.BlockStart(block) + geometry_.BytesOnDisk(block));
      if (last_counted_ != block) {
        auto data = VHDX_TRY(HoldsData({position, end - position}));
        if (data) {
          last_counted_ = block;
          ++count_;
        }
      }
      progress_.Add(end - position);
      position = end;
    }
    return {};
  }

  Result<bool> HoldsData(DiskRange range) {
    uint64_t look = kFirstLook;
    for (uint64_t position = range.disk_offset; position < range.end(); look = kLookPiece) {
      if (control_.cancelled()) return Fail(ErrorCode::kCancelled, "the measurement was cancelled");
      const auto bytes = buffer_.bytes().first(std::min(look, range.end() - position));
      VHDX_TRY(source_.Read(position, bytes));
      if (!IsAllZero(bytes)) return true;
      position += bytes.size();
    }
    return false;
  }

  BlockDevice& source_;
  const format::BatGeometry& geometry_;
  const OperationControl& control_;
  ProgressMeter progress_;
  ExtentWalk walk_;
  const AlignedBuffer buffer_{kLookPiece};
  std::optional<uint64_t> last_counted_;
  uint64_t count_ = 0;
};

}  // namespace

MeasureReport MeasureRaw(const BlockDevice& source) {
  return {.required_bytes = source.size_bytes(), .fully_allocated_bytes = source.size_bytes()};
}

Result<MeasureReport> MeasureVhdx(BlockDevice& source, const CreateOptions& image,
                                  const OperationControl& control) try {
  auto parameters = ThrowIfNoMemory(ParametersForCopy(image, source));
  if (!parameters) {
    parameters.error().file = source.name();
    return std::unexpected(std::move(parameters.error()));
  }
  auto log_size = VHDX_TRY(LogLengthFor(image.log_size_bytes));

  const format::BatGeometry geometry(*parameters);
  const uint64_t overhead = PlaceStructures(geometry, log_size).end;
  const auto length_with = [&](uint64_t blocks) {
    return overhead + blocks * geometry.block_size();
  };
  MeasureReport report;
  report.fully_allocated_bytes = length_with(geometry.payload_block_count());
  report.required_bytes = report.fully_allocated_bytes;
  if (image.subformat == Subformat::kFixed) return report;
  VHDX_TRY(RefuseSharedSpace(source));
  auto blocks = VHDX_TRY(BlockCounter(source, geometry, control).Count());
  report.required_bytes = length_with(blocks);
  return report;
} catch (...) {
  return CaughtException();
}

}  // namespace vhdx
