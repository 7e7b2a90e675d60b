// A map of free space that the user has, from partclone or another program.

#ifndef VHDXKIT_CLI_FREE_MAP_FILE_H_
#define VHDXKIT_CLI_FREE_MAP_FILE_H_

#include <vhdxkit/error.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "guest/free_map.h"

namespace vhdx::cli {

/// FILE[@OFFSET].
struct FreeMapArgument {
  std::string path;
  uint64_t disk_offset = 0;  ///< where the volume starts that the map is of

  static FreeMapArgument Parse(std::string_view text);
};

/// Reads such a map, also from a pipe. Errors: kNotFound, kPermission, kIo; kCorrupt (it is not a
/// map); kCancelled.
Result<guest::FreeSpaceAnswer> ReadFreeMap(const std::string& path,
                                           const std::atomic<bool>& interrupted);

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_FREE_MAP_FILE_H_
