#include "builder/disk_builder.h"

#include <utility>

#include "bytes/try.h"

namespace vhdx {

DiskBuilder::DiskBuilder(std::unique_ptr<StagedFile> staged, BuildOptions options)
    : options_(std::move(options)), staged_(std::move(staged)) {}

Result<uint64_t> DiskBuilder::Commit(const OperationControl& control) {
  VHDX_TRY(Finish(control));
  const uint64_t length_bytes = VHDX_TRY(file().Size());
  VHDX_TRY(staged_->Commit(options_.rename, options_.durability));
  return length_bytes;
}

}  // namespace vhdx
