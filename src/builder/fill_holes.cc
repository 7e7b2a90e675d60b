#include "builder/fill_holes.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/progress_meter.h"
#include "bytes/try.h"

namespace vhdx {
namespace {

constexpr uint64_t kFillPiece = kMiB;

class HoleFiller {
 public:
  HoleFiller(File& file, uint64_t size_bytes, const OperationControl& control)
      : file_(file), size_bytes_(size_bytes), control_(control), progress_(control, size_bytes) {}

  Result<void> Run() {
    for (uint64_t position = 0; position < size_bytes_;) {
      auto hole = VHDX_TRY(file_.NextHole(position));
      progress_.Add(std::min(hole, size_bytes_) - position);
      if (hole >= size_bytes_) return {};
      auto data = VHDX_TRY(file_.NextData(hole));
      // A hole of no length would be an answer that leads nowhere.
      position = std::clamp(data, hole + 1, size_bytes_);
      VHDX_TRY(FillOne({hole, position - hole}));
    }
    return {};
  }

 private:
  Result<void> FillOne(FileRange hole) {
    for (uint64_t done = 0; done < hole.length_bytes;) {
      if (control_.cancelled()) return Fail(ErrorCode::kCancelled, "the operation was cancelled");
      const uint64_t length = std::min(kFillPiece, hole.length_bytes - done);
      VHDX_TRY(file_.WriteAt(hole.file_offset + done, ByteSpan(zeros_).first(length)));
      done += length;
      progress_.Add(length);
    }
    return {};
  }

  File& file_;
  const uint64_t size_bytes_;
  const OperationControl& control_;
  ProgressMeter progress_;
  const std::vector<std::byte> zeros_ = std::vector<std::byte>(kFillPiece);
};

}  // namespace

Result<void> FillHoles(File& file, const OperationControl& control) {
  auto size = VHDX_TRY(file.Size());
  return HoleFiller(file, size, control).Run();
}

}  // namespace vhdx
