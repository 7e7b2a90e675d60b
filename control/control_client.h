// The other side of the control socket: asks a server that runs.

#ifndef VHDXKIT_CONTROL_CONTROL_CLIENT_H_
#define VHDXKIT_CONTROL_CONTROL_CLIENT_H_

#include <vhdxkit/error.h>

#include <atomic>
#include <string>
#include <utility>

#include "control/connection.h"
#include "json/json.h"

namespace vhdx::control {

class ControlClient {
 public:
  /// `interrupted` outlives it, and ends every wait with kCancelled. Errors: those of ConnectTo,
  /// with what to do about them.
  static Result<ControlClient> Connect(const std::string& path,
                                       const std::atomic<bool>& interrupted);

  /// Sends a request and waits for the reply; returns its member "return", an object. Errors: the
  /// one that the reply says; kIo (no reply, or one that is not of a control socket); kCancelled.
  Result<Json> Ask(const Json& request);
  /// Waits until the server has closed the connection. Errors: what it said went wrong meanwhile;
  /// kCancelled.
  Result<void> WaitForEnd();

 private:
  ControlClient(std::string path, Connection connection, const std::atomic<bool>& interrupted)
      : path_(std::move(path)), connection_(std::move(connection)), interrupted_(&interrupted) {}
  // False at the end of the stream.
  Result<bool> WaitAndReceive();
  Result<std::string> NextLine();
  Result<Json> ReplyIn(const std::string& line) const;

  std::string path_;
  Connection connection_;
  const std::atomic<bool>* interrupted_;
};

}  // namespace vhdx::control

#endif  // VHDXKIT_CONTROL_CONTROL_CLIENT_H_
