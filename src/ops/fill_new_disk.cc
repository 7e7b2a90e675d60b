#include "ops/fill_new_disk.h"

#include <cstdint>

#include "builder/target_file.h"
#include "bytes/arithmetic.h"
#include "bytes/try.h"
#include "ops/drain_stream.h"

namespace vhdx {

Result<ConvertReport> FillNewDisk(DiskBuilder& builder, BlockDevice& source,
                                  const ConvertOptions& options, const OperationControl& control) {
  auto copied = VHDX_TRY(
      CopyContents(source, builder.device(),
                   {.threads = options.threads, .target = TargetContents::kZeros}, control));
  copied.cloned_bytes -= builder.zeros_not_cloned();
  copied.zero_bytes += builder.zeros_not_cloned();
  const uint64_t size_bytes = builder.device().size_bytes();
  VHDX_TRY(builder.Commit(control));
  return ConvertReport{
      .copy = copied, .source_size_bytes = source.size_bytes(), .target_size_bytes = size_bytes};
}

Result<ConvertReport> FillNewDisk(DiskBuilder& builder, const ReadStream& source,
                                  const OperationControl& control) {
  const auto put = [&](const ByteRun& run) {
    return run.is_zero ? builder.NoteZeros({run.disk_offset, run.bytes.size()})
                       : builder.device().Write(run.disk_offset, run.bytes);
  };
  auto copied = DrainStream(source, put, control);
  if (!copied) return AboutTarget(builder.file().name(), std::move(copied.error()));
  const uint64_t came = copied->copied_bytes + copied->zero_bytes;
  const uint64_t size_bytes = AlignUp(came, builder.device().logical_sector_size());
  VHDX_TRY(builder.SetSize(size_bytes));
  VHDX_TRY(builder.Commit(control));
  return ConvertReport{.copy = *copied, .source_size_bytes = came, .target_size_bytes = size_bytes};
}

}  // namespace vhdx
