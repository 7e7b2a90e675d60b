#include "media/read_service.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "bytes/border.h"
#include "bytes/buffer_cursor.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
#include "io/device_checks.h"
#include "io/host_error.h"

namespace vhdx {
namespace {

constexpr uint32_t kStatusRead = 0;
constexpr uint32_t kStatusUnreadable = 1;

Result<void> SendAll(int socket, ByteSpan bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return HostFailure(errno, "send to the socket", {});
    bytes = bytes.subspan(static_cast<size_t>(sent));
  }
  return {};
}

/// Fills the buffer, or as much of it as comes before the other side closes the socket.
Result<size_t> ReceiveAll(int socket, MutableByteSpan buffer) {
  size_t done = 0;
  while (done < buffer.size()) {
    const MutableByteSpan rest = buffer.subspan(done);
    const ssize_t received = ::recv(socket, rest.data(), rest.size(), 0);
    if (received < 0 && errno == EINTR) continue;
    if (received < 0) return HostFailure(errno, "receive from the socket", {});
    if (received == 0) break;
    done += static_cast<size_t>(received);
  }
  return done;
}

std::unexpected<Error> EndedTooEarly() {
  return Fail(ErrorCode::kIo, "the other side closed the socket in the middle of a message");
}

// -- The server --

/// The next request; nothing once the client is gone.
Result<std::optional<ReadRequest>> ReceiveRequest(int socket) {
  ReadRequest request;
  const auto received =
      VHDX_TRY(ReceiveAll(socket, std::as_writable_bytes(std::span(&request, 1))));
  if (received == 0) return std::nullopt;
  if (received < sizeof(request)) return EndedTooEarly();
  return request;
}

Result<void> CheckRequest(const BlockDevice& device, const ReadRequest& request) {
  if (request.length_bytes == 0 || request.length_bytes > kMaxServedRead) {
    return Fail(ErrorCode::kInvalidArgument,
                Format("a request for {} bytes", uint32_t{request.length_bytes}), device.name());
  }
  return CheckInside(device, {request.disk_offset, request.length_bytes});
}

Result<void> SendReply(int socket, uint32_t status, ByteSpan bytes) {
  const ReadReply reply{.status = status};
  VHDX_TRY(SendAll(socket, std::as_bytes(std::span(&reply, 1))));
  return SendAll(socket, bytes);
}

/// Whether the client went away while something was sent to it, which is no error of the disk.
bool IsGone(const Error& error) {
  return error.sys_errno == EPIPE || error.sys_errno == ECONNRESET;
}

}  // namespace

Result<void> ServeReads(BlockDevice& device, int socket) try {
  const ReadServiceGreeting greeting{.size_bytes = device.size_bytes(),
                                     .logical_sector_size = device.logical_sector_size(),
                                     .physical_sector_size = device.physical_sector_size()};
  std::vector<std::byte> buffer(kMaxServedRead);
  Result<void> first_failure;
  auto sent = SendAll(socket, std::as_bytes(std::span(&greeting, 1)));
  while (sent) {
    auto request = VHDX_TRY(ReceiveRequest(socket));
    if (!request) break;
    VHDX_TRY(CheckRequest(device, *request));
    const MutableByteSpan bytes = std::span(buffer).first(request->length_bytes);
    auto read = device.Read(request->disk_offset, bytes);
    sent = read ? SendReply(socket, kStatusRead, bytes) : SendReply(socket, kStatusUnreadable, {});
    if (!read && first_failure) first_failure = std::move(read);
  }
  if (first_failure && !sent && !IsGone(sent.error())) return sent;
  return first_failure;
} catch (...) {
  return CaughtException();
}

// -- The client --

ServedDevice::ServedDevice(int socket, const ReadServiceGreeting& greeting)
    : ReadOnlyDevice({.name = "the disk on the socket",
                      .size_bytes = greeting.size_bytes,
                      .logical_sector_size = greeting.logical_sector_size,
                      .physical_sector_size = greeting.physical_sector_size}),
      socket_(socket) {}

Result<std::unique_ptr<ServedDevice>> ServedDevice::Connect(int socket) try {
  ReadServiceGreeting greeting;
  const auto received =
      VHDX_TRY(ReceiveAll(socket, std::as_writable_bytes(std::span(&greeting, 1))));
  if (received < sizeof(greeting)) return EndedTooEarly();
  const auto is_sector_size = [](uint32_t bytes) { return bytes == 512 || bytes == 4096; };
  if (greeting.magic != ReadServiceGreeting::kMagic || greeting.size_bytes >> 63 != 0 ||
      !is_sector_size(greeting.logical_sector_size) ||
      !is_sector_size(greeting.physical_sector_size)) {
    return Fail(ErrorCode::kCorrupt, "the other side of the socket does not serve a disk");
  }
  return std::unique_ptr<ServedDevice>(new ServedDevice(socket, greeting));
} catch (...) {
  return CaughtException();
}

Result<void> ServedDevice::Read(uint64_t disk_offset,
                                std::span<const MutableByteSpan> buffers) try {
  VHDX_TRY(CheckInside(*this, {disk_offset, TotalBytes(buffers)}));
  const MutexLock lock(mutex_);
  for (MutableByteSpan buffer : buffers) {
    while (!buffer.empty()) {
      const size_t length = std::min<size_t>(buffer.size(), kMaxServedRead);
      VHDX_TRY(ReadPiece(disk_offset, buffer.first(length)));
      disk_offset += length;
      buffer = buffer.subspan(length);
    }
  }
  return {};
} catch (...) {
  return CaughtException();
}

Result<void> ServedDevice::ReadPiece(uint64_t disk_offset, MutableByteSpan piece) {
  const ReadRequest request{.disk_offset = disk_offset,
                            .length_bytes = static_cast<uint32_t>(piece.size())};
  VHDX_TRY(SendAll(socket_, std::as_bytes(std::span(&request, 1))));
  ReadReply reply;
  const auto head = VHDX_TRY(ReceiveAll(socket_, std::as_writable_bytes(std::span(&reply, 1))));
  if (head < sizeof(reply)) return EndedTooEarly();
  if (reply.status != kStatusRead) {
    return Fail(ErrorCode::kIo,
                Format("{} bytes at offset {} cannot be read", piece.size(), disk_offset), name());
  }
  const auto received = VHDX_TRY(ReceiveAll(socket_, piece));
  return received == piece.size() ? Result<void>{} : EndedTooEarly();
}

}  // namespace vhdx
