// The options of every command that makes a VHDX.

#ifndef VHDXKIT_CLI_NEW_IMAGE_ARGUMENTS_H_
#define VHDXKIT_CLI_NEW_IMAGE_ARGUMENTS_H_

#include <vhdxkit/create.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace CLI {
class App;
}  // namespace CLI

namespace vhdx::cli {

struct NewImageArguments {
  bool fixed = false;
  uint64_t block_size = 0;
  uint64_t log_size = 0;
  std::string logical_sector;   // empty: not said
  std::string physical_sector;  // empty: not said
  bool preallocate = false;
  std::optional<Guid> disk_id;
  std::string creator = CreateOptions().creator;
  bool reproducible = false;
  std::string seed;

  uint32_t logical_sector_size() const;  ///< 0: not said
  /// To whose multiple a raw disk is padded that becomes this image, or stays raw.
  uint32_t padded_sector_size() const;
};

/// What the new image is, which decides what is taken where an option is left out.
enum class NewImageRole : uint8_t { kDisk, kChild, kCopy };

/// Adds those that every new image has.
void AddNewImageOptions(CLI::App& app, NewImageArguments& arguments, NewImageRole role);
/// Adds `--fixed` and `--logical-sector`, which a child takes from its parent.
void AddBaseDiskOptions(CLI::App& app, NewImageArguments& arguments, NewImageRole role);

/// One that was said and that only a new VHDX can have; else empty.
std::string_view OptionOfNewImage(const NewImageArguments& arguments);

/// What the options say; with --reproducible the random bytes come out of them, and out of
/// `contents`, which stands for all else that goes into the image.
CreateOptions ToCreateOptions(const NewImageArguments& arguments, Subformat subformat,
                              const std::string& contents);

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_NEW_IMAGE_ARGUMENTS_H_
