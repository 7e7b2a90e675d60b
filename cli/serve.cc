// vhdx serve: a disk over NBD, through nbdkit and our plugin.

#include <vhdxkit/create.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/image_tree.h>
#include <vhdxkit/inspect.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "bytes/formatting.h"
#include "bytes/try.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/disk_source.h"
#include "cli/nbd_server.h"
#include "cli/printable.h"
#include "control/unix_socket.h"
#include "json/json.h"

namespace vhdx::cli {
namespace {

struct ServeArguments {
  std::string path;
  std::string socket;
  std::string control;
  std::optional<std::string> listen;  // empty text: not said where
  std::string command;
  std::string snapshot;
  bool read_only = false;
  bool orphan_children = false;
  bool no_lock = false;
  ReadOptions read;

  bool without_locks() const { return no_lock || read.force_share; }
  const std::string& served_path() const { return snapshot.empty() ? path : snapshot; }
};

std::vector<std::string> PluginParameters(const Invocation& invocation,
                                          const ServeArguments& arguments) {
  std::vector<std::string> parameters = {"file=" + arguments.served_path(),
                                         arguments.read_only ? "access=read" : "access=write"};
  for (const std::string& folder : invocation.options.search.folders) {
    parameters.push_back("parent-dir=" + folder);
  }
  if (invocation.options.search.anywhere) parameters.emplace_back("allow-any-parent=true");
  if (arguments.orphan_children) parameters.emplace_back("orphan-children=true");
  if (arguments.without_locks()) parameters.emplace_back("no-lock=true");
  for (const std::string& parent : arguments.read.parents) parameters.push_back("parent=" + parent);
  if (arguments.read.ignore_parent_id) parameters.emplace_back("ignore-parent-id=true");
  if (arguments.read.ignore_log) parameters.emplace_back("ignore-log=true");
  return parameters;
}

Error AdviseReadOnly(Error error) {
  switch (error.code) {
    case ErrorCode::kPermission:
    case ErrorCode::kReadOnly:
      return BeforeRule(std::move(error), "; --read-only serves it");
    case ErrorCode::kCorrupt:
    case ErrorCode::kUnsupported:
      return BeforeRule(std::move(error), "; --read-only serves what can be read");
    default:
      return error;
  }
}

// Tries what the server is about to do, so that what is wrong is said as every command says it.
Result<void> TryToOpen(const Invocation& invocation, const ServeArguments& arguments) {
  const std::string& path = arguments.served_path();
  ReadOptions read = arguments.read;
  read.force_share = arguments.without_locks();
  OpenOptions open = {.chain = invocation.ChainFor(read)};
  auto disk = Disk::Open(invocation.files, path, open);
  if (!disk) return std::unexpected(ExplainWrongFormat(invocation.files, std::move(disk.error())));
  for (size_t depth = 0; depth < (*disk)->chain_length(); ++depth) {
    WarnOfFindings(invocation, (*disk)->image_at_open(depth).findings);
  }
  if (arguments.read_only) {
    WarnOfSharedSpace(invocation, **disk);
    return {};
  }
  disk->reset();  // and its locks
  open.access = DiskAccess::kReadWrite;
  disk = Disk::Open(invocation.files, path, open);
  auto sound = disk ? (*disk)->RefuseSharedSpace() : std::unexpected(std::move(disk.error()));
  if (!sound) return std::unexpected(AdviseReadOnly(std::move(sound.error())));
  if (arguments.orphan_children) return {};
  return RefuseIfParent(invocation.files, path, open.chain.search);
}

// What the arguments say.
Result<NbdServerOptions> ServerOptions(const Invocation& invocation,
                                       const ServeArguments& arguments) {
  NbdServerOptions options{.plugin_parameters = PluginParameters(invocation, arguments),
                           .read_only = arguments.read_only,
                           .socket_path = arguments.socket,
                           .tcp = {},
                           .control_path = arguments.control};
  for (const std::string& path : {arguments.socket, arguments.control}) {
    VHDX_TRY(control::CheckSocketPath(path));
  }
  if (!arguments.socket.empty() && arguments.socket == arguments.control) {
    return Fail(ErrorCode::kInvalidArgument, "--socket and --control are the same path",
                arguments.socket);
  }
  if (!arguments.listen) return options;
  options.tcp = TcpAddress::Parse(*arguments.listen);
  if (!options.tcp) {
    const bool is_ipv6 = std::ranges::count(*arguments.listen, ':') > 1;
    return Fail(ErrorCode::kInvalidArgument,
                Format("--listen: \"{}\" is not an address with a port from 1 to 65535; {}",
                       Printable(*arguments.listen),
                       is_ipv6 ? "put an IPv6 address in brackets, as in [::1]:10809"
                               : "one looks like 127.0.0.1:10809"));
  }
  return options;
}

// Over TCP whoever reaches the port has the disk.
void WarnOfOpenPort(const Invocation& invocation, const ServeArguments& arguments,
                    const NbdServerOptions& options) {
  if (!options.tcp || options.tcp->is_loopback()) return;
  invocation.messages.Warn(
      "", Format("every host that can reach port {} can read{} this disk: there is no password and "
                 "no encryption",
                 options.tcp->port, arguments.read_only ? "" : " and write"));
}

Result<void> Announce(const Invocation& invocation, const NbdServer& server) {
  if (invocation.options.json) {
    const Json document = {{"uri", server.uri()}, {"pid", server.pid()}};
    invocation.out.Write(ToDocument(invocation.messages.WithWarnings(document)));
  } else {
    invocation.out.Write(server.uri() + "\n");
  }
  // Whoever waits for it does so now, and not at our end. A server that nobody can find is of no
  // use.
  return invocation.out.Finish();
}

// Being stopped is how a server ends; it has failed if it could not keep what was written.
Result<ExitStatus> StatusOf(int server_status) {
  if (server_status == 0) return ExitStatus::kDone;
  return Fail(ErrorCode::kIo,
              Format("the server failed (nbdkit ended with status {}); what was written after the "
                     "last successful flush may be lost",
                     server_status));
}

Result<ExitStatus> UntilItsEnd(const Invocation& invocation, NbdServer& server) {
  VHDX_TRY(Announce(invocation, server));
  return StatusOf(server.Wait(invocation.interrupted));
}

// The status of the command, unless what it wrote could not be kept.
Result<ExitStatus> WhileItRuns(const Invocation& invocation, const std::string& command,
                               NbdServer& server) {
  const auto exit_status = VHDX_TRY(server.Run(command, invocation.interrupted));
  VHDX_TRY(StatusOf(server.Stop()));
  return static_cast<ExitStatus>(exit_status);
}

Result<std::unique_ptr<NbdServer>> StartServer(const Invocation& invocation,
                                               const ServeArguments& arguments,
                                               const NbdServerOptions& options) {
  VHDX_TRY(TryToOpen(invocation, arguments));
  return NbdServer::Start(options, invocation.interrupted);
}

// Whether the child that is to be created exists, and is one of the image.
bool IsChild(const Invocation& invocation, const ServeArguments& arguments) {
  const auto child = Inspect(invocation.files, arguments.snapshot);
  const auto parent = Inspect(invocation.files, arguments.path);
  return child && parent && child->image.parent_locator &&
         child->image.parent_locator->parent_linkage == parent->image.header().data_write_guid;
}

Result<void> CreateChild(const Invocation& invocation, const ServeArguments& arguments) {
  auto created = Create(invocation.files, arguments.snapshot,
                        {.subformat = Subformat::kDifferencing,
                         .parent_path = arguments.path,
                         .search = invocation.options.search,
                         .access_of_parent = true});
  if (created) return {};
  if (created.error().code == ErrorCode::kExists) {
    const std::string& path = arguments.snapshot;
    return Fail(ErrorCode::kExists,
                Format("the file exists already; {}name another file",
                       IsChild(invocation, arguments)
                           ? Format("to go on with the writes in it, use `vhdx serve {}`; else ",
                                    QuoteForShell(path))
                           : ""),
                path);
  }
  return std::unexpected(ExplainWrongFormat(invocation.files, std::move(created.error())));
}

Result<ExitStatus> RunServe(const Invocation& invocation, const ServeArguments& arguments) {
  auto options = ServerOptions(invocation, arguments);
  if (!options) return invocation.Misused(options.error());
  if (!arguments.snapshot.empty()) {
    VHDX_TRY(CreateChild(invocation, arguments));
  }
  WarnOfOpenPort(invocation, arguments, *options);
  auto server = StartServer(invocation, arguments, *options);
  if (!server) {
    // A child that was not served is of no use, and keeps its parent from being written.
    if (!arguments.snapshot.empty()) (void)invocation.files.Remove(arguments.snapshot);
    return std::unexpected(std::move(server.error()));
  }
  return arguments.command.empty() ? UntilItsEnd(invocation, **server)
                                   : WhileItRuns(invocation, arguments.command, **server);
}

}  // namespace

Command AddServe(CLI::App& root) {
  auto arguments = std::make_shared<ServeArguments>();
  CLI::App& app = AddCommand(
      root, "serve",
      "Serve a disk over NBD with nbdkit until stopped, and print the URI of the server.");
  AddFile(app, "FILE", arguments->path, "a VHDX image");
  AddPath(app, "--socket", arguments->socket,
          "listen on a Unix socket at this path (default: in a new directory that only its owner "
          "can enter)");
  AddPath(app, "--control", arguments->control,
          "also take commands on a Unix socket at this path, see `vhdx ctl`");
  AddOptionalText(app, "--listen", "ADDRESS", arguments->listen,
                  "listen on TCP instead, at HOST:PORT (default: 127.0.0.1:10809)");
  AddFlag(app, "--read-only", arguments->read_only, "refuse writes");
  AddPath(app, "--snapshot-writes", arguments->snapshot,
          "create this child of the image and serve it; the image is not modified");
  AddText(app, "--run", arguments->command,
          "serve while this shell command runs; it can use $uri and $unixsocket", "COMMAND");
  AddFlag(app, "--orphan-children", arguments->orphan_children,
          "write even if FILE is the parent of other images, which become unreadable");
  AddFlag(app, "--no-lock", arguments->no_lock, "do not lock, for file systems without locks");
  AddOverrides(app, arguments->read);
  AddFlag(app, "-U,--force-share", arguments->read.force_share,
          "with --read-only: do not lock, even if another program is writing");
  AddConflict(app, "--socket", "--listen");
  AddConflict(app, "--snapshot-writes", "--read-only");
  for (const char* const of_reading :
       {"--force-share", "--parent", "--ignore-parent-id", "--ignore-log"}) {
    AddNeed(app, of_reading, "--read-only");
  }
  return {
      .app = &app,
      .run = [arguments](const Invocation& invocation) { return RunServe(invocation, *arguments); },
      .if_parent =
          "serve the child, or use --read-only, or --snapshot-writes NEW to put all "
          "writes into a new child; --orphan-children writes anyway",
      .if_in_use = "use --read-only -U to serve it anyway"};
}

}  // namespace vhdx::cli
