#include <vhdxkit/disk.h>

#include <string>
#include <utility>

#include "bytes/arithmetic.h"
#include "disk/chain.h"

namespace vhdx {
namespace {

Result<void> CheckInside(const Disk& disk, DiskRange range) {
  if (FitsInside(range.disk_offset, range.length_bytes, disk.size_bytes())) return {};
  return Fail(ErrorCode::kInvalidArgument,
              "the " + std::to_string(range.length_bytes) + " bytes at " +
                  std::to_string(range.disk_offset) +
                  " reach past the end of the disk, which has " + std::to_string(disk.size_bytes()),
              disk.name());
}

Result<void> RefuseWrite(const Disk& disk) {
  return Fail(ErrorCode::kReadOnly, "the disk was opened read-only", disk.name());
}

}  // namespace

Disk::Disk(std::unique_ptr<Chain> chain) : chain_(std::move(chain)) {}
Disk::~Disk() = default;

Result<std::unique_ptr<Disk>> Disk::Open(FileSystem& files, const std::string& path,
                                         const OpenOptions& options) {
  auto chain = Chain::Open(files, path, options);
  if (!chain) return std::unexpected(std::move(chain.error()));
  return std::unique_ptr<Disk>(new Disk(*std::move(chain)));
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
bool Disk::writable() const { return false; }

Result<void> Disk::Read(uint64_t disk_offset, MutableByteSpan buffer) {
  if (auto inside = CheckInside(*this, {disk_offset, buffer.size()}); !inside) return inside;
  return chain_->Read(disk_offset, buffer);
}

Result<void> Disk::Write(uint64_t, ByteSpan) { return RefuseWrite(*this); }
Result<void> Disk::WriteZeroes(DiskRange) { return RefuseWrite(*this); }
Result<void> Disk::Trim(DiskRange) { return RefuseWrite(*this); }
Result<void> Disk::Flush() { return {}; }
Result<void> Disk::CloneFrom(uint64_t, File&, FileRange) { return RefuseWrite(*this); }
Result<void> Disk::Close() { return {}; }
EngineCounters Disk::counters() const { return {}; }

Result<std::vector<Extent>> Disk::Extents(DiskRange range, size_t max_extents) {
  if (auto inside = CheckInside(*this, range); !inside) {
    return std::unexpected(std::move(inside.error()));
  }
  return chain_->Extents(range, max_extents);
}

bool Disk::Uses(const FileIdentity& file) const {
  for (size_t depth = 0; depth < chain_->size(); ++depth) {
    if (chain_->layer(depth).file().identity() == file) return true;
  }
  return false;
}

}  // namespace vhdx
