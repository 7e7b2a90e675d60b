#include "builder/raw_builder.h"

#include <cstddef>
#include <limits>
#include <span>
#include <utility>

#include "builder/target_file.h"
#include "bytes/arithmetic.h"
#include "bytes/try.h"

namespace vhdx {
namespace {

// A file that pretends to be as long as a file can be, so that a device on it takes every offset.
class GrowingFile final : public File {
 public:
  explicit GrowingFile(File& base) : base_(base) {}

  const std::string& name() const override { return base_.name(); }
  FileIdentity identity() const override { return base_.identity(); }
  const FileCapabilities& capabilities() const override { return base_.capabilities(); }
  Result<uint64_t> Size() override {
    constexpr uint64_t kLongest = std::numeric_limits<int64_t>::max();
    return AlignDown(kLongest, RawDevice::kLargeSectorSize);
  }
  Result<size_t> ReadAt(uint64_t file_offset, std::span<const MutableByteSpan> buffers) override {
    return base_.ReadAt(file_offset, buffers);
  }
  Result<void> WriteAt(uint64_t file_offset, std::span<const ByteSpan> buffers) override {
    return base_.WriteAt(file_offset, buffers);
  }
  Result<void> ZeroRange(FileRange range) override { return base_.ZeroRange(range); }
  Result<void> PunchHole(FileRange range) override { return base_.PunchHole(range); }
  Result<void> Sync() override { return base_.Sync(); }

 private:
  File& base_;
};

}  // namespace

Result<std::unique_ptr<RawBuilder>> RawBuilder::Begin(FileSystem& files, const std::string& path,
                                                      std::optional<uint64_t> size_bytes,
                                                      BuildOptions options) {
  auto staged = VHDX_TRY(StageTarget(files, path, options.file));
  std::unique_ptr<RawBuilder> builder(new RawBuilder(std::move(staged), std::move(options)));
  if (size_bytes) {
    VHDX_TRY(builder->SetSize(*size_bytes));
    return builder;
  }
  builder->growing_ = std::make_unique<GrowingFile>(builder->file());
  auto device = VHDX_TRY(RawDevice::OnFile(*builder->growing_));
  builder->device_ = std::move(device);
  return builder;
}

Result<void> RawBuilder::SetSize(uint64_t size_bytes) {
  VHDX_TRY(file().Resize(size_bytes));
  auto device = VHDX_TRY(RawDevice::OnFile(file()));
  device_ = std::move(device);
  growing_ = nullptr;
  return {};
}

}  // namespace vhdx
