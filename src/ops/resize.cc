#include <vhdxkit/resize.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/border.h"
#include "bytes/formatting.h"
#include "bytes/size_format.h"
#include "bytes/try.h"
#include "format/layout.h"
#include "guest/disk_contents.h"
#include "guest/gpt_move.h"
#include "guest/growth_commands.h"
#include "guest/resize_policy.h"
#include "image/resizer.h"
#include "ops/held_image.h"

namespace vhdx {
namespace {

// What is on the disk, and what becomes of it.
struct Contents {
  guest::DiskContents found;
  guest::GptOnDisk gpt;
};

Result<Contents> ReadContents(BlockDevice& disk) {
  auto found = VHDX_TRY(guest::ReadDiskContents(disk));
  auto gpt = VHDX_TRY(guest::ReadGptOnDisk(disk));
  return Contents{std::move(found), std::move(gpt)};
}

class Resizing {
 public:
  Resizing(HeldImage& image, const ResizeOptions& options, const OperationControl& control)
      : image_(image), options_(options), control_(control) {
    report_.filename = image.path();
  }

  Result<ResizeReport> Run() {
    VHDX_TRY(Look());
    if (!options_.dry_run) {
      VHDX_TRY(Do());
      report_.new_file_size_bytes = VHDX_TRY(image_.file().Size());
    }
    return std::move(report_);
  }

 private:
  Result<void> Look();
  Result<void> Decide(Disk& disk);
  Result<void> CheckSize(uint32_t sector_size) const;
  Result<void> RefuseUnsafeCut(Disk& disk) const;
  Result<void> PlanBackupGpt();
  Result<void> Do();
  // What of the plan for a GPT is carried out: a lost primary copy is rebuilt before a disk grows,
  // since afterwards nothing leads to the backup.
  enum class GptPart : uint8_t { kRepair, kAll };
  Result<void> CarryOutGptPlan(GptPart part);
  bool grows() const { return report_.new_size_bytes > report_.old_size_bytes; }

  HeldImage& image_;
  const ResizeOptions& options_;
  const OperationControl& control_;
  Contents contents_;
  uint64_t below_size_ = 0;
  ResizeReport report_;
};

Result<void> Resizing::Look() {
  {
    const auto disk = VHDX_TRY(image_.OpenDisk(DiskAccess::kReadOnly));
    contents_ = VHDX_TRY(ReadContents(*disk));
    below_size_ = LargestParentSize(*disk);
    report_.old_size_bytes = disk->size_bytes();
    VHDX_TRY(Decide(*disk));
  }
  VHDX_TRY(PlanBackupGpt());
  ImageOpener opener = image_.Opener(SessionIdentity::kNew);
  const auto needs = VHDX_TRY(Resizer(opener, below_size_).Look(report_.new_size_bytes));
  report_.old_file_size_bytes = VHDX_TRY(image_.file().Size());
  report_.new_file_size_bytes = report_.old_file_size_bytes + needs.new_bytes;
  report_.host_space_needed_bytes = needs.new_bytes;
  report_.bat_moved = needs.moves_bat;
  report_.cut_blocks = needs.cut_blocks;
  return {};
}

Result<void> Resizing::Decide(Disk& disk) {
  report_.new_size_bytes = options_.size_bytes;
  if (options_.to_minimum) {
    const DiskMinimum minimum = contents_.found.MinimumSize();
    if (!minimum.size_bytes) {
      return Fail(ErrorCode::kInvalidArgument,
                  Format("the smallest possible size is not known: {}", minimum.unknown_because),
                  image_.path());
    }
    report_.new_size_bytes = *minimum.size_bytes;
  }
  VHDX_TRY(CheckSize(disk.logical_sector_size()));
  if (grows()) {
    report_.next_commands = guest::GrowthCommands(contents_.found);
    return {};
  }
  report_.hidden_parent_bytes =
      std::min(below_size_, report_.old_size_bytes) - std::min(below_size_, report_.new_size_bytes);
  return RefuseUnsafeCut(disk);
}

Result<void> Resizing::CheckSize(uint32_t sector_size) const {
  const uint64_t size = report_.new_size_bytes;
  if (size == 0 || size > format::kMaxVirtualDiskSize) {
    return Fail(ErrorCode::kInvalidArgument,
                Format("a disk has at least one sector and at most 64 TiB, not {}",
                       FormatSizeExactly(size)),
                image_.path());
  }
  if (IsAligned(size, sector_size)) return {};
  return Fail(ErrorCode::kInvalidArgument,
              Format("the size of the disk must be a multiple of its logical sector, {} bytes; the "
                     "next ones are {} and {}",
                     sector_size, AlignDown(size, sector_size), AlignUp(size, sector_size)),
              image_.path());
}

Result<void> Resizing::RefuseUnsafeCut(Disk& disk) const {
  if (report_.new_size_bytes == report_.old_size_bytes || options_.allow_unsafe) return {};
  const auto decision =
      VHDX_TRY(guest::MayCut(contents_.found, report_.new_size_bytes, [&](const DiskRange& range) {
        return guest::ReadsAsZeros(disk, range);
      }));
  if (decision.verdict == guest::CutVerdict::kAllowed) return {};
  return Fail(ErrorCode::kInvalidArgument,
              Format("{}; --allow-unsafe cuts the disk anyway", decision.reason), image_.path());
}

// A table whose backup cannot be moved is no reason not to grow the disk: it stays as valid as it
// is.
Result<void> Resizing::PlanBackupGpt() {
  auto plan = guest::PlanGptMove(contents_.found, contents_.gpt, report_.new_size_bytes);
  if (plan) {
    report_.backup_gpt_moved = !plan->empty();
    return {};
  }
  if (!grows() && !options_.allow_unsafe) return std::unexpected(std::move(plan.error()));
  report_.backup_gpt_stays_because = std::move(plan.error().sentence);
  return {};
}

Result<void> Resizing::Do() {
  if (!options_.orphan_children) {
    VHDX_TRY(image_.RefuseChildren());
  }
  if (control_.cancelled()) return Fail(ErrorCode::kCancelled, "the operation was cancelled");
  // Before the disk is cut, or after it has grown.
  VHDX_TRY(CarryOutGptPlan(grows() ? GptPart::kRepair : GptPart::kAll));
  ImageOpener opener = image_.Opener(SessionIdentity::kNew);
  VHDX_TRY(Resizer(opener, below_size_).Resize(report_.new_size_bytes));
  return grows() ? CarryOutGptPlan(GptPart::kAll) : Result<void>{};
}

Result<void> Resizing::CarryOutGptPlan(GptPart part) {
  if (!report_.backup_gpt_moved) return {};
  const auto looked = VHDX_TRY(image_.OpenDisk(DiskAccess::kReadOnly));
  const auto contents = VHDX_TRY(ReadContents(*looked));
  const auto plan =
      VHDX_TRY(guest::PlanGptMove(contents.found, contents.gpt, report_.new_size_bytes));
  const bool moves = part == GptPart::kAll && !plan.move.empty();
  if (plan.repair.empty() && !moves) return {};
  const auto disk = VHDX_TRY(image_.OpenDisk(DiskAccess::kReadWrite));
  auto done = guest::CarryOut(plan.repair, *disk);
  if (done && moves) done = guest::CarryOut(plan.move, *disk);
  const auto closed = disk->Close();
  return done ? closed : done;
}

}  // namespace

Result<ResizeReport> Resize(FileSystem& files, const std::string& path,
                            const ResizeOptions& options, const OperationControl& control) try {
  const auto image = VHDX_TRY(
      HeldImage::Open(files, path,
                      {.access = options.dry_run ? DiskAccess::kReadOnly : DiskAccess::kReadWrite,
                       .lock = options.lock,
                       .search = options.search}));
  auto report = VHDX_TRY(Resizing(*image, options, control).Run());
  report.change_tracking_files = image->ChangeTrackingFiles();
  return report;
} catch (...) {
  return CaughtException();
}

}  // namespace vhdx
