#include <vhdxkit/disk.h>

#include <string>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/border.h"
#include "bytes/buffer_cursor.h"
#include "disk/chain.h"
#include "disk/open_disk.h"
#include "image/claimed_space.h"
#include "io/device_checks.h"

namespace vhdx {

Disk::Disk(std::unique_ptr<Chain> chain) : chain_(std::move(chain)) {}
Disk::~Disk() { static_cast<void>(Close()); }

Result<std::unique_ptr<Disk>> Disk::Open(FileSystem& files, const std::string& path,
                                         const OpenOptions& options) try {
  return OpenDisk(files, path, options, {});
} catch (...) {
  return CaughtException();
}

Result<std::unique_ptr<Disk>> OpenDisk(FileSystem& files, const std::string& path,
                                       const OpenOptions& options, const WriteLimits& limits) try {
  auto chain = Disk::Chain::Open(files, path, options);
  if (!chain) return std::unexpected(std::move(chain.error()));
  if (options.access == DiskAccess::kReadWrite) {
    if (auto enabled = (*chain)->EnableWriting(files, limits, options.page_cache); !enabled) {
      return std::unexpected(std::move(enabled.error()));
    }
  }
  return std::unique_ptr<Disk>(new Disk(*std::move(chain)));
} catch (...) {
  return CaughtException();
}

size_t Disk::chain_length() const { return chain_->size(); }
const ImageInfo& Disk::image(size_t depth) const { return chain_->layer(depth).info(); }
const std::string& Disk::name() const { return chain_->layer(0).info().filename; }
uint64_t Disk::size_bytes() const { return chain_->layer(0).geometry().virtual_disk_size(); }
uint32_t Disk::logical_sector_size() const {
  return chain_->layer(0).info().parameters.logical_sector_size;
}
uint32_t Disk::physical_sector_size() const {
  return chain_->layer(0).info().parameters.physical_sector_size;
}
bool Disk::writable() const { return chain_->layer(0).writer() != nullptr; }

Result<void> Disk::Read(uint64_t disk_offset, std::span<const MutableByteSpan> buffers) try {
  const DiskRange range{disk_offset, TotalBytes(buffers)};
  if (FitsInside(disk_offset, range.length_bytes, Disk::size_bytes())) [[likely]] {
    return chain_->Read(range, buffers);
  }
  return CheckInside(*this, range);
} catch (...) {
  return CaughtException();
}

Result<void> Disk::Write(uint64_t disk_offset, std::span<const ByteSpan> buffers,
                         WriteFlag flag) try {
  const DiskRange range{disk_offset, TotalBytes(buffers)};
  if (auto may = CheckWrite(*this, range); !may) return may;
  auto written = chain_->Write(range, buffers);
  return written && flag == WriteFlag::kFua ? Disk::Flush() : written;
} catch (...) {
  return CaughtException();
}

Result<void> Disk::WriteZeroes(DiskRange range) try {
  if (auto may = CheckWrite(*this, range); !may) return may;
  return chain_->Zero(range, ZeroHow::kWrite);
} catch (...) {
  return CaughtException();
}

Result<void> Disk::Trim(DiskRange range) try {
  if (auto may = CheckWrite(*this, range); !may) return may;
  return chain_->Zero(range, ZeroHow::kTrim);
} catch (...) {
  return CaughtException();
}

Result<void> Disk::CloneTo(DiskRange range, File& target, uint64_t file_offset) try {
  if (auto inside = CheckInside(*this, range); !inside) return inside;
  return chain_->CloneTo(range, target, file_offset);
} catch (...) {
  return CaughtException();
}

Result<void> Disk::CloneFrom(uint64_t disk_offset, BlockDevice& source,
                             DiskRange source_range) try {
  const DiskRange range{disk_offset, source_range.length_bytes};
  if (auto may = CheckWrite(*this, range); !may) return may;
  if (!IsAligned(disk_offset | range.length_bytes, logical_sector_size())) {
    return Fail(ErrorCode::kUnsupported, "only whole sectors can be shared", name());
  }
  return chain_->layer(0).writer()->Clone(disk_offset, source, source_range);
} catch (...) {
  return CaughtException();
}

Result<void> Disk::Flush() try {
  return writable() ? chain_->layer(0).writer()->Flush() : Result<void>{};
} catch (...) {
  return CaughtException();
}

Result<void> Disk::Close() try {
  return writable() ? chain_->layer(0).writer()->Close() : Result<void>{};
} catch (...) {
  return CaughtException();
}

Result<void> Disk::RefuseSharedSpaceFrom(size_t depth) {
  for (; depth < chain_->size(); ++depth) {
    Image& image = chain_->layer(depth);
    auto shared = vhdx::RefuseSharedSpace(image.file(), image.block_map().rules());
    if (!shared) return shared;
  }
  return {};
}

Result<void> Disk::RefuseSharedSpace() try {
  return RefuseSharedSpaceFrom(writable() ? 1 : 0);
} catch (...) {
  return CaughtException();
}

EngineCounters Disk::counters() const {
  EngineCounters counters;
  if (writable()) chain_->layer(0).writer()->CountInto(counters);
  return counters;
}

Result<std::vector<Extent>> Disk::Extents(DiskRange range, size_t max_extents) try {
  if (auto may = CheckExtents(*this, range, max_extents); !may) {
    return std::unexpected(std::move(may.error()));
  }
  return chain_->Extents(range, max_extents);
} catch (...) {
  return CaughtException();
}

Result<uint64_t> Disk::NextData(DiskRange range) try {
  if (auto inside = CheckInside(*this, range); !inside) {
    return std::unexpected(std::move(inside.error()));
  }
  return chain_->NextData(range);
} catch (...) {
  return CaughtException();
}

const std::string& Disk::FileOf(uint32_t depth) const {
  return chain_->layer(depth).info().filename;
}

bool Disk::Uses(const FileIdentity& file) const {
  for (size_t depth = 0; depth < chain_->size(); ++depth) {
    if (chain_->layer(depth).file().identity() == file) return true;
  }
  return false;
}

}  // namespace vhdx
