// One end of a connection that carries lines.

#ifndef VHDXKIT_CONTROL_CONNECTION_H_
#define VHDXKIT_CONTROL_CONNECTION_H_

#include <vhdxkit/error.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "io/file_descriptor.h"

namespace vhdx::control {

class Connection {
 public:
  static constexpr size_t kLongestRequest = size_t{64} << 10;  ///< in bytes, with its line feed
  static constexpr size_t kLongestReply = size_t{16} << 20;

  /// `longest_line` is of those that are received, in bytes, with the line feed.
  Connection(FileDescriptor fd, size_t longest_line)
      : fd_(std::move(fd)), longest_line_(longest_line) {}

  int fd() const { return fd_.get(); }

  /// The next line that has been received, without its line feed, if it is complete.
  std::optional<std::string> TakeLine();
  /// Whether what has been received and not taken begins so.
  bool StartsWith(std::string_view text) const { return received_.starts_with(text); }
  /// Takes what has arrived; does not wait. False at the end of the stream. Errors:
  /// kInvalidArgument (the line is too long); kIo.
  Result<bool> Receive();

  /// Sends the text. Waits until the other side takes it, but not after `stop_fd` has become
  /// readable (-1: none), and not longer than `milliseconds` each time. Errors: kCancelled; kIo.
  Result<void> Send(std::string_view text, int stop_fd, int milliseconds);

 private:
  FileDescriptor fd_;
  size_t longest_line_;
  std::string received_;
};

}  // namespace vhdx::control

#endif  // VHDXKIT_CONTROL_CONNECTION_H_
