// Locks on an open file description, in the byte ranges that QEMU uses, so that the two programs
// exclude each other.
//
// A user of permission p of a file holds a shared lock on byte 100 + p of it; a user that does not
// share p with others holds one on byte 200 + p. These locks never conflict by themselves; after
// taking its own, a user tests whether another one holds a byte that contradicts them.

#ifndef VHDXKIT_IO_POSIX_LOCK_H_
#define VHDXKIT_IO_POSIX_LOCK_H_

#include <vhdxkit/file.h>

#include <cstdint>
#include <string>
#include <vector>

namespace vhdx {

/// Sets of permissions; bit p is permission p (QEMU's BLK_PERM_*).
struct LockBytes {
  uint8_t used = 0;
  uint8_t unshared = 0;
  friend bool operator==(const LockBytes&, const LockBytes&) = default;
};

inline constexpr uint8_t kConsistentRead = 1 << 0;
inline constexpr uint8_t kWrite = 1 << 1;
inline constexpr uint8_t kWriteUnchanged = 1 << 2;
inline constexpr uint8_t kResize = 1 << 3;

/// What `mode` holds: the same as QEMU's read-only and writable openers of an image.
LockBytes BytesOf(LockMode mode);

/// Takes the locks that `wanted` adds to `held`, then gives back what it leaves out. Errors: kBusy,
/// kUnsupported, kIo; `held` is then unchanged.
Result<void> ChangeLock(int fd, const std::string& name, LockBytes held, LockBytes wanted);

/// "NAME (pid N)" for each other process that has the file open, as far as we may inspect them, up
/// to a few.
std::vector<std::string> HoldersOf(FileIdentity identity);

}  // namespace vhdx

#endif  // VHDXKIT_IO_POSIX_LOCK_H_
