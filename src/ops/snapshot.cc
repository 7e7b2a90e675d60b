#include <vhdxkit/snapshot.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "builder/vhdx_builder.h"
#include "bytes/border.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
#include "disk/frozen_disk.h"
#include "image/image.h"
#include "io/staged_file.h"
#include "ops/new_image_options.h"
#include "ops/parent_link.h"

namespace vhdx {
namespace {

CreateOptions OptionsOfChild(const SnapshotOptions& options, const DiskParameters& above) {
  return {.subformat = Subformat::kDifferencing,
          .block_size_bytes = options.block_size_bytes,
          .log_size_bytes = options.log_size_bytes,
          .disk_id = above.virtual_disk_id,
          .creator = options.creator};
}

Result<NewImage> DescribeChild(const WrittenDisk& disk, const std::string& path,
                               const SnapshotOptions& options) {
  const DiskParameters& above = disk.image.info().parameters;
  const CreateOptions create = OptionsOfChild(options, above);
  auto parameters =
      VHDX_TRY(ParametersFor(create, {.size_bytes = above.virtual_disk_size_bytes,
                                      .logical_sector_size = above.logical_sector_size,
                                      .physical_sector_size = above.physical_sector_size}));
  auto image = VHDX_TRY(MakeNewImage(create, parameters, disk.files));
  auto locator = VHDX_TRY(LocatorOfChild(disk.files, disk.image.file(), Guid{}, path));
  auto items = VHDX_TRY(ItemsForChildren(disk.image));
  image.locator_entries = std::move(locator);
  image.inherited_items = std::move(items);
  return image;
}

// What takes time is done while the disk is still being used: of the child, only the structures are
// missing then.
Result<std::unique_ptr<VhdxBuilder>> PrepareChild(const WrittenDisk& disk, const std::string& path,
                                                  const SnapshotOptions& options) {
  if (disk.files.Open(path, {})) {
    return Fail(ErrorCode::kExists, "the file exists already; a snapshot makes a new one", path);
  }
  auto image = VHDX_TRY(DescribeChild(disk, path, options));
  // What was private to somebody stays so.
  const StagedFileOptions file = {.direct = disk.direct, .access_of = disk.image.info().filename};
  auto child = VHDX_TRY(VhdxBuilder::Begin(disk.files, path, {.image = std::move(image)},
                                           {.durability = Durability::kSync, .file = file}));
  VHDX_TRY(child->device().Flush());
  return child;
}

// The child gets its name when it is whole, durably.
Result<void> FinishChild(const WrittenDisk& disk, const FrozenDisk& frozen, VhdxBuilder& child,
                         const std::string& path) {
  auto locator =
      VHDX_TRY(LocatorOfChild(disk.files, disk.image.file(), frozen.data_write_guid(), path));
  child.SetLocator(std::move(locator));
  VHDX_TRY(child.Commit());
  return {};
}

Result<void> GoOnWithChild(FrozenDisk& frozen, std::unique_ptr<File> file) {
  Findings findings;
  auto image = VHDX_TRY(Image::Open(std::move(file), findings));
  return frozen.PutOnTop(std::move(image));
}

std::unexpected<Error> RemoveChild(FileSystem& files, const std::string& path, Error error) {
  const auto removed = Caught([&] { return files.Remove(path); });
  if (error.code == ErrorCode::kNoMemory) return std::unexpected(std::move(error));
  if (error.sentence.starts_with(StagedFile::kNameNotDurable)) {
    error.sentence.erase(0, StagedFile::kNameNotDurable.size());
  }
  error.sentence =
      Format("no snapshot was taken{}: {}",
             removed ? "" : ", but the file could not be removed again; remove it", error.sentence);
  return std::unexpected(std::move(error));
}

Result<void> SnapshotFrozen(const WrittenDisk& disk, FrozenDisk& frozen, VhdxBuilder& child,
                            const std::string& path) {
  auto done = Caught([&] { return FinishChild(disk, frozen, child, path); });
  if (done) done = Caught([&] { return GoOnWithChild(frozen, child.TakeFile()); });
  // A child that is not used would be an orphan after the next write.
  if (!done && child.is_committed()) done = RemoveChild(disk.files, path, std::move(done.error()));
  return done;
}

}  // namespace

Result<SnapshotReport> Snapshot(Disk& disk, const std::string& child_path,
                                const SnapshotOptions& options) try {
  auto written = VHDX_TRY(FrozenDisk::Look(disk));
  VHDX_TRY(RefuseLongerChain(disk.chain_length(), child_path));
  const auto child = VHDX_TRY(PrepareChild(written, child_path, options));
  SnapshotReport report{.parent = disk.name(), .child = child_path};
  // While requests go on: little is left to be synced when they wait.
  VHDX_TRY(disk.Flush());
  const auto start = std::chrono::steady_clock::now();
  {
    auto frozen = VHDX_TRY(FrozenDisk::Freeze(disk));
    if (&frozen.top() != &written.image) {
      return Fail(ErrorCode::kBusy, "another snapshot of the disk was taken meanwhile", child_path);
    }
    VHDX_TRY(SnapshotFrozen(written, frozen, *child, child_path));
  }
  report.pause = std::chrono::steady_clock::now() - start;
  return report;
} catch (...) {
  return CaughtException();
}

}  // namespace vhdx
