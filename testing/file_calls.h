// The calls of a File and a FileSystem, for what counts them or makes them fail.

#ifndef VHDXKIT_TESTING_FILE_CALLS_H_
#define VHDXKIT_TESTING_FILE_CALLS_H_

#include <vhdxkit/file.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace vhdx::testing {

/// The calls of a File and a FileSystem that do something.
enum class FileCall : uint8_t {
  kRead,
  kWrite,
  kSync,
  kResize,
  kZeroRange,
  kPunchHole,
  kCloneRange,
  kSize,
  kNextData,
  kNextHole,
  kLock,
  kRandom,
  kOpen,
  kRename,
  kRemove,
  kSyncFolder,
};
inline constexpr size_t kFileCalls = 16;

/// "write", "sync folder", ...
std::string_view FileCallName(FileCall call);

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_FILE_CALLS_H_
