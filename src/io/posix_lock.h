// Locks on an open file description, in the byte ranges that QEMU uses, so that the two keep clear
// of each other.
//
// Whoever uses permission p of a file holds a shared lock on byte 100 + p of it, and whoever does
// not share p with others one on byte 200 + p. The locks of users never collide as such; having
// taken its own, a user asks whether somebody else holds a byte that contradicts them.

#ifndef VHDXKIT_IO_POSIX_LOCK_H_
#define VHDXKIT_IO_POSIX_LOCK_H_

#include <vhdxkit/file.h>

#include <cstdint>
#include <string>

namespace vhdx {

/// Sets of permissions; bit p stands for permission p (QEMU's BLK_PERM_*).
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

/// Takes what `wanted` adds to `held`. Errors: kBusy, kUnsupported, kIo; then what is held is
/// `held` as before.
Result<void> TakeLock(int fd, const std::string& name, LockBytes held, LockBytes wanted);

/// " by NAME (pid N)" for each process but this one, of those we may look at, that has the file
/// open; or nothing.
std::string HoldersOf(FileIdentity identity);

}  // namespace vhdx

#endif  // VHDXKIT_IO_POSIX_LOCK_H_
