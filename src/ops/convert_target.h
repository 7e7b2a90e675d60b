// Where a conversion puts its result: into what is there, or into a new file.

#ifndef VHDXKIT_OPS_CONVERT_TARGET_H_
#define VHDXKIT_OPS_CONVERT_TARGET_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/convert.h>
#include <vhdxkit/error.h>
#include <vhdxkit/file.h>

#include <cstdint>
#include <memory>
#include <string>

#include "builder/disk_builder.h"

namespace vhdx {

enum class TargetKind : uint8_t { kNewFile, kExistingFile, kBlockDevice };

struct Target {
  TargetKind kind = TargetKind::kNewFile;
  /// A file that the new one is going to replace, locked until then, or null.
  std::unique_ptr<File> replaced = {};
};

/// Looks at what has the target's name, and refuses it where the options do. `source` may
/// be null. Errors: kNotFound, kExists, kBusy, kInvalidArgument; those of FileSystem::Open.
Result<Target> DecideTarget(FileSystem& files, const BlockDevice* source, const std::string& path,
                            const ConvertOptions& options);

/// How a new file at the target is made.
BuildOptions BuildOptionsFor(const ConvertOptions& options, Target target);

}  // namespace vhdx

#endif  // VHDXKIT_OPS_CONVERT_TARGET_H_
