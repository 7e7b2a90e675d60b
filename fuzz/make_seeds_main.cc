// make_seeds FOLDER [IMAGE...]: writes the inputs with which each target starts into
// FOLDER/TARGET/. They are made by the test kit, the same at every run, so that none has to be
// kept; images of the host are added as far as a small input can hold them.

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "bytes/utf16.h"
#include "format/file_identifier.h"
#include "format/header.h"
#include "format/layout.h"
#include "format/metadata.h"
#include "format/parent_locator.h"
#include "format/region_table.h"
#include "fuzz/bat_input.h"
#include "fuzz/header_input.h"
#include "fuzz/metadata_input.h"
#include "fuzz/real_image.h"
#include "fuzz/region_table_input.h"
#include "fuzz/seed_images.h"
#include "fuzz/sparse_input.h"
#include "testing/broken_cases.h"
#include "testing/btrfs_volume.h"
#include "testing/free_space_volumes.h"
#include "testing/guest_disk.h"
#include "testing/guest_volumes.h"
#include "testing/hex.h"
#include "testing/image_builder.h"
#include "testing/lvm_volume.h"
#include "testing/memory_file.h"

namespace vhdx::fuzz {
namespace {

using testing::BytesFromText;
using testing::ImageLayout;
using testing::ImageSpec;
using testing::MemoryContents;
using testing::MemoryFile;

using Bytes = std::vector<std::byte>;

void Append(Bytes& to, std::span<const std::byte> bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

template <OnDisk T>
Bytes BytesOf(const T& value) {
  const auto bytes = std::as_bytes(std::span(&value, 1));
  return {bytes.begin(), bytes.end()};
}

void DropZerosAtEnd(Bytes& bytes) {
  while (!bytes.empty() && bytes.back() == std::byte{0}) bytes.pop_back();
}

// An image that stands in memory.
struct BuiltImage {
  std::shared_ptr<MemoryContents> contents;
  ImageLayout layout;
};

bool Overlap(FileRange a, FileRange b) {
  return a.file_offset < b.file_offset + b.length_bytes &&
         b.file_offset < a.file_offset + a.length_bytes;
}

// Broken images have blocks on top of structures.
bool HoldsStructures(const ImageLayout& layout, FileRange range) {
  std::vector<FileRange> structures = layout.regions;
  structures.insert(structures.end(),
                    {{0, format::kHeaderSectionSize}, layout.log, layout.bat, layout.metadata});
  for (const auto& [chunk, offset] : layout.bitmap_offsets) {
    structures.push_back({offset, format::kSectorBitmapBlockSize});
  }
  return std::ranges::any_of(structures,
                             [&](FileRange structure) { return Overlap(structure, range); });
}

// Payload is of interest where it starts and where it ends.
void ThinOut(const BuiltImage& image, uint64_t block_size) {
  constexpr uint64_t kStart = 600;
  constexpr uint64_t kEnd = 32;
  for (const auto& [block, offset] : image.layout.block_offsets) {
    const uint64_t end = std::min(offset + block_size, image.contents->size());
    if (offset + kStart + kEnd >= end || HoldsStructures(image.layout, {offset, block_size})) {
      continue;
    }
    image.contents->Zero({offset + kStart, end - offset - kStart - kEnd});
  }
}

BuiltImage BuildImage(ImageSpec spec) {
  for (testing::BlockSpec& block : spec.blocks) {
    // What is thinned out in the end need not be made.
    if (block.content == testing::BlockContent::kPattern) {
      block.content = testing::BlockContent::kEnds;
    }
  }
  MemoryFile file;
  const auto layout = testing::Build(spec, file);
  if (!layout) throw std::runtime_error("cannot build an image: " + layout.error().sentence);
  BuiltImage image{file.contents(), *layout};
  ThinOut(image, spec.parameters.block_size_bytes);
  return image;
}

// Larger inputs are cut by the fuzzer (-max_len in scripts/fuzz), and slow.
constexpr size_t kMaxSeedBytes = 64 * kKiB;

class SeedWriter {
 public:
  explicit SeedWriter(std::filesystem::path folder) : folder_(std::move(folder)) {}

  void Write(std::string_view target, const std::string& name, std::span<const std::byte> bytes) {
    if (bytes.size() > kMaxSeedBytes) return;
    std::filesystem::create_directories(folder_ / target);
    std::ofstream file(folder_ / target / name, std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    if (!file.flush()) throw std::runtime_error("cannot write the seed " + name);
    ++count_;
    bytes_ += bytes.size();
  }

  void Report() const { std::printf("%zu seeds, %zu bytes\n", count_, bytes_); }

 private:
  std::filesystem::path folder_;
  size_t count_ = 0;
  size_t bytes_ = 0;
};

Bytes HeaderSeed(const MemoryContents& image) {
  HeaderInput input{.file_size = image.size(), .headers = {}};
  for (size_t slot = 0; slot < 2; ++slot) {
    image.Read(format::kHeaderOffsets[slot], input.headers[slot]);
  }
  return BytesOf(input);
}

Bytes RegionTableSeed(const BuiltImage& image) {
  Bytes seed =
      BytesOf(RegionTableInput{.file_size = image.contents->size(),
                               .log_offset = image.layout.log.file_offset,
                               .log_length = static_cast<uint32_t>(image.layout.log.length_bytes)});
  Append(seed, image.contents->Bytes({format::kRegionTableOffsets[0], format::kRegionTableSize}));
  DropZerosAtEnd(seed);
  return seed;
}

Bytes MetadataSeed(const BuiltImage& image) {
  const FileRange region = image.layout.metadata;
  Bytes table = image.contents->Bytes({region.file_offset, format::kMetadataTableSize});
  DropZerosAtEnd(table);
  Bytes items = image.contents->Bytes({region.file_offset + format::kMetadataTableSize, 64 * kKiB});
  DropZerosAtEnd(items);
  Bytes seed = BytesOf(MetadataInput{.region_length = static_cast<uint32_t>(region.length_bytes),
                                     .table_bytes = static_cast<uint16_t>(table.size())});
  Append(seed, table);
  Append(seed, items);
  return seed;
}

// The image with its BAT where bat_fuzz wants it.
Bytes BatSeed(const ImageSpec& spec, const BuiltImage& image) {
  const DiskParameters& parameters = spec.parameters;
  Bytes seed = BytesOf(BatInput{
      .virtual_disk_size = parameters.virtual_disk_size_bytes,
      .block_size_shift = static_cast<uint8_t>(std::countr_zero(parameters.block_size_bytes) - 20),
      .flags = static_cast<uint8_t>((parameters.logical_sector_size == 4096 ? 1 : 0) |
                                    (parameters.has_parent ? 2 : 0))});
  SparseFile file = Compact(*image.contents);
  const uint64_t bat = image.layout.bat.file_offset;
  const uint64_t bat_end = bat + image.layout.bat.length_bytes;
  // What stood where the BAT goes is of no use here, nor are the structures before it.
  std::erase_if(file.pieces, [&](const Piece& piece) {
    return piece.end() <= bat || piece.file_offset < BatInput::kBatOffset;
  });
  for (Piece& piece : file.pieces) {
    if (piece.file_offset >= bat && piece.file_offset < bat_end) {
      piece.file_offset = piece.file_offset - bat + BatInput::kBatOffset;
    }
  }
  Append(seed, EncodeFiles({file}));
  return seed;
}

// What the image gives to the targets that look at one structure.
void WritePartSeeds(const std::string& name, const ImageSpec& spec, SeedWriter& writer) {
  const BuiltImage image = BuildImage(spec);
  writer.Write("header", name, HeaderSeed(*image.contents));
  writer.Write("region_table", name, RegionTableSeed(image));
  writer.Write("metadata", name, MetadataSeed(image));
  writer.Write("bat", name, BatSeed(spec, image));
  if (!spec.log.log_guid.IsZero()) {
    writer.Write("log", name, EncodeFiles({Compact(*image.contents)}));
  }
  if (spec.locator) writer.Write("parent_locator", name, testing::EncodeLocator(*spec.locator));
}

// For the targets that take whole images.
void WriteWholeSeeds(const std::string& name, const Bytes& seed, SeedWriter& writer) {
  writer.Write("image", name, seed);
  writer.Write("writable", name, seed);
}

void WriteImageSeeds(SeedWriter& writer) {
  for (const SeedImages& seed : MakeSeedImages()) {
    std::vector<SparseFile> files;
    for (const ImageSpec& spec : seed.chain) {
      files.push_back(Compact(*BuildImage(spec).contents));
    }
    WriteWholeSeeds(seed.name, EncodeFiles(files), writer);
    WritePartSeeds(seed.name, seed.chain.front(), writer);
  }
}

SparseFile CompactCase(const testing::CaseFile& file) {
  if (file.bytes) return Compact(MemoryContents(*file.bytes));
  return Compact(*BuildImage(file.spec).contents);
}

// The images of the kit that break a rule each.
void WriteBrokenSeeds(SeedWriter& writer) {
  for (const testing::BrokenCase& broken : testing::BrokenCases()) {
    std::string name = "broken-" + broken.name;
    std::ranges::replace_if(name, [](char letter) { return letter == '/' || letter == ' '; }, '-');
    std::vector<SparseFile> files;
    for (const testing::CaseFile& file : broken.files) {
      if (files.size() < kMaxFiles) files.push_back(CompactCase(file));
    }
    WriteWholeSeeds(name, EncodeFiles(files), writer);
    if (!broken.files.front().bytes) WritePartSeeds(name, broken.files.front().spec, writer);
  }
}

void WriteRealSeeds(const std::vector<std::string>& paths, SeedWriter& writer) {
  for (const std::string& path : paths) {
    const auto file = ReadRealImage(path);
    if (!file) throw std::runtime_error(ToString(file.error()));
    const Bytes seed = EncodeFiles({*file});
    const std::string name = "real-" + std::filesystem::path(path).filename().string();
    WriteWholeSeeds(name, seed, writer);
    writer.Write("log", name, seed);
  }
}

void WriteIdentifierSeeds(SeedWriter& writer) {
  for (const auto& [name, creator] : std::initializer_list<std::pair<const char*, const char*>>{
           {"none", ""}, {"windows", "Microsoft Windows 10.0.20348.0"}, {"astral", "\U0001F4BE"}}) {
    writer.Write("file_identifier", name, BytesOf(*format::EncodeFileIdentifier(creator)));
  }
  writer.Write("file_identifier", "no-creator", BytesFromText("vhdxfile"));
}

void WriteTextSeeds(SeedWriter& writer) {
  int number = 0;
  for (const char* text :
       {"{2dc27766-f623-4200-9d64-115e9bfd4a08}", "2DC27766-F623-4200-9D64-115E9BFD4A08",
        "..\\other\\parent.vhdx", "\\\\?\\C:\\vm\\base.AVHDX", "\\\\server\\share\\disk.vhdx",
        "\\\\?\\UNC\\server\\share\\disk.vhdx", "\\\\?\\Volume{8f2b1a4e-0000}\\d.vhdx",
        "/a/./b//c\\.\\d", "Größe \U0001F4BE \u65E5\u672C"}) {
    writer.Write("text", "utf8-" + std::to_string(++number), BytesFromText(text));
    writer.Write("text", "utf16-" + std::to_string(number), *Utf16FromUtf8(text));
  }
}

void WriteFreeMapSeeds(SeedWriter& writer) {
  writer.Write("free_map", "own",
               BytesFromText("# vhdx-free-space 1\n# unit: 4096\n# counted-free: 12288\n"
                             "# metadata: 0x00000000 0x00002000\n0x00100000     +\n"
                             "0x00000000  0x00004000  +\n0x00004000  0x00002000  ?\n"
                             "0x00006000  0x0000A000  +\n0x00010000  0x00001000  ?\n"
                             "0x00011000  0x000EF000  +\n# end\n"));
  writer.Write(
      "free_map", "left-alone",
      BytesFromText("# vhdx-free-space 1\n# left-alone: it is dirty\n0x100000 +\n# end\n"));
  writer.Write("free_map", "partclone",
               BytesFromText("# Domain logfile created by unset_name v0.3.23\n"
                             "# current_pos  current_status\n0x00100000     ?\n"
                             "0x00000000  0x00044000  +\n0x00044000  0x00003800  ?\n"));
}

void WriteDiskSeed(std::string_view target, const std::string& name, const testing::GuestDisk& disk,
                   SeedWriter& writer) {
  writer.Write(target, name, EncodeFiles({Compact(*disk.contents())}));
}

void WriteGuestSeed(const std::string& name, const testing::GuestDisk& disk, SeedWriter& writer) {
  WriteDiskSeed("guest", name, disk, writer);
}

void WriteBtrfsSeeds(SeedWriter& writer) {
  for (const bool block_group_tree : {false, true}) {
    const testing::BtrfsVolume volume({.block_group_tree = block_group_tree});
    WriteDiskSeed("btrfs", block_group_tree ? "block-group-tree" : "plain", volume.disk(), writer);
  }
}

void WriteLvmSeeds(SeedWriter& writer) {
  const auto volumes =
      testing::LvmVolumeText("root", {testing::LvmLinear(2, 3), testing::LvmLinear(4, 8)}) +
      testing::LvmVolumeText("home", {testing::LvmLinear(1, 0)});
  const auto text = testing::LvmGroupText({.volumes = volumes});
  WriteDiskSeed("lvm", "plain", testing::MakeLvmVolume({{.text = text}}), writer);
  WriteDiskSeed("lvm", "wrapped",
                testing::MakeLvmVolume({{.text = testing::LvmGroupText({.seqno = 4})},
                                        {.text = text, .offset = testing::kLvmAreaBytes - 200}}),
                writer);
}

// Volumes whose free space is read.
void WriteFreeSpaceSeeds(SeedWriter& writer) {
  for (const int bits : {12, 16, 32}) {
    WriteDiskSeed("fat", std::to_string(bits), testing::FatVolume(bits).disk, writer);
  }
  WriteDiskSeed("exfat", "exfat", testing::ExfatVolume().disk, writer);
  WriteDiskSeed("swap", "little", testing::SwapVolume(4 * kKiB, false).disk, writer);
  WriteDiskSeed("swap", "big", testing::SwapVolume(64 * kKiB, true).disk, writer);
  for (const uint32_t version : {4U, 5U}) {
    auto [disk, unit_bytes, free] = testing::XfsVolume(version);
    WriteDiskSeed("xfs", "version-" + std::to_string(version), disk, writer);
    testing::WriteXfsLog(disk, 1, testing::kXfsLogSectors - 1);
    WriteDiskSeed("xfs", "wrapped-log-" + std::to_string(version), disk, writer);
  }
}

// Each kind of volume on the whole disk, and disks with tables.
void WriteGuestSeeds(SeedWriter& writer) {
  constexpr uint64_t kDiskBytes = 32 * kMiB;
  for (const testing::GuestVolume& volume : testing::GuestVolumes()) {
    testing::GuestDisk disk(volume.tail.empty() ? kDiskBytes : testing::kGuestVolumeBytes);
    testing::WriteVolume(volume, disk);
    WriteGuestSeed("volume-" + volume.name, disk, writer);
  }
  for (const uint32_t sector_size : {512U, 4096U}) {
    testing::GuestDisk disk(kDiskBytes, sector_size);
    disk.WriteGpt({.partitions = {{256, 511, "EFI"}, {1024, 4095, "root"}}});
    WriteGuestSeed("gpt-" + std::to_string(sector_size), disk, writer);
    testing::GuestDisk damaged = disk.Copy();
    damaged.Break(sector_size);
    WriteGuestSeed("gpt-damaged-" + std::to_string(sector_size), damaged, writer);
    disk.Resize(2 * kDiskBytes);
    WriteGuestSeed("gpt-grown-" + std::to_string(sector_size), disk, writer);
    disk.WriteMbr({{.type = 0xEE, .first = 1, .count = 1000}, {.first = 1024, .count = 3072}});
    WriteGuestSeed("gpt-hybrid-" + std::to_string(sector_size), disk, writer);
  }
  testing::GuestDisk disk(kDiskBytes);
  disk.WriteMbr({{.first = 64, .count = 1000}, {.type = 5, .first = 2048, .count = 10000}});
  disk.WriteMbr({{.first = 63, .count = 900}, {.type = 5, .first = 2000, .count = 1000}}, kMiB);
  disk.WriteMbr({{.first = 63, .count = 900}}, kMiB + 2000 * uint64_t{512});
  WriteGuestSeed("mbr-logical", disk, writer);
}

void WriteSeeds(const std::filesystem::path& folder, const std::vector<std::string>& images) {
  SeedWriter writer(folder);
  WriteIdentifierSeeds(writer);
  WriteTextSeeds(writer);
  WriteFreeMapSeeds(writer);
  WriteGuestSeeds(writer);
  WriteBtrfsSeeds(writer);
  WriteLvmSeeds(writer);
  WriteFreeSpaceSeeds(writer);
  WriteImageSeeds(writer);
  WriteBrokenSeeds(writer);
  WriteRealSeeds(images, writer);
  writer.Report();
}

}  // namespace
}  // namespace vhdx::fuzz

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s FOLDER [IMAGE...]\n", argv[0]);
    return 64;
  }
  try {
    vhdx::fuzz::WriteSeeds(argv[1], {argv + 2, argv + argc});
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
    return 1;
  }
}
