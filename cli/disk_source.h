// A disk that a command reads: found out what it is, opened, and its oddities told.

#ifndef VHDXKIT_CLI_DISK_SOURCE_H_
#define VHDXKIT_CLI_DISK_SOURCE_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/finding.h>
#include <vhdxkit/raw_device.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/format_names.h"
#include "cli/invocation.h"
#include "cli/standard_input.h"

namespace CLI {
class App;
}  // namespace CLI

namespace vhdx::cli {

/// What the user says of a source.
struct SourceArguments {
  std::string path;
  std::string format;                ///< "raw", "vhdx", or empty: told by its contents
  std::string format_option = "-f";  ///< how that is said, for advice
  ReadOptions read;
  uint32_t sector_size =
      RawDevice::kSectorSize;  ///< of what it becomes: a raw disk is padded to a multiple of it
  DiskAccess access = DiskAccess::kReadOnly;
  bool orphan_children = false;  ///< with kReadWrite: writes to a parent of other images too
};

/// Adds `-f raw|vhdx` (under another name where two sources are read).
void AddFormat(CLI::App& app, const std::string& names, SourceArguments& source,
               const std::string& of = "the source");

/// Adds `-U, --force-share`.
void AddForceShare(CLI::App& app, ReadOptions& read);

/// Adds `--ignore-log`.
void AddIgnoreLog(CLI::App& app, ReadOptions& read);

/// Adds `--parent`, `--ignore-parent-id` and `--ignore-log`, for commands that follow the parents.
void AddOverrides(CLI::App& app, ReadOptions& read);

/// Adds `-O, --output-format raw|vhdx`.
void AddOutputFormat(CLI::App& app, std::string& target, const std::string& help);

/// One of AddOverrides' options that was said, and that a source which is said to be raw, or is
/// standard input, cannot need; else empty.
std::string_view OverrideOfRaw(const SourceArguments& source);

struct DiskSource {
  std::unique_ptr<BlockDevice> device;
  std::string_view format;  ///< "raw" or "vhdx"
};

/// Opens it and warns of what the user should know. Errors: those of FileSystem::Open,
/// File::Lock and Disk::Open; kUnsupported for another format, with what helps; for writing kBusy
/// for a parent of other images.
Result<DiskSource> OpenDiskSource(const Invocation& invocation, const SourceArguments& source);

/// More of the sentence, before the ID of the rule that ends it, if there is one.
Error BeforeRule(Error error, std::string_view words);

/// Notes that a raw disk of that many bytes is padded to a whole sector, if it is.
void NotePadding(const Invocation& invocation, const std::string& path, uint64_t size_bytes,
                 uint32_t sector_size);

/// Whether a raw disk may be taken from there: refuses what begins like an image, unless the user
/// says that it is raw. Errors: kUnsupported; those of StandardInput.
Result<void> CheckStandardInput(StandardInput& input, const SourceArguments& source);

/// Warns if the user asked for reading without locks.
void WarnOfForceShare(const Invocation& invocation, const std::string& path,
                      const ReadOptions& read);

/// Warns if two blocks of the disk are in one place, so that one of them reads as the other, or if
/// that cannot be told.
void WarnOfSharedSpace(const Invocation& invocation, BlockDevice& device);

/// Warns of each file system without locks that the findings tell of.
void WarnOfMissingLocks(const Invocation& invocation, const std::vector<Finding>& findings);

/// The same, and warns of what else the findings say and the user should know whatever the command
/// does: a check that was overridden, a parent that is one of several.
void WarnOfFindings(const Invocation& invocation, const std::vector<Finding>& findings);

/// Notes how to open a new child whose parent is not found from it.
void NoteParentElsewhere(const Invocation& invocation, const std::string& child,
                         const std::string& parent);

/// The error, and if it says that a file is no VHDX, what the file is instead.
Error ExplainWrongFormat(FileSystem& files, Error error);

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_DISK_SOURCE_H_
