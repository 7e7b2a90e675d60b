// vhdx ctl: commands for a server that runs.

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "bytes/formatting.h"
#include "bytes/try.h"
#include "bytes/utf16.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/disk_source.h"
#include "cli/duration_text.h"
#include "cli/field_list.h"
#include "cli/format_names.h"
#include "cli/printable.h"
#include "cli/size_text.h"
#include "control/control_client.h"
#include "control/unix_socket.h"
#include "json/json.h"

namespace vhdx::cli {
namespace {

constexpr const char* kSnapshot = "snapshot";
constexpr const char* kInfo = "info";
constexpr const char* kFlush = "flush";
constexpr const char* kStop = "stop";

struct CtlArguments {
  std::string socket;
  std::string command;
  std::string child;
};

Result<void> CheckCtlArguments(const CtlArguments& arguments) {
  VHDX_TRY(control::CheckSocketPath(arguments.socket));
  const bool takes_child = arguments.command == kSnapshot;
  if (takes_child && arguments.child.empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                Format("CHILD is missing: the image to create, `vhdx ctl {} snapshot CHILD`",
                       QuoteForShell(arguments.socket)));
  }
  if (!takes_child && !arguments.child.empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                Format("too many arguments, from \"{}\"", Printable(arguments.child)));
  }
  return takes_child ? CheckNewName(arguments.child, ".avhdx") : Result<void>{};
}

// The server has another working directory.
Result<Json> RequestFor(const CtlArguments& arguments) {
  Json request = {{"execute", arguments.command}};
  if (arguments.child.empty()) return request;
  std::error_code failure;
  const std::string child = std::filesystem::absolute(arguments.child, failure).string();
  if (failure) {
    return Fail(ErrorCode::kIo, "cannot find the working directory: " + failure.message());
  }
  if (!Utf16FromUtf8(child)) {
    return Fail(ErrorCode::kInvalidArgument,
                "the path is not UTF-8, as a request to a server must be", child);
  }
  request["arguments"] = {{"child", child}};
  return request;
}

// -- Text --

// Replies are the server's, which may be of another version: what is missing is left out.
std::string TextIn(const Json& json, const std::string& pointer) {
  const Json::json_pointer place(pointer);
  return json.contains(place) && json[place].is_string() ? json[place].get<std::string>() : "";
}

uint64_t NumberIn(const Json& json, const std::string& pointer) {
  const Json::json_pointer place(pointer);
  return json.contains(place) && json[place].is_number_unsigned() ? json[place].get<uint64_t>() : 0;
}

std::string SnapshotText(const Json& reply) {
  const std::chrono::nanoseconds pause(NumberIn(reply, "/pause-ns"));
  return Format(
      "created {}; its parent is {}, which must not be changed from now on (requests waited for "
      "{})\n",
      Printable(TextIn(reply, "/child")), Printable(TextIn(reply, "/parent")),
      FormatDuration(pause));
}

std::string InfoText(const Json& reply) {
  const std::string data = "/format-specific/data";
  FieldList fields;
  fields.Add("format", Format("VHDX, {}", TextIn(reply, data + "/subformat")));
  fields.Add("virtual size", FormatSizeExactly(NumberIn(reply, "/virtual-size")));
  fields.Add("file size", Format("{}, of which the host has allocated {}",
                                 FormatSizeExactly(NumberIn(reply, data + "/file-size")),
                                 FormatSize(NumberIn(reply, "/actual-size"))));
  fields.Add("block size", FormatSize(NumberIn(reply, data + "/block-size")));
  fields.Add("disk ID", TextIn(reply, data + "/disk-id"));
  fields.Add("file write guid", TextIn(reply, data + "/file-write-guid"));
  fields.Add("data write guid", TextIn(reply, data + "/data-write-guid"));
  fields.Add("log",
             TextIn(reply, data + "/log/state") == "dirty" ? "in use by the server" : "clean");
  const std::string parent = TextIn(reply, "/backing-filename");
  if (!parent.empty()) {
    fields.Add("parent", parent);
    fields.Add("parent found", TextIn(reply, "/full-backing-filename"));
  }
  return Printable(TextIn(reply, "/filename")) + "\n" + fields.ToText();
}

void PrintReply(const Invocation& invocation, const std::string& command, const Json& reply) {
  if (invocation.options.json) {
    invocation.out.Write(ToDocument(invocation.messages.WithWarnings(reply)));
  } else if (command == kInfo) {
    invocation.out.Write(InfoText(reply));
  } else if (command == kSnapshot && !invocation.options.quiet) {
    invocation.out.Write(SnapshotText(reply));
  }
}

Result<ExitStatus> RunCtl(const Invocation& invocation, const CtlArguments& arguments) {
  if (auto checked = CheckCtlArguments(arguments); !checked) {
    return invocation.Misused(checked.error());
  }
  const auto request = VHDX_TRY(RequestFor(arguments));
  auto client = VHDX_TRY(control::ControlClient::Connect(arguments.socket, invocation.interrupted));
  const auto reply = VHDX_TRY(client.Ask(request));
  if (arguments.command == kStop) {
    VHDX_TRY(client.WaitForEnd());
  }
  if (arguments.command == kSnapshot) {
    NoteParentElsewhere(invocation, TextIn(reply, "/child"), TextIn(reply, "/parent"));
    WarnOfName(invocation, arguments.child, kVhdx);
  }
  PrintReply(invocation, arguments.command, reply);
  return ExitStatus::kDone;
}

}  // namespace

Command AddCtl(CLI::App& root) {
  auto arguments = std::make_shared<CtlArguments>();
  CLI::App& app = AddCommand(root, "ctl",
                             "Control a running server. SOCKET is what `vhdx serve --control` was "
                             "given.");
  AddFile(app, "SOCKET", arguments->socket, "the control socket of the server");
  AddChoice(app, "COMMAND", arguments->command, {kSnapshot, kInfo, kFlush, kStop},
            "snapshot: put a new child on top of the image and continue with it; info: show "
            "information about the image; flush: make durable what was written; stop: end the "
            "server and wait until the image is closed");
  app.get_option("COMMAND")->required();
  AddFile(app, "CHILD", arguments->child, "with snapshot: the child to create");
  app.get_option("CHILD")->required(false);
  return {&app,
          [arguments](const Invocation& invocation) { return RunCtl(invocation, *arguments); }};
}

}  // namespace vhdx::cli
