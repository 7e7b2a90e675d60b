#include "ops/drain_stream.h"

#include <cstdint>
#include <utility>

#include "bytes/aligned_buffer.h"
#include "bytes/arithmetic.h"
#include "bytes/try.h"

namespace vhdx {
namespace {

constexpr uint64_t kPiece = kMiB;

}  // namespace

Result<CopyReport> DrainStream(const ReadStream& source,
                               const std::function<Result<void>(const ByteRun&)>& put,
                               const OperationControl& control) {
  const AlignedBuffer memory(kPiece);
  const MutableByteSpan buffer = memory.bytes();
  CopyReport report;
  for (uint64_t position = 0;; position += buffer.size()) {
    if (control.cancelled()) return Fail(ErrorCode::kCancelled, "the operation was cancelled");
    auto count = VHDX_TRY(source(buffer));
    VHDX_TRY(ForEachRun(position, ByteSpan(buffer).first(count), [&](const ByteRun& run) {
      (run.is_zero ? report.zero_bytes : report.copied_bytes) += run.bytes.size();
      return put(run);
    }));
    if (control.on_progress) control.on_progress(position + count, 0);
    if (count == buffer.size()) continue;
    if (position + count > 0) return report;
    return Fail(ErrorCode::kInvalidArgument, "standard input is empty");
  }
}

}  // namespace vhdx
