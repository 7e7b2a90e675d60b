#include "testing/image_builder.h"

#include <algorithm>
#include <array>

#include "bytes/crc32c.h"
#include "bytes/utf16.h"
#include "format/file_identifier.h"
#include "format/header.h"
#include "format/layout.h"
#include "format/metadata.h"
#include "format/region_table.h"

namespace vhdx::testing {
namespace {

using format::PayloadState;

constexpr uint64_t kPiece = kMiB;           // bytes written at a time
constexpr uint64_t kEndLength = 64 * kKiB;  // of BlockContent::kEnds

class Builder {
 public:
  Builder(const ImageSpec& spec, File& file)
      : spec_(spec), file_(file), layout_(PlanLayout(spec)) {}

  Result<ImageLayout> Run() {
    using Step = Result<void> (Builder::*)();
    constexpr Step kSteps[] = {
        &Builder::Empty,           &Builder::WriteIdentifier, &Builder::WriteHeaders,
        &Builder::WriteRegions,    &Builder::WriteMetadata,   &Builder::WriteBat,
        &Builder::WriteBitmaps,    &Builder::WriteBlocks,     &Builder::ApplyPatches,
        &Builder::WriteLogEntries, &Builder::SetSize,         &Builder::ApplyLatePatches};
    for (const Step step : kSteps) {
      if (auto done = (this->*step)(); !done) return std::unexpected(done.error());
    }
    return layout_;
  }

 private:
  Result<void> Empty() {
    if (auto resized = file_.Resize(0); !resized) return resized;
    return file_.Resize(std::max(layout_.end, spec_.file_size.value_or(0)));
  }

  Result<void> WriteIdentifier() {
    format::FileIdentifier identifier{.signature = format::kFileSignature, .creator = {}};
    const std::vector<std::byte> creator = Utf16FromUtf8(spec_.creator).value();
    std::copy_n(creator.begin(), std::min(creator.size(), identifier.creator.size()),
                identifier.creator.begin());
    return Store(format::kFileIdentifierOffset, identifier);
  }

  Result<void> WriteHeaders() {
    for (size_t i = 0; i < spec_.headers.size(); ++i) {
      const HeaderSpec& mine = spec_.headers[i];
      format::Header header{.signature = format::kHeaderSignature,
                            .checksum = 0,
                            .sequence_number = mine.sequence_number,
                            .file_write_guid = mine.file_write_guid.value_or(spec_.file_write_guid),
                            .data_write_guid = mine.data_write_guid.value_or(spec_.data_write_guid),
                            .log_guid = mine.log_guid.value_or(spec_.log.log_guid),
                            .log_version = format::kLogVersion,
                            .version = format::kVersion,
                            .log_length = static_cast<uint32_t>(spec_.log.length_bytes),
                            .log_offset = spec_.log.file_offset,
                            .reserved = {}};
      header.checksum = Crc32c(std::as_bytes(std::span(&header, 1)));
      if (auto written = Store(format::kHeaderOffsets[i], header); !written) return written;
    }
    return {};
  }

  Result<void> WriteRegions() {
    std::vector<std::byte> table(format::kRegionTableSize);
    const std::span<std::byte> bytes(table);
    format::RegionTableHeader header{.signature = format::kRegionTableSignature,
                                     .checksum = 0,
                                     .entry_count = static_cast<uint32_t>(spec_.regions.size()),
                                     .reserved = 0};
    for (size_t i = 0; i < spec_.regions.size(); ++i) {
      StoreTo(
          bytes.subspan(sizeof(header) + i * sizeof(format::RegionTableEntry)),
          format::RegionTableEntry{.guid = spec_.regions[i].guid,
                                   .file_offset = layout_.regions[i].file_offset,
                                   .length = static_cast<uint32_t>(layout_.regions[i].length_bytes),
                                   .required = spec_.regions[i].required});
    }
    StoreTo(bytes, header);
    header.checksum = Crc32c(bytes);
    StoreTo(bytes, header);
    for (const uint64_t offset : format::kRegionTableOffsets) {
      if (auto written = file_.WriteAt(offset, bytes); !written) return written;
    }
    return {};
  }

  Result<void> WriteMetadata() {
    const uint64_t region = layout_.metadata.file_offset;
    if (auto written = Store(
            region,
            format::MetadataTableHeader{.signature = format::kMetadataSignature,
                                        .reserved = 0,
                                        .entry_count = static_cast<uint16_t>(layout_.items.size()),
                                        .reserved2 = {}});
        !written) {
      return written;
    }
    for (size_t i = 0; i < layout_.items.size(); ++i) {
      const PlacedItem& placed = layout_.items[i];
      if (auto written = Store(layout_.MetadataEntryOffset(i),
                               format::MetadataTableEntry{.item_id = placed.item.item_id,
                                                          .offset = placed.offset,
                                                          .length = placed.length,
                                                          .flags = placed.item.flags,
                                                          .reserved2 = placed.item.reserved2});
          !written) {
        return written;
      }
      if (placed.item.data.empty()) continue;
      if (auto written = file_.WriteAt(region + placed.offset, ByteSpan(placed.item.data));
          !written) {
        return written;
      }
    }
    return {};
  }

  Result<void> WriteBat() {
    for (const BlockSpec& block : spec_.blocks) {
      const auto found = layout_.block_offsets.find(block.block);
      const uint64_t offset = found == layout_.block_offsets.end() ? 0 : found->second;
      const uint64_t raw = offset | block.reserved_bits | static_cast<uint64_t>(block.state);
      if (auto written = StoreEntry(layout_.PayloadEntryIndex(block.block), raw); !written) {
        return written;
      }
    }
    for (const BitmapSpec& bitmap : layout_.bitmaps) {
      const auto found = layout_.bitmap_offsets.find(bitmap.chunk);
      const uint64_t offset = found == layout_.bitmap_offsets.end() ? 0 : found->second;
      const uint64_t raw = offset | bitmap.reserved_bits | bitmap.state;
      if (auto written = StoreEntry(layout_.BitmapEntryIndex(bitmap.chunk), raw); !written) {
        return written;
      }
    }
    for (const RawBatEntry& entry : spec_.bat_entries) {
      if (auto written = StoreEntry(entry.index, entry.raw); !written) return written;
    }
    return {};
  }

  Result<void> WriteBitmaps() {
    for (const BitmapSpec& bitmap : layout_.bitmaps) {
      const auto found = layout_.bitmap_offsets.find(bitmap.chunk);
      if (found == layout_.bitmap_offsets.end() || !IsReachable(found->second)) continue;
      std::vector<std::byte> bits(format::kSectorBitmapBlockSize, bitmap.other_bits);
      for (const BlockSpec& block : spec_.blocks) {
        if (block.block / layout_.chunk_ratio == bitmap.chunk) StoreBits(block, bits);
      }
      if (auto written = file_.WriteAt(found->second, ByteSpan(bits)); !written) return written;
    }
    return {};
  }

  // The bits of one block in its chunk's bitmap.
  void StoreBits(const BlockSpec& block, std::span<std::byte> bits) const {
    if (block.state != PayloadState::kPartiallyPresent) return;
    const uint64_t sectors =
        spec_.parameters.block_size_bytes / spec_.parameters.logical_sector_size;
    const std::span<std::byte> slice =
        bits.subspan(block.block % layout_.chunk_ratio * (sectors / 8), sectors / 8);
    std::ranges::fill(slice, std::byte{0});
    for (const SectorRun& run : block.present_sectors) {
      for (uint64_t sector = run.first; sector < run.first + run.count; ++sector) {
        slice[sector / 8] |= std::byte{1} << (sector % 8);
      }
    }
  }

  Result<void> WriteBlocks() {
    for (const BlockSpec& block : spec_.blocks) {
      const auto found = layout_.block_offsets.find(block.block);
      if (found == layout_.block_offsets.end() || !IsReachable(found->second) ||
          block.content == BlockContent::kZeros) {
        continue;
      }
      if (auto written = WriteBlock(block, found->second); !written) return written;
    }
    return {};
  }

  Result<void> WriteBlock(const BlockSpec& block, uint64_t file_offset) {
    const uint64_t size = spec_.parameters.block_size_bytes;
    const bool present = block.state == PayloadState::kFullyPresent;
    const BlockPattern pattern = present ? spec_.pattern : spec_.pattern.Junk();
    std::vector<FileRange> parts = {{0, size}};
    if (block.content == BlockContent::kEnds) {
      parts = {{0, kEndLength}, {size - kEndLength, kEndLength}};
    }
    for (const FileRange& part : parts) {
      if (auto written = WritePattern(pattern, block, file_offset, part); !written) {
        return written;
      }
    }
    const uint64_t sector_size = spec_.parameters.logical_sector_size;
    for (const SectorRun& run : block.present_sectors) {
      const FileRange range{run.first * sector_size, run.count * sector_size};
      if (auto written = WritePattern(spec_.pattern, block, file_offset, range); !written) {
        return written;
      }
    }
    return {};
  }

  // `range` counts from the start of the block.
  Result<void> WritePattern(const BlockPattern& pattern, const BlockSpec& block,
                            uint64_t file_offset, FileRange range) {
    const uint64_t block_start = block.block * spec_.parameters.block_size_bytes;
    std::vector<std::byte> piece(std::min(range.length_bytes, kPiece));
    for (uint64_t at = 0; at < range.length_bytes; at += piece.size()) {
      const auto bytes =
          std::span(piece).first(std::min<uint64_t>(piece.size(), range.length_bytes - at));
      FillPattern(pattern, block_start + range.file_offset + at, bytes);
      if (auto written = file_.WriteAt(file_offset + range.file_offset + at, ByteSpan(bytes));
          !written) {
        return written;
      }
    }
    return {};
  }

  Result<void> ApplyPatches() {
    for (const Patch& patch : spec_.patches) {
      if (auto applied = ApplyPatch(file_, patch); !applied) return applied;
    }
    return spec_.patches.empty() ? Result<void>() : FixChecksums(file_);
  }

  Result<void> WriteLogEntries() {
    auto placed = WriteLog(spec_.log, file_);
    if (!placed) return std::unexpected(placed.error());
    layout_.log_entries = *std::move(placed);
    return {};
  }

  Result<void> SetSize() {
    return spec_.file_size ? file_.Resize(*spec_.file_size) : Result<void>();
  }

  Result<void> ApplyLatePatches() {
    for (const Patch& patch : spec_.late_patches) {
      if (auto applied = ApplyPatch(file_, patch); !applied) return applied;
    }
    return {};
  }

  template <OnDisk T>
  Result<void> Store(uint64_t file_offset, const T& value) {
    return file_.WriteAt(file_offset, std::as_bytes(std::span(&value, 1)));
  }
  Result<void> StoreEntry(uint64_t index, uint64_t raw) {
    return Store(layout_.bat.file_offset + index * format::kBatEntrySize, le64(raw));
  }
  // Entries may claim places that no file can have; nothing is written there.
  bool IsReachable(uint64_t file_offset) const { return file_offset < layout_.end; }

  const ImageSpec& spec_;
  File& file_;
  ImageLayout layout_;
};

}  // namespace

Result<ImageLayout> Build(const ImageSpec& spec, File& file) { return Builder(spec, file).Run(); }

Result<ImageLayout> BuildAt(const ImageSpec& spec, FileSystem& files, const std::string& path) {
  auto file = files.Open(path, {.access = FileAccess::kReadWrite, .creation = FileCreation::kNew});
  if (!file) return std::unexpected(file.error());
  auto layout = Build(spec, **file);
  if (!layout) return layout;
  if (auto synced = (*file)->Sync(); !synced) return std::unexpected(synced.error());
  return layout;
}

Result<std::string> BuildChain(size_t image_count, FileSystem& files, const std::string& folder) {
  ImageSpec spec = DynamicImage({.disk_size = kMiB, .block_size = kMiB});
  std::string path;
  for (size_t i = 0; i < image_count; ++i) {
    if (i > 0) spec = ChildOf(spec, ".\\" + std::to_string(i - 1) + ".vhdx");
    path = folder + "/" + std::to_string(i) + ".vhdx";
    if (auto built = BuildAt(spec, files, path); !built) return std::unexpected(built.error());
  }
  return path;
}

}  // namespace vhdx::testing
