// Reading a disk of another process over a socket: how vhdx-free-space, which may not open
// anything, reads a disk that only its parent can open.
//
// The server speaks first, with a ReadServiceGreeting. Then the client sends one ReadRequest after
// the other, and the server answers each with a ReadReply and, if the status is 0, with the bytes.
// Neither side trusts the other: what does not follow these rules ends the conversation.

#ifndef VHDXKIT_MEDIA_READ_SERVICE_H_
#define VHDXKIT_MEDIA_READ_SERVICE_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/error.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "bytes/endian.h"
#include "bytes/mutex.h"
#include "media/read_only_device.h"

namespace vhdx {

/// The longest read that is served.
inline constexpr uint32_t kMaxServedRead = uint32_t{1} << 20;

struct ReadServiceGreeting {
  static constexpr uint64_t kMagic = 0x3164616572786476;  // "vdxread1"

  le64 magic = kMagic;
  le64 size_bytes;
  le32 logical_sector_size;
  le32 physical_sector_size;
};
static_assert(sizeof(ReadServiceGreeting) == 24);

struct ReadRequest {
  le64 disk_offset;
  le32 length_bytes;  ///< 1 to kMaxServedRead
};
static_assert(sizeof(ReadRequest) == 12);

struct ReadReply {
  le32 status;  ///< 0: the bytes follow; 1: they cannot be read
};
static_assert(sizeof(ReadReply) == 4);

/// Serves reads of the device on the socket until the client closes it, or somebody else shuts it
/// down. A read that fails is reported to the client, and serving continues. Errors: that of the
/// first read that failed; kInvalidArgument (the client breaks the rules, or asks for what is not
/// inside of the device); kIo.
Result<void> ServeReads(BlockDevice& device, int socket);

/// A disk that another process serves.
class ServedDevice final : public ReadOnlyDevice {
 public:
  /// Waits for the greeting. The socket stays the caller's, and must stay open as long as this.
  /// Errors: kCorrupt (this is not the service, or a size that cannot be), kIo.
  static Result<std::unique_ptr<ServedDevice>> Connect(int socket);

  using ReadOnlyDevice::Read;
  /// Errors: kInvalidArgument; kIo (also what the server cannot read; that one knows why).
  Result<void> Read(uint64_t disk_offset, std::span<const MutableByteSpan> buffers) override;

 private:
  ServedDevice(int socket, const ReadServiceGreeting& greeting);
  Result<void> ReadPiece(uint64_t disk_offset, MutableByteSpan piece) VHDX_REQUIRES(mutex_);

  const int socket_;
  Mutex mutex_;  ///< held from a request to the end of its reply
};

}  // namespace vhdx

#endif  // VHDXKIT_MEDIA_READ_SERVICE_H_
