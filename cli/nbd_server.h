// nbdkit with our plugin, as a child process: what `vhdx serve` runs.

#ifndef VHDXKIT_CLI_NBD_SERVER_H_
#define VHDXKIT_CLI_NBD_SERVER_H_

#include <sys/types.h>
#include <vhdxkit/error.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/server_messages.h"

namespace vhdx::cli {

/// An address of TCP.
struct TcpAddress {
  std::string host;
  uint16_t port = 0;

  /// Reads "HOST:PORT", "[HOST]:PORT", "HOST", ":PORT", "PORT" or nothing; what is left out is the
  /// loopback interface, and the port of NBD.
  static std::optional<TcpAddress> Parse(const std::string& text);
  /// Whether it stands for every address of this host: "*", "0.0.0.0", "::".
  bool is_any() const { return host == "*" || host == "0.0.0.0" || host == "::"; }
  bool is_loopback() const {
    return host == "localhost" || host == "::1" || host.starts_with("127.");
  }
};

struct NbdServerOptions {
  std::vector<std::string> plugin_parameters;  ///< "file=disk.vhdx"
  bool read_only = false;
  std::string socket_path;        ///< empty: one in a new folder that only we may enter
  std::optional<TcpAddress> tcp;  ///< instead of a socket
  std::string control_path;       ///< of the control socket; empty: none
};

class NbdServer {
 public:
  /// Starts it and waits until it serves. Errors: kNotFound (no nbdkit);
  /// kExists (a file of the socket's name); kCancelled; kIo, with its own words if it ended.
  static Result<std::unique_ptr<NbdServer>> Start(const NbdServerOptions& options,
                                                  const std::atomic<bool>& interrupted);

  NbdServer(const NbdServer&) = delete;
  NbdServer& operator=(const NbdServer&) = delete;
  /// Ends it and removes socket and folder.
  ~NbdServer();

  /// For clients: "nbd+unix:///?socket=/path", "nbd://host:port".
  const std::string& uri() const { return uri_; }
  /// Empty for TCP.
  const std::string& socket_path() const { return socket_path_; }
  pid_t pid() const { return pid_; }

  /// Waits for its end, which `interrupted` brings about, and passes on what it says meanwhile;
  /// returns its exit status.
  int Wait(const std::atomic<bool>& interrupted);

  /// Stops it, and passes on what it says meanwhile; returns its exit status.
  int Stop();

  /// Runs a command of the shell, which finds $uri and, but for TCP, $unixsocket. It gets the
  /// signals that would interrupt us. Returns its exit status, as shells have it. Errors: kIo;
  /// kCancelled (before it was started).
  Result<int> Run(const std::string& command, const std::atomic<bool>& interrupted);

 private:
  NbdServer() = default;
  Result<void> MakePlaces(const NbdServerOptions& options);
  Result<void> Spawn(const NbdServerOptions& options);
  Result<void> WaitUntilReady(const std::atomic<bool>& interrupted);
  std::vector<std::string> CommandLine(const NbdServerOptions& options,
                                       const std::string& plugin) const;
  bool IsReady() const;
  std::string pid_path() const { return folder_ + "/pid"; }
  /// Its exit status, if it has ended.
  std::optional<int> Poll();

  ServerMessages messages_;
  std::string folder_;        // ours, with the pid and perhaps the socket; empty: none yet
  std::string socket_path_;   // empty: TCP
  std::string control_path_;  // empty: none
  std::string uri_;
  pid_t pid_ = -1;
  std::optional<int> exit_status_;
};

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_NBD_SERVER_H_
