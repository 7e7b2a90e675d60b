#include "cli/new_image_arguments.h"

#include <vhdxkit/raw_device.h>

#include <bit>
#include <charconv>

#include "bytes/formatting.h"
#include "cli/arguments.h"
#include "cli/reproducible.h"

namespace vhdx::cli {
namespace {

// Of one of the choices, or of nothing.
uint32_t SectorSize(const std::string& text) {
  uint32_t size = 0;
  std::from_chars(text.data(), text.data() + text.size(), size);
  return size;
}

constexpr uint64_t kMebibyte = uint64_t{1} << 20;

bool IsBlockSize(uint64_t size_bytes) {
  return std::has_single_bit(size_bytes) && size_bytes >= kMebibyte &&
         size_bytes <= 256 * kMebibyte;
}

bool IsLogSize(uint64_t size_bytes) {
  return size_bytes != 0 && size_bytes % kMebibyte == 0 && size_bytes <= 1024 * kMebibyte;
}

struct Defaults {
  std::string_view block_size;
  std::string_view logical_sector;
  std::string_view physical_sector;
};

Defaults DefaultsFor(NewImageRole role) {
  switch (role) {
    case NewImageRole::kDisk:
      return {.block_size = "32M for a dynamic disk, 2M for others",
              .logical_sector = "512",
              .physical_sector = "4096, or that of the parent"};
    case NewImageRole::kChild:
      return {.block_size = "2M",
              .logical_sector = "that of the parent",
              .physical_sector = "that of the parent"};
    case NewImageRole::kCopy:
      return {.block_size =
                  "for a dynamic copy of a VHDX the smallest of its chain, else 32M for "
                  "a dynamic disk, 2M for others",
              .logical_sector = "that of a VHDX or device, else 512",
              .physical_sector = "that of a VHDX, else 4096"};
  }
  return {};
}

// Everything that makes one image differ from another.
std::string Describe(const NewImageArguments& arguments, const CreateOptions& options,
                     const std::string& contents) {
  return Format(
      "vhdxkit {} size {} block {} log {} sectors {} {} preallocate {} id {} creator {} seed "
      "{}\n{}",
      SubformatName(options.subformat), options.size_bytes, options.block_size_bytes,
      options.log_size_bytes, options.logical_sector_size, options.physical_sector_size,
      options.preallocate, options.disk_id.value_or(Guid{}).ToString(), options.creator,
      arguments.seed, contents);
}

}  // namespace

uint32_t NewImageArguments::logical_sector_size() const { return SectorSize(logical_sector); }

uint32_t NewImageArguments::padded_sector_size() const {
  return logical_sector.empty() ? RawDevice::kSectorSize : logical_sector_size();
}

void AddNewImageOptions(CLI::App& app, NewImageArguments& arguments, NewImageRole role) {
  AddSize(app, "--block-size", arguments.block_size, IsBlockSize,
          "is not a power of two from 1M to 256M",
          Format("a power of two from 1M to 256M (default: {})", DefaultsFor(role).block_size));
  AddSize(app, "--log-size", arguments.log_size, IsLogSize, "is not a multiple of 1M from 1M to 1G",
          "a multiple of 1M from 1M to 1G (default: 8M)");
  AddChoice(app, "--physical-sector", arguments.physical_sector, {"512", "4096"},
            Format("physical sector size that the disk reports (default: {})",
                   DefaultsFor(role).physical_sector));
  AddFlag(app, "--preallocate", arguments.preallocate,
          "write a non-sparse file (Hyper-V refuses sparse files)");
  AddText(app, "--creator", arguments.creator,
          "creator string stored in the file (default: vhdxkit)");
  AddFlag(app, "--reproducible", arguments.reproducible,
          "derive all GUIDs from the input, so that the same input gives the same bytes");
  AddText(app, "--seed", arguments.seed, "with --reproducible: make otherwise equal images differ");
  AddNeed(app, "--seed", "--reproducible");
}

void AddBaseDiskOptions(CLI::App& app, NewImageArguments& arguments, NewImageRole role) {
  AddFlag(app, "--fixed", arguments.fixed, "allocate every block from the start");
  AddChoice(app, "--logical-sector", arguments.logical_sector, {"512", "4096"},
            Format("logical sector size (default: {})", DefaultsFor(role).logical_sector));
}

std::string_view OptionOfNewImage(const NewImageArguments& arguments) {
  if (arguments.fixed) return "--fixed";
  if (arguments.block_size != 0) return "--block-size";
  if (arguments.log_size != 0) return "--log-size";
  if (!arguments.logical_sector.empty()) return "--logical-sector";
  if (!arguments.physical_sector.empty()) return "--physical-sector";
  if (arguments.preallocate) return "--preallocate";
  if (arguments.disk_id) return "--disk-id";
  if (arguments.creator != NewImageArguments().creator) return "--creator";
  if (arguments.reproducible) return "--reproducible";
  return {};
}

CreateOptions ToCreateOptions(const NewImageArguments& arguments, Subformat subformat,
                              const std::string& contents) {
  CreateOptions options{.subformat = subformat,
                        .block_size_bytes = arguments.block_size,
                        .log_size_bytes = arguments.log_size,
                        .logical_sector_size = arguments.logical_sector_size(),
                        .physical_sector_size = SectorSize(arguments.physical_sector),
                        .preallocate = arguments.preallocate,
                        .disk_id = arguments.disk_id,
                        .creator = arguments.creator};
  if (arguments.reproducible) {
    options.random = ReproducibleBytes(Describe(arguments, options, contents));
  }
  return options;
}

}  // namespace vhdx::cli
