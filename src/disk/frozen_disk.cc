#include "disk/frozen_disk.h"

#include <utility>

#include "bytes/border.h"
#include "bytes/try.h"
#include "disk/disk_state.h"
#include "disk/image_layer.h"
#include "io/device_checks.h"

namespace vhdx {

FrozenDisk::FrozenDisk(FrozenDisk&& other) noexcept
    : state_(std::exchange(other.state_, nullptr)) {}

FrozenDisk::~FrozenDisk() {
  if (state_ != nullptr) state_->gate().Open();
}

Result<WrittenDisk> FrozenDisk::Look(Disk& disk) {
  if (!disk.writable()) {
    return Fail(ErrorCode::kReadOnly, "the disk was opened read-only", disk.name());
  }
  const Disk::State::Writing& writing = disk.state_->writing();
  return WrittenDisk{*writing.files, disk.state_->stack().top_image(), writing.direct};
}

Result<FrozenDisk> FrozenDisk::Pause(Disk& disk) {
  Disk::State& state = *disk.state_;
  if (!state.gate().Hold()) return IsClosed(disk);
  return FrozenDisk(state);
}

Result<FrozenDisk> FrozenDisk::Freeze(Disk& disk) {
  auto frozen = VHDX_TRY(Pause(disk));
  VHDX_TRY(disk.state_->stack().top_image().Rest());
  return frozen;
}

const Image& FrozenDisk::top() const { return state_->stack().top_image(); }

const Guid& FrozenDisk::data_write_guid() const { return top().header_at_rest().data_write_guid; }

Result<void> FrozenDisk::PutOnTop(std::unique_ptr<Image> child) {
  const Disk::State::Writing& writing = state_->writing();
  LayerStack& before = state_->stack();
  auto stack = before.WithChild(std::make_unique<ImageLayer>(std::move(child)));
  VHDX_TRY(stack->EnableWriting(*writing.files, writing.limits, writing.page_cache));
  state_->Replace(std::move(stack));
  // A writer becomes a reader. Nothing was locked where there are no locks. Nothing fails from here
  // on: the child is being written.
  if (writing.lock == LockPolicy::kLock) {
    static_cast<void>(Caught([&] { return before.layer(0).file().Lock(LockMode::kShared); }));
  }
  return {};
}

}  // namespace vhdx
