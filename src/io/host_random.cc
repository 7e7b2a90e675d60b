#include "io/host_random.h"

#include <sys/random.h>

#include "bytes/border.h"
#include "io/host_error.h"
#include "io/transfer.h"

namespace vhdx {

Result<void> FillWithHostRandom(MutableByteSpan bytes) try {
  iovec vector = VectorOf(bytes);
  const Transferred filled = TransferWhole({&vector, 1}, 0, [](std::span<iovec> left, uint64_t) {
    return ::getrandom(left[0].iov_base, left[0].iov_len, 0);
  });
  if (filled.bytes == bytes.size()) return {};
  return HostFailure(filled.sys_errno, "get random bytes from the host", "");
} catch (...) {
  return CaughtException();
}

}  // namespace vhdx
