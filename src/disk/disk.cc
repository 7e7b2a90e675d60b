#include <vhdxkit/disk.h>

#include <string>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/border.h"
#include "bytes/buffer_cursor.h"
#include "bytes/try.h"
#include "disk/disk_state.h"
#include "disk/layer_stack.h"
#include "disk/open_chain.h"
#include "disk/open_disk.h"
#include "io/device_checks.h"

namespace vhdx {

namespace {

Result<void> RefuseSharedSpaceFrom(LayerStack& stack, size_t depth) {
  for (; depth < stack.size(); ++depth) {
    VHDX_TRY(stack.layer(depth).RefuseSharedSpace());
  }
  return {};
}

}  // namespace

Disk::Disk(std::unique_ptr<State> state) : state_(std::move(state)) {}
Disk::~Disk() {
  if (!state_->gate().is_shut()) static_cast<void>(Disk::Close());
}

Result<std::unique_ptr<Disk>> Disk::Open(FileSystem& files, const std::string& path,
                                         const OpenOptions& options) try {
  return OpenDisk(files, path, options, {});
} catch (...) {
  return CaughtException();
}

Result<std::unique_ptr<Disk>> OpenDisk(FileSystem& files, const std::string& path,
                                       const OpenOptions& options, const WriteLimits& limits) try {
  auto stack = VHDX_TRY(OpenChain(files, path, options));
  if (options.access == DiskAccess::kReadWrite) {
    VHDX_TRY(stack->SyncParents());
    VHDX_TRY(stack->EnableWriting(files, limits, options.page_cache));
  }
  const Disk::State::Writing writing{.files = &files,
                                     .limits = limits,
                                     .page_cache = options.page_cache,
                                     .direct = options.direct,
                                     .lock = options.chain.images.lock};
  return std::unique_ptr<Disk>(new Disk(std::make_unique<Disk::State>(std::move(stack), writing)));
} catch (...) {
  return CaughtException();
}

size_t Disk::chain_length() const { return state_->stack().size(); }
const ImageInfo& Disk::image_at_open(size_t depth) const {
  return state_->stack().layer(depth).info();
}
const std::string& Disk::name() const { return image_at_open(0).filename; }
uint64_t Disk::size_bytes() const { return state_->stack().size_bytes(); }
uint32_t Disk::logical_sector_size() const {
  return image_at_open(0).parameters.logical_sector_size;
}
uint32_t Disk::physical_sector_size() const {
  return image_at_open(0).parameters.physical_sector_size;
}
bool Disk::writable() const { return state_->stack().writer() != nullptr; }

Result<void> Disk::Read(uint64_t disk_offset, std::span<const MutableByteSpan> buffers) {
  return DoRequest(state_->gate(), *this, [&]() -> Result<void> {
    const DiskRange range{disk_offset, TotalBytes(buffers)};
    if (FitsInside(disk_offset, range.length_bytes, Disk::size_bytes())) [[likely]] {
      return state_->stack().Read(range, buffers);
    }
    return CheckInside(*this, range);
  });
}

Result<void> Disk::Write(uint64_t disk_offset, std::span<const ByteSpan> buffers, WriteFlag flag) {
  return DoRequest(state_->gate(), *this, [&]() -> Result<void> {
    const DiskRange range{disk_offset, TotalBytes(buffers)};
    VHDX_TRY(CheckWrite(*this, range));
    if (range.length_bytes == 0) return {};
    auto written = state_->stack().Write(range, buffers);
    const bool durable = written && flag == WriteFlag::kFua;
    return durable ? state_->stack().writer()->Flush() : written;
  });
}

Result<void> Disk::WriteZeroes(DiskRange range) {
  return DoRequest(state_->gate(), *this, [&]() -> Result<void> {
    VHDX_TRY(CheckWrite(*this, range));
    if (range.length_bytes == 0) return {};
    return state_->stack().Zero(range, ZeroHow::kWriteZeroes);
  });
}

Result<void> Disk::Trim(DiskRange range) {
  return DoRequest(state_->gate(), *this, [&]() -> Result<void> {
    VHDX_TRY(CheckWrite(*this, range));
    if (range.length_bytes == 0) return {};
    return state_->stack().Zero(range, ZeroHow::kTrim);
  });
}

Result<void> Disk::CloneTo(DiskRange range, File& target, uint64_t file_offset) {
  return DoShare(state_->gate(), *this, [&]() -> Result<void> {
    VHDX_TRY(CheckInside(*this, range));
    return state_->stack().CloneTo(range, target, file_offset);
  });
}

Result<void> Disk::CloneFrom(uint64_t disk_offset, BlockDevice& source, DiskRange source_range) {
  return DoRequest(state_->gate(), *this, [&]() -> Result<void> {
    const DiskRange range{disk_offset, source_range.length_bytes};
    VHDX_TRY(CheckWrite(*this, range));
    if (!IsAligned(disk_offset | range.length_bytes, logical_sector_size())) {
      return Fail(ErrorCode::kUnsupported, "only whole sectors can be shared", name());
    }
    if (range.length_bytes == 0) return {};
    return state_->stack().writer()->Clone(disk_offset, source, source_range);
  });
}

Result<void> Disk::Flush() {
  return DoRequest(state_->gate(), *this, [&]() -> Result<void> {
    return writable() ? state_->stack().writer()->Flush() : Result<void>{};
  });
}

Result<void> Disk::Close() try {
  if (!state_->gate().Shut()) return IsClosed(*this);
  LayerStack& stack = state_->stack();
  auto closed =
      Caught([&] { return stack.writer() != nullptr ? stack.writer()->Close() : Result<void>{}; });
  for (size_t depth = 0; depth < stack.size(); ++depth) {
    // Nothing was locked where there are no locks.
    static_cast<void>(Caught([&] { return stack.layer(depth).file().Lock(LockMode::kNone); }));
  }
  return closed;
} catch (...) {
  return CaughtException();
}

Result<void> Disk::RefuseSharedSpace() {
  return DoRequest(state_->gate(), *this, [&]() -> Result<void> {
    return RefuseSharedSpaceFrom(state_->stack(), writable() ? 1 : 0);
  });
}

EngineCounters Disk::counters() const {
  EngineCounters counters;
  // Those that have become parents keep what they counted.
  LayerStack& stack = state_->stack();
  for (size_t depth = 0; depth < stack.size(); ++depth) {
    stack.layer(depth).CountInto(counters);
  }
  return counters;
}

Result<std::vector<Extent>> Disk::Extents(DiskRange range, size_t max_extents) {
  return DoRequest(state_->gate(), *this, [&]() -> Result<std::vector<Extent>> {
    VHDX_TRY(CheckExtents(*this, range, max_extents));
    return state_->stack().Extents(range, max_extents);
  });
}

Result<uint64_t> Disk::NextData(DiskRange range) {
  return DoRequest(state_->gate(), *this, [&]() -> Result<uint64_t> {
    VHDX_TRY(CheckInside(*this, range));
    return state_->stack().NextData(range);
  });
}

const std::string& Disk::FileOf(uint32_t depth) const { return image_at_open(depth).filename; }

bool Disk::Uses(const FileIdentity& file) const {
  LayerStack& stack = state_->stack();
  for (size_t depth = 0; depth < stack.size(); ++depth) {
    if (stack.layer(depth).file().identity() == file) return true;
  }
  return false;
}

}  // namespace vhdx
