// Transfer of whole buffers with system calls that may be interrupted or transfer only a part.

#ifndef VHDXKIT_IO_TRANSFER_H_
#define VHDXKIT_IO_TRANSFER_H_

#include <sys/types.h>
#include <sys/uio.h>
#include <vhdxkit/file.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>

namespace vhdx {

inline iovec VectorOf(MutableByteSpan buffer) {
  return {.iov_base = buffer.data(), .iov_len = buffer.size()};
}
/// For calls that only read through it.
inline iovec VectorOf(ByteSpan buffer) {
  return {.iov_base = const_cast<std::byte*>(buffer.data()), .iov_len = buffer.size()};
}

/// The bytes that were transferred, and the errno that stopped it (0: complete, or end of file).
struct Transferred {
  size_t bytes = 0;
  int sys_errno = 0;
};

/// Drops the first `length_bytes` from the buffers in `vectors`, and buffers that are empty then.
inline std::span<iovec> DropFront(std::span<iovec> vectors, size_t length_bytes) {
  while (!vectors.empty() && length_bytes >= vectors.front().iov_len) {
    length_bytes -= vectors.front().iov_len;
    vectors = vectors.subspan(1);
  }
  if (length_bytes != 0) {
    vectors.front().iov_base = static_cast<std::byte*>(vectors.front().iov_base) + length_bytes;
    vectors.front().iov_len -= length_bytes;
  }
  return vectors;
}

/// Calls `call(vectors, file_offset)`, which returns what preadv and pwritev return, until the
/// buffers are done, it transfers nothing, or it fails with anything but EINTR. Consumes `vectors`.
template <typename Call>
Transferred TransferWhole(std::span<iovec> vectors, uint64_t file_offset, Call call) {
  Transferred done;
  vectors = DropFront(vectors, 0);
  while (!vectors.empty()) {
    const ssize_t moved = call(vectors, file_offset + done.bytes);
    if (moved == 0) break;
    if (moved < 0) {
      if (errno == EINTR) continue;
      done.sys_errno = errno;
      break;
    }
    done.bytes += static_cast<size_t>(moved);
    vectors = DropFront(vectors, static_cast<size_t>(moved));
  }
  return done;
}

}  // namespace vhdx

#endif  // VHDXKIT_IO_TRANSFER_H_
