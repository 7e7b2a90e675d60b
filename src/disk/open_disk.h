// Opening a Disk in ways that only tests and the library itself need.

#ifndef VHDXKIT_DISK_OPEN_DISK_H_
#define VHDXKIT_DISK_OPEN_DISK_H_

#include <vhdxkit/disk.h>
#include <vhdxkit/file.h>

#include <memory>
#include <string>

#include "image/write_limits.h"

namespace vhdx {

/// As Disk::Open, with other limits.
Result<std::unique_ptr<Disk>> OpenDisk(FileSystem& files, const std::string& path,
                                       const OpenOptions& options, const WriteLimits& limits);

}  // namespace vhdx

#endif  // VHDXKIT_DISK_OPEN_DISK_H_
