#include "ops/new_image_options.h"

#include <vhdxkit/disk.h>

#include <algorithm>
#include <bit>
#include <string>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/try.h"
#include "format/layout.h"
#include "io/random_guid.h"

namespace vhdx {
namespace {

constexpr uint64_t kDynamicBlockSize = 32 * kMiB;
constexpr uint64_t kOtherBlockSize = 2 * kMiB;
constexpr uint32_t kLogicalSectorSize = 512;
constexpr uint32_t kPhysicalSectorSize = 4096;

std::unexpected<Error> Refuse(std::string sentence) {
  return Fail(ErrorCode::kInvalidArgument, std::move(sentence));
}

Result<uint32_t> SectorSizeFor(std::string_view which, uint32_t wanted, uint32_t inherited,
                               uint32_t usual) {
  const uint32_t size = wanted != 0 ? wanted : inherited != 0 ? inherited : usual;
  if (size == 512 || size == 4096) return size;
  return Refuse("a " + std::string(which) + " sector has 512 or 4096 bytes, and not " +
                std::to_string(size));
}

Result<void> CheckSize(uint64_t size_bytes, uint32_t sector_size) {
  const std::string size = std::to_string(size_bytes);
  if (size_bytes == 0) return Refuse("the size of a disk must not be zero");
  if (size_bytes > format::kMaxVirtualDiskSize) {
    return Refuse("a size of " + size + " bytes is more than a VHDX can have, 64 TiB");
  }
  if (!IsAligned(size_bytes, sector_size)) {
    return Refuse("a size of " + size + " bytes is not a multiple of the sector size, " +
                  std::to_string(sector_size) + "; the next one is " +
                  std::to_string(AlignUp(size_bytes, sector_size)));
  }
  return {};
}

// With larger blocks a copy could need many times the space of its source.
uint32_t SmallestBlockSize(const Disk& disk) {
  uint32_t smallest = disk.image_at_open(0).parameters.block_size_bytes;
  for (size_t i = 1; i < disk.chain_length(); ++i) {
    smallest = std::min(smallest, disk.image_at_open(i).parameters.block_size_bytes);
  }
  return smallest;
}

}  // namespace

Result<uint32_t> BlockSizeFor(Subformat subformat, uint64_t block_size_bytes) {
  const uint64_t usual = subformat == Subformat::kDynamic ? kDynamicBlockSize : kOtherBlockSize;
  const uint64_t size = block_size_bytes == 0 ? usual : block_size_bytes;
  if (std::has_single_bit(size) && size >= format::kMinBlockSize && size <= format::kMaxBlockSize) {
    return static_cast<uint32_t>(size);
  }
  return Refuse("a block size of " + std::to_string(size) +
                " bytes is not a power of two from 1 MiB to 256 MiB");
}

Result<uint64_t> LogLengthFor(uint64_t log_size_bytes) {
  const uint64_t size = log_size_bytes == 0 ? kDefaultLogLength : log_size_bytes;
  if (IsAligned(size, format::kAlignment) && size <= format::kMaxLogLength) return size;
  return Refuse("a log size of " + std::to_string(size) +
                " bytes is not a multiple of 1 MiB up to 1 GiB");
}

Result<DiskParameters> ParametersFor(const CreateOptions& options,
                                     const InheritedParameters& inherited) {
  const bool inherits_blocks =
      options.block_size_bytes == 0 && options.subformat == Subformat::kDynamic;
  auto block_size = VHDX_TRY(BlockSizeFor(
      options.subformat, inherits_blocks ? inherited.block_size_bytes : options.block_size_bytes));
  auto logical = VHDX_TRY(SectorSizeFor("logical", options.logical_sector_size,
                                        inherited.logical_sector_size, kLogicalSectorSize));
  auto physical = VHDX_TRY(SectorSizeFor("physical", options.physical_sector_size,
                                         inherited.physical_sector_size, kPhysicalSectorSize));
  const uint64_t size_bytes = options.size_bytes != 0 ? options.size_bytes : inherited.size_bytes;
  VHDX_TRY(CheckSize(size_bytes, logical));
  return DiskParameters{.block_size_bytes = block_size,
                        .leave_blocks_allocated = options.subformat == Subformat::kFixed,
                        .has_parent = options.subformat == Subformat::kDifferencing,
                        .virtual_disk_size_bytes = size_bytes,
                        .logical_sector_size = logical,
                        .physical_sector_size = physical,
                        .virtual_disk_id = options.disk_id.value_or(Guid{})};
}

Result<DiskParameters> ParametersForCopy(const CreateOptions& options, const BlockDevice& source) {
  // What a raw disk says of its physical sectors is what the host has, and not the disk's own.
  const auto* const disk = dynamic_cast<const Disk*>(&source);
  const bool known_sector = std::has_single_bit(options.logical_sector_size);
  return ParametersFor(
      options,
      {.size_bytes = AlignUp(source.size_bytes(), known_sector ? options.logical_sector_size : 1),
       .logical_sector_size = source.logical_sector_size(),
       .physical_sector_size = disk != nullptr ? source.physical_sector_size() : 0,
       .block_size_bytes = disk != nullptr ? SmallestBlockSize(*disk) : 0});
}

Result<NewImage> MakeNewImage(const CreateOptions& options, const DiskParameters& parameters,
                              FileSystem& files) {
  auto log_length = VHDX_TRY(LogLengthFor(options.log_size_bytes));
  NewImage image{
      .parameters = parameters, .log_length_bytes = log_length, .creator = options.creator};
  std::vector<Guid*> wanted = {&image.file_write_guid, &image.data_write_guid};
  // A child has its parent's, even if that is none.
  const bool has_own_id = !parameters.has_parent;
  if (has_own_id && parameters.virtual_disk_id.IsZero())
    wanted.push_back(&image.parameters.virtual_disk_id);
  for (Guid* const guid : wanted) {
    auto random = VHDX_TRY(options.random ? RandomGuid(options.random) : RandomGuid(files));
    *guid = random;
  }
  return image;
}

}  // namespace vhdx
