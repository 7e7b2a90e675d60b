#include <vhdxkit/compact.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/border.h"
#include "bytes/progress_meter.h"
#include "bytes/try.h"
#include "format/bat.h"
#include "guest/disk_contents.h"
#include "image/block_mover.h"
#include "image/claims.h"
#include "image/region_mover.h"
#include "ops/compact_held.h"
#include "ops/give_up_blocks.h"
#include "ops/held_image.h"

namespace vhdx {
namespace {

bool LooksForZeros(CompactMode mode) {
  return mode == CompactMode::kFull || mode == CompactMode::kPrezeroed;
}
bool AsksVolumes(CompactMode mode) {
  return mode == CompactMode::kFull || mode == CompactMode::kQuick || mode == CompactMode::kRetrim;
}

std::vector<DiskVolume> VolumesOf(const guest::DiskContents& contents) {
  std::vector<DiskVolume> volumes;
  volumes.reserve(contents.volumes.size());
  for (const guest::Volume& volume : contents.volumes) {
    volumes.push_back({.range = volume.range,
                       .partition = volume.partition_number,
                       .type = std::string(guest::VolumeKindName(volume.superblock.kind))});
  }
  return volumes;
}

class Compacting {
 public:
  Compacting(HeldImage& image, const CompactOptions& options, const OperationControl& control)
      : image_(image), options_(options), control_(control) {
    report_.filename = image.path();
  }

  Result<CompactReport> Run();

 private:
  Result<void> AskVolumes();
  Result<void> GiveUp();
  Result<void> InSession(const std::function<Result<void>(BlockGiver& giver)>& work);
  Result<void> GiveUpFree(BlockGiver& giver) const;
  Result<void> GiveUpRest(BlockGiver& giver) const;
  Result<void> CountVolumes(BlockGiver& giver);
  Result<void> Estimate();
  Result<void> Move();
  Result<uint64_t> MoveOnce();
  Result<void> Measure();
  SessionIdentity identity() const {
    return trims_ ? SessionIdentity::kNew : SessionIdentity::kKept;
  }
  BlockGiver::Holes holes() const {
    return options_.no_holes ? BlockGiver::Holes::kLeave : BlockGiver::Holes::kMake;
  }

  HeldImage& image_;
  const CompactOptions& options_;
  const OperationControl& control_;
  std::vector<VolumeFreeSpace> free_;
  bool trims_ = false;  // what a file system says is free
  bool is_fixed_ = false;
  CompactReport report_;
};

Result<CompactReport> Compacting::Run() {
  report_.old_file_size_bytes = VHDX_TRY(image_.file().Size());
  report_.old_allocated_bytes = VHDX_TRY(image_.file().AllocatedBytes());
  VHDX_TRY(AskVolumes());
  if (options_.dry_run) {
    VHDX_TRY(Estimate());
    return std::move(report_);
  }
  // Even an image that reads the same must not be written under readers; this one is locked.
  if (trims_ && !options_.orphan_children) {
    VHDX_TRY(image_.RefuseChildren());
  }
  VHDX_TRY(GiveUp());
  if (options_.mode != CompactMode::kRetrim) {
    VHDX_TRY(Move());
  }
  VHDX_TRY(Measure());
  return std::move(report_);
}

// -- What is free --

Result<void> Compacting::AskVolumes() {
  const auto disk = VHDX_TRY(image_.OpenDisk(DiskAccess::kReadOnly));
  const DiskParameters& parameters = disk->image_at_open(0).parameters;
  is_fixed_ = parameters.subformat() == Subformat::kFixed;
  report_.block_size_bytes = parameters.block_size_bytes;
  if (!AsksVolumes(options_.mode) || !options_.ask_free_space || is_fixed_) return {};
  const auto contents = VHDX_TRY(guest::ReadDiskContents(*disk));
  free_ = VHDX_TRY(options_.ask_free_space(*disk, VolumesOf(contents)));
  trims_ = std::ranges::any_of(free_, [](const auto& volume) { return !volume.free.empty(); });
  return {};
}

// In a session of its own, so that what follows finds the BAT in the file as it is.
Result<void> Compacting::GiveUp() {
  if (is_fixed_) return {};
  if (trims_) {
    VHDX_TRY(InSession([this](BlockGiver& giver) { return GiveUpFree(giver); }));
  }
  return InSession([this](BlockGiver& giver) -> Result<void> {
    VHDX_TRY(GiveUpRest(giver));
    return CountVolumes(giver);
  });
}

Result<void> Compacting::InSession(const std::function<Result<void>(BlockGiver& giver)>& work) {
  ImageOpener opener = image_.Opener(identity());
  const auto image = VHDX_TRY(opener.Open());
  BlockGiver giver(*image, holes(), BlockGiver::Run::kReal, control_);
  const auto done = work(giver);
  report_.freed_blocks += giver.freed_blocks();
  const auto closed = image->writer()->Close();
  return done ? closed : done;
}

Result<void> Compacting::GiveUpFree(BlockGiver& giver) const {
  for (const VolumeFreeSpace& volume : free_) {
    VHDX_TRY(giver.GiveUpFree(volume.free));
  }
  return {};
}

Result<void> Compacting::GiveUpRest(BlockGiver& giver) const {
  if (options_.mode != CompactMode::kRetrim) {
    VHDX_TRY(giver.GiveUpAnchors());
  }
  if (!LooksForZeros(options_.mode)) return {};
  ProgressMeter meter(control_, report_.old_allocated_bytes);
  return giver.GiveUpZeros([&](uint64_t length) { meter.Add(length); });
}

// What of the free ranges is still in blocks that are stored.
Result<void> Compacting::CountVolumes(BlockGiver& giver) {
  const format::BatGeometry& geometry = giver.geometry();
  for (const VolumeFreeSpace& volume : free_) {
    CompactReport::Volume counted{.volume = volume.volume,
                                  .skipped_because = volume.skipped_because};
    for (const DiskRange& range : volume.free) {
      counted.free_bytes += range.length_bytes;
      for (uint64_t at = range.disk_offset; at < range.end();) {
        const uint64_t block = geometry.BlockOf(at);
        const uint64_t end = std::min(range.end(), geometry.BlockStart(block + 1));
        const bool is_stored = VHDX_TRY(giver.IsStored(block));
        if (is_stored) counted.kept_bytes += end - at;
        at = end;
      }
    }
    counted.given_back_bytes = counted.free_bytes - counted.kept_bytes;
    report_.volumes.push_back(std::move(counted));
  }
  return {};
}

// -- Moving --

Result<void> Compacting::Move() {
  // A region that has moved, too, leaves space for blocks, and the reverse.
  constexpr int kMostRounds = 4;
  for (int round = 0; round < kMostRounds; ++round) {
    uint64_t moved = VHDX_TRY(MoveOnce());
    ImageOpener opener = image_.Opener(identity());
    for (const MovedRegion region : {MovedRegion::kBat, MovedRegion::kMetadata}) {
      const bool has_moved = VHDX_TRY(MoveRegionDown(opener, region));
      if (has_moved) ++moved;
    }
    if (moved == 0) break;
  }
  return {};
}

Result<uint64_t> Compacting::MoveOnce() {
  ImageOpener opener = image_.Opener(identity());
  const auto image = VHDX_TRY(opener.Open());
  BlockMover mover(*image, image_.limits());
  ProgressMeter meter(control_, 0);
  auto moved = mover.MoveDown(control_, [&](uint64_t length) { meter.Add(length); });
  if (moved) report_.moved_blocks += *moved;
  const auto punched = options_.no_holes || !moved ? Result<void>{} : mover.PunchFreeSpace();
  const auto closed = image->writer()->Close();
  if (!moved) return moved;
  VHDX_TRY(punched);
  VHDX_TRY(closed);
  return moved;
}

// -- The result --

Result<void> Compacting::Measure() {
  report_.new_file_size_bytes = VHDX_TRY(image_.file().Size());
  report_.new_allocated_bytes = VHDX_TRY(image_.file().AllocatedBytes());
  ImageOpener opener = image_.Opener(identity());
  const auto image = VHDX_TRY(opener.Look());
  Findings findings;
  auto claims = VHDX_TRY(ScanClaims(image->file(), image->block_map().rules(), findings));
  report_.unreferenced_bytes = claims.space.Summarize().unclaimed_bytes;
  return {};
}

Result<void> Compacting::Estimate() {
  ImageOpener opener = image_.Opener(identity());
  const auto image = VHDX_TRY(opener.Look());
  Findings findings;
  auto claims = VHDX_TRY(ScanClaims(image->file(), image->block_map().rules(), findings));
  const SpaceMap::Summary summary = claims.space.Summarize();
  uint64_t size = summary.end - summary.unclaimed_bytes;
  if (!is_fixed_) {
    BlockGiver giver(*image, holes(), BlockGiver::Run::kDry, control_);
    VHDX_TRY(GiveUpFree(giver));
    VHDX_TRY(GiveUpRest(giver));
    VHDX_TRY(CountVolumes(giver));
    report_.freed_blocks = giver.freed_blocks();
    size -= std::min(size, report_.freed_blocks * image->geometry().block_size());
  }
  const bool moves = options_.mode != CompactMode::kRetrim;
  report_.new_file_size_bytes = moves ? size : report_.old_file_size_bytes;
  report_.new_allocated_bytes = std::min(report_.old_allocated_bytes, size);
  return {};
}

}  // namespace

Result<CompactReport> CompactHeld(HeldImage& image, const CompactOptions& options,
                                  const OperationControl& control) {
  auto report = VHDX_TRY(Compacting(image, options, control).Run());
  report.change_tracking_files = image.ChangeTrackingFiles();
  return report;
}

Result<CompactReport> Compact(FileSystem& files, const std::string& path,
                              const CompactOptions& options, const OperationControl& control) try {
  const auto image = VHDX_TRY(
      HeldImage::Open(files, path,
                      {.access = options.dry_run ? DiskAccess::kReadOnly : DiskAccess::kReadWrite,
                       .lock = options.lock,
                       .search = options.search}));
  return CompactHeld(*image, options, control);
} catch (...) {
  return CaughtException();
}

}  // namespace vhdx
