// The listening side of the control socket: lines in, lines out, one request at a time.
//
// Only the user who runs the server, and root, are answered. One connection is served after the
// other. One that goes away, sends nothing, or does not read its answers holds up nobody for long:
// it is closed as soon as another one waits and a time limit is over. Requests come in on a thread
// of the server; a request that has begun is always carried out.

#ifndef VHDXKIT_CONTROL_CONTROL_SERVER_H_
#define VHDXKIT_CONTROL_CONTROL_SERVER_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "control/answer.h"
#include "control/connection.h"
#include "io/file_descriptor.h"

namespace vhdx::control {

class ControlServer {
 public:
  struct Callbacks {
    /// Answers a line. Called on the server's thread.
    std::function<Answer(std::string_view line)> answer;
    /// Called after the answer with `ends_server` was sent; it must not wait for the thread.
    std::function<void()> stop;
  };
  struct Limits {
    /// For how long a client may keep others waiting without a request, or without reading.
    std::chrono::milliseconds patience = std::chrono::seconds(10);
  };

  /// Whether the socket can be made there; removes one that a killed server left. Errors: those of
  /// CheckPrivateFolder and MakeSocketPathFree.
  static Result<void> CheckPath(const std::string& path);

  /// Listens there, and begins to answer. Errors: those of CheckPath and ListenAt; kNoMemory.
  static Result<std::unique_ptr<ControlServer>> Start(const std::string& path, Callbacks callbacks,
                                                      const Limits& limits);
  static Result<std::unique_ptr<ControlServer>> Start(const std::string& path,
                                                      Callbacks callbacks) {
    return Start(path, std::move(callbacks), Limits{});
  }
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;
  /// Stops, and ends the connection whose request ended the server.
  ~ControlServer();

  /// Waits for the request that is being carried out. From then on no request is, and the socket
  /// has been removed. Whoever asked for the end keeps the connection, to see when all is done.
  void Stop();
  /// After Stop: tells whoever asked for the end what went wrong since.
  void SayLast(const Error& error);

 private:
  enum class Next : uint8_t { kGoOn, kEnd };

  ControlServer(std::string path, FileDescriptor listener, FileDescriptor stop_event,
                Callbacks callbacks, const Limits& limits);
  void Run();
  void RemoveSocket();
  // Nothing if the server is to end.
  std::optional<FileDescriptor> Accept();
  Next Serve(FileDescriptor fd);
  bool IsStopping() const;
  // Nothing if the connection is to end.
  std::optional<std::string> NextLine(Connection& connection);
  void Send(Connection& connection, std::string line);

  const std::string path_;
  const std::optional<FileIdentity> identity_;  // of the socket at the path
  FileDescriptor listener_;
  const FileDescriptor stop_event_;
  const Callbacks callbacks_;
  const Limits limits_;
  std::optional<Connection> last_;  // whose request ended the server
  bool is_stopped_ = false;
  std::thread thread_;
};

}  // namespace vhdx::control

#endif  // VHDXKIT_CONTROL_CONTROL_SERVER_H_
