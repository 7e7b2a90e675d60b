#include "control/control_requests.h"

#include <vhdxkit/inspect.h>
#include <vhdxkit/snapshot.h>

#include <algorithm>
#include <optional>
#include <string>

#include "bytes/border.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
#include "json/error_json.h"
#include "json/info_json.h"

namespace vhdx::control {
namespace {

// Of objects and arrays. No request needs more, and whoever prints JSON goes down as many calls.
constexpr int kDeepest = 32;

constexpr const char* kExecute = "execute";
constexpr const char* kArguments = "arguments";
constexpr const char* kId = "id";

std::unexpected<Error> Refuse(std::string sentence) {
  return Fail(ErrorCode::kInvalidArgument, std::move(sentence));
}

std::unexpected<Error> Malformed(std::string_view why) {
  return Refuse(Format("malformed request: {}", why));
}

struct Request {
  std::string command;
  Json arguments = Json::object();
};

Result<Json> ParseLine(std::string_view line) {
  bool is_too_deep = false;
  const auto look = [&](int depth, Json::parse_event_t, const Json&) {
    is_too_deep = is_too_deep || depth > kDeepest;
    return !is_too_deep;
  };
  Json document;
  try {
    document = Json::parse(line, look);
  } catch (const Json::parse_error& error) {
    return Malformed(Format("not valid JSON at byte {}", error.byte));
  } catch (const Json::exception&) {
    return Malformed("a number is too large");
  }
  if (is_too_deep) return Malformed(Format("nested more than {} levels deep", kDeepest));
  if (!document.is_object()) return Malformed("not a JSON object");
  return document;
}

Result<Request> ReadRequest(const Json& document) {
  Request request;
  for (const auto& [name, value] : document.items()) {
    if (name == kExecute && value.is_string()) {
      request.command = value.get<std::string>();
    } else if (name == kArguments && value.is_object()) {
      request.arguments = value;
    } else if (name == kExecute || name == kArguments) {
      return Malformed(
          Format("\"{}\" is not {}", name, name == kExecute ? "a string" : "an object"));
    } else if (name != kId) {
      return Malformed(Format("unknown member \"{}\"", name));
    }
  }
  if (!document.contains(kExecute)) return Malformed("\"execute\" is missing");
  return request;
}

// -- Commands --

struct Served {
  FileSystem& files;
  Disk& disk;
  const ChainOptions& chain;
};

Result<std::string> ChildOf(const Json& arguments) {
  const auto child = arguments.find("child");
  if (child == arguments.end()) return Refuse("the argument \"child\" is missing");
  if (!child->is_string()) return Refuse("the argument \"child\" is not a string");
  auto path = child->get<std::string>();
  const bool is_path = path.starts_with('/') && path.find('\0') == std::string::npos;
  if (!is_path) return Refuse("the argument \"child\" is not an absolute path");
  return path;
}

Result<Json> TakeSnapshot(const Served& served, const Json& arguments) {
  const auto child = VHDX_TRY(ChildOf(arguments));
  if (!served.disk.writable()) {
    return Fail(ErrorCode::kReadOnly,
                "the disk is served read-only; a snapshot needs a server that may write",
                served.disk.name());
  }
  const auto report = VHDX_TRY(Snapshot(served.disk, child));
  return Json{
      {"parent", report.parent}, {"child", report.child}, {"pause-ns", report.pause.count()}};
}

Result<Json> Describe(const Served& served, const Json&) {
  auto inspection = VHDX_TRY(Inspect(served.files, served.disk, served.chain));
  return InfoToJson({.inspection = std::move(inspection)});
}

Result<Json> Flush(const Served& served, const Json&) {
  VHDX_TRY(served.disk.Flush());
  return Json::object();
}

Result<Json> Stop(const Served&, const Json&) { return Json::object(); }

struct NamedCommand {
  std::string_view name;
  Result<Json> (*run)(const Served& served, const Json& arguments);
  std::string_view argument = {};  ///< the only one that it takes
  bool ends_server = false;
};
constexpr NamedCommand kCommands[] = {
    {.name = "snapshot", .run = TakeSnapshot, .argument = "child"},
    {.name = "info", .run = Describe},
    {.name = "flush", .run = Flush},
    {.name = "stop", .run = Stop, .ends_server = true},
};

Result<const NamedCommand*> FindCommand(const Request& request) {
  const auto* const command = std::ranges::find(kCommands, request.command, &NamedCommand::name);
  if (command == std::end(kCommands)) {
    return Refuse(Format("unknown command \"{}\"; the commands are snapshot, info, flush and stop",
                         request.command));
  }
  for (const auto& [name, value] : request.arguments.items()) {
    if (name != command->argument) {
      return Refuse(Format("{}: unknown argument \"{}\"", command->name, name));
    }
  }
  return command;
}

struct Outcome {
  Result<Json> result;
  bool ends_server = false;
};

Outcome Execute(const Served& served, const Json& document) {
  const auto request = ReadRequest(document);
  if (!request) return {.result = std::unexpected(request.error())};
  const auto command = FindCommand(*request);
  if (!command) return {.result = std::unexpected(command.error())};
  return {.result = (*command)->run(served, request->arguments),
          .ends_server = (*command)->ends_server};
}

Answer AnswerWith(const Outcome& outcome, const Json* id) {
  Json reply =
      outcome.result ? Json{{"return", *outcome.result}} : ErrorToJson(outcome.result.error());
  if (id != nullptr) reply[kId] = *id;
  return {.line = ToLine(reply), .ends_server = outcome.ends_server};
}

}  // namespace

Answer ControlRequests::AnswerTo(std::string_view line) const try {
  const auto document = ParseLine(line);
  if (!document) return AnswerWith({.result = std::unexpected(document.error())}, nullptr);
  const auto id = document->find(kId);
  return AnswerWith(Execute({files_, disk_, chain_}, *document),
                    id == document->end() ? nullptr : &*id);
} catch (...) {
  return AnswerWith({.result = CaughtException()}, nullptr);
}

}  // namespace vhdx::control
