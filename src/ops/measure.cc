#include <vhdxkit/measure.h>

#include <algorithm>
#include <bit>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/zeros.h"
#include "format/bat.h"
#include "format/layout.h"
#include "ops/extent_walk.h"
#include "ops/progress_meter.h"

namespace vhdx {
namespace {

constexpr uint64_t kDynamicBlockSize = 32 * kMiB;
constexpr uint64_t kFixedBlockSize = 2 * kMiB;
constexpr uint64_t kLogSize = 8 * kMiB;
constexpr uint64_t kMetadataRegionSize = kMiB;
// Mostly the first bytes of a block tell, so little is read at first.
constexpr uint64_t kFirstLook = 4 * kKiB;
constexpr uint64_t kPiece = kMiB;

Result<DiskParameters> ParametersOf(const BlockDevice& source, const MeasureVhdxOptions& options) {
  const uint64_t usual = options.fixed ? kFixedBlockSize : kDynamicBlockSize;
  const uint64_t block_size = options.block_size_bytes == 0 ? usual : options.block_size_bytes;
  if (!std::has_single_bit(block_size) || block_size < format::kMinBlockSize ||
      block_size > format::kMaxBlockSize) {
    return Fail(ErrorCode::kInvalidArgument, "a block size of " + std::to_string(block_size) +
                                                 " bytes is no power of two from 1 MiB to 256 MiB");
  }
  if (source.size_bytes() == 0 || source.size_bytes() > format::kMaxVirtualDiskSize) {
    return Fail(ErrorCode::kInvalidArgument,
                "a VHDX has at least one sector and at most 64 TiB, and this disk has " +
                    std::to_string(source.size_bytes()) + " bytes",
                source.name());
  }
  DiskParameters parameters;
  parameters.block_size_bytes = static_cast<uint32_t>(block_size);
  parameters.leave_blocks_allocated = options.fixed;
  parameters.virtual_disk_size_bytes = source.size_bytes();
  parameters.logical_sector_size = source.logical_sector_size();
  return parameters;
}

Result<uint64_t> LogSize(const MeasureVhdxOptions& options) {
  const uint64_t size = options.log_size_bytes == 0 ? kLogSize : options.log_size_bytes;
  if (!IsAligned(size, format::kAlignment) || size > format::kMaxLogLength) {
    return Fail(ErrorCode::kInvalidArgument, "a log size of " + std::to_string(size) +
                                                 " bytes is no multiple of 1 MiB up to 1 GiB");
  }
  return size;
}

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
      auto extent = walk_.Next();
      if (!extent) return std::unexpected(std::move(extent.error()));
      if (!*extent) return count_;
      if ((*extent)->kind == ExtentKind::kData) {
        if (auto looked = LookAt((*extent)->range); !looked) {
          return std::unexpected(std::move(looked.error()));
        }
      } else {
        progress_.Add((*extent)->range.length_bytes);
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
        auto data = HoldsData({position, end - position});
        if (!data) return std::unexpected(std::move(data.error()));
        if (*data) {
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
    for (uint64_t position = range.disk_offset; position < range.end(); look = kPiece) {
      if (control_.cancelled()) return Fail(ErrorCode::kCancelled, "the measurement was cancelled");
      const auto bytes = std::span(buffer_).first(std::min(look, range.end() - position));
      if (auto read = source_.Read(position, bytes); !read) {
        return std::unexpected(std::move(read.error()));
      }
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
  std::vector<std::byte> buffer_ = std::vector<std::byte>(kPiece);
  std::optional<uint64_t> last_counted_;
  uint64_t count_ = 0;
};

}  // namespace

MeasureReport MeasureRaw(const BlockDevice& source) {
  return {.required_bytes = source.size_bytes(), .fully_allocated_bytes = source.size_bytes()};
}

Result<MeasureReport> MeasureVhdx(BlockDevice& source, const MeasureVhdxOptions& options,
                                  const OperationControl& control) {
  auto parameters = ParametersOf(source, options);
  if (!parameters) return std::unexpected(std::move(parameters.error()));
  auto log_size = LogSize(options);
  if (!log_size) return std::unexpected(std::move(log_size.error()));

  const format::BatGeometry geometry(*parameters);
  const uint64_t bat_size =
      AlignUp(geometry.EntryCountWithParent() * format::kBatEntrySize, format::kAlignment);
  const uint64_t overhead = format::kHeaderSectionSize + *log_size + kMetadataRegionSize + bat_size;
  const auto length_with = [&](uint64_t blocks) {
    return overhead + blocks * geometry.block_size();
  };
  MeasureReport report;
  report.fully_allocated_bytes = length_with(geometry.payload_block_count());
  report.required_bytes = report.fully_allocated_bytes;
  if (options.fixed) return report;
  auto blocks = BlockCounter(source, geometry, control).Count();
  if (!blocks) return std::unexpected(std::move(blocks.error()));
  report.required_bytes = length_with(*blocks);
  return report;
}

}  // namespace vhdx
