#include "cli/command_line.h"

#include <vhdxkit/version.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>
#include <utility>

#include "bytes/formatting.h"
#include "cli/argument_check.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/invocation.h"
#include "cli/messages.h"
#include "cli/printable.h"
#include "cli/text_output.h"
#include "ops/parent_folders.h"

namespace vhdx::cli {
namespace {

const std::map<std::string, ProgressMode>& ProgressModes() {
  static const std::map<std::string, ProgressMode> modes = {{"auto", ProgressMode::kAuto},
                                                            {"bar", ProgressMode::kBar},
                                                            {"json", ProgressMode::kJson},
                                                            {"none", ProgressMode::kNone}};
  return modes;
}

class CommandLine {
 public:
  CommandLine();

  std::optional<ArgumentMistake> FindMistake(const std::vector<std::string>& arguments) const {
    return FindArgumentMistake(root_, arguments);
  }

  void Parse(const std::vector<std::string>& arguments) {
    // CLI11 takes them from the back.
    root_.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  }

  const Command& command() const {
    const CLI::App* const used = root_.get_subcommands().front();
    return *std::ranges::find(commands_, used, &Command::app);
  }
  SharedOptions shared_options() const {
    SharedOptions options = options_;
    options.progress = shows_bar_ ? ProgressMode::kBar : ProgressModes().at(progress_);
    return options;
  }
  /// The help of what was called.
  std::string HelpOfUsed(bool json) const {
    const auto used = root_.get_subcommands();
    return HelpDocument(used.empty() ? root_ : *used.front(), json);
  }
  /// The command that was called, or empty.
  std::string NameOfUsed() const {
    const auto used = root_.get_subcommands();
    return used.empty() ? "" : used.front()->get_name();
  }
  std::string SentenceFor(const CLI::ParseError& mistake) const;

 private:
  void AddSharedOptions();

  CLI::App root_{"Create, inspect, convert and serve Hyper-V virtual disks (VHDX)."};
  SharedOptions options_;
  std::string progress_ = "auto";
  bool shows_bar_ = false;
  std::vector<Command> commands_;
};

CommandLine::CommandLine() {
  root_.name("vhdx");
  root_.require_subcommand(1);
  root_.fallthrough();
  root_.set_help_flag("-h,--help", "show this help");
  root_.set_version_flag("-V,--version", std::string("vhdx ") + VHDXKIT_VERSION,
                         "show the version");
  AddSharedOptions();
  commands_ = {AddCreate(root_),     AddInfo(root_),     AddCheck(root_),   AddMap(root_),
               AddDump(root_),       AddConvert(root_),  AddCompare(root_), AddMeasure(root_),
               AddChain(root_),      AddSnapshot(root_), AddResize(root_),  AddCompact(root_),
               AddServe(root_),      AddCtl(root_),      AddBench(root_),   AddVersion(root_),
               AddCompletion(root_), AddHelp(root_)};
}

void CommandLine::AddSharedOptions() {
  AddFlag(root_, "--json", options_.json, "print one JSON document, and errors as JSON");
  AddFlag(root_, "-q,--quiet", options_.quiet, "print less: no notes and no summaries");
  AddChoice(root_, "--progress", progress_, {"auto", "bar", "json", "none"},
            "how to show progress on standard error (default: auto, a bar on a terminal)");
  AddFlag(root_, "-p", shows_bar_, "the same as --progress=bar");
  root_
      .add_option("--parent-dir", options_.search.folders,
                  "also search this directory for parents; can be repeated")
      ->type_name(kFolderType)
      ->allow_extra_args(false);
  AddFlag(root_, "--allow-any-parent", options_.search.anywhere,
          "accept parents in any directory (only for trusted images)");
}

std::string CommandLine::SentenceFor(const CLI::ParseError& mistake) const {
  const std::string text = mistake.what();
  const std::string before_colon = text.substr(0, text.find(':'));
  if (root_.get_subcommands().empty()) return "the command is missing";
  if (mistake.get_name() == "RequiredError") {
    return text.substr(0, text.find(' ')) + " is missing";
  }
  if (mistake.get_name() == "ArgumentMismatch") return before_colon + " needs a value";
  const std::string first = text.substr(0, text.find(' '));
  const std::string last = text.substr(text.rfind(' ') + 1);
  if (mistake.get_name() == "RequiresError") return Format("{} needs {}", first, last);
  if (mistake.get_name() == "ExcludesError") {
    return Format("{} and {} cannot be combined", first, last);
  }
  if (mistake.get_exit_code() == static_cast<int>(CLI::ExitCodes::ExtrasError)) {
    // CLI11 names all that is left over, options behind arguments.
    const std::string words = text.substr(text.find(": ") + 2);
    const size_t option = words.starts_with('-') ? 0 : words.find(" -") + 1;
    const bool has_option = words.starts_with('-') || option != 0;
    const std::string word =
        has_option ? words.substr(option, words.find(' ', option) - option) : words;
    return Format("{} \"{}\"", has_option ? "unknown option" : "too many arguments, from",
                  Printable(word));
  }
  return Printable(text);
}

bool AsksForJson(const std::vector<std::string>& arguments) {
  const auto end = std::ranges::find(arguments, "--");
  return std::find(arguments.begin(), end, "--json") != end;
}

ExitStatus StatusOf(const Error& error, ExitStatus on_failure) {
  return error.code == ErrorCode::kCancelled ? ExitStatus::kInterrupted : on_failure;
}

// What RefuseIfParent says: the image has children, or a file could not be searched for them.
bool HasChildren(const Error& error) {
  return !error.found.empty() && error.expected.empty() && error.rule.empty() &&
         (error.code == ErrorCode::kBusy || error.code == ErrorCode::kPermission ||
          error.code == ErrorCode::kUnsupported);
}

// Writes what the command left, if that is to be seen.
Result<void> FinishOutput(TextOutput& out, bool failed, bool json) {
  // Rows of a table that came before the error are worth seeing; half a document is not.
  if (failed && json) out.Discard();
  return out.Finish();
}

Result<ExitStatus> RunWithParentFolders(const Command& command, const Invocation& invocation) {
  auto checked = CheckParentFolders(invocation.files, invocation.options.search.folders);
  if (!checked) {
    checked.error().sentence += ", but --parent-dir names it";
    return std::unexpected(std::move(checked.error()));
  }
  return command.run(invocation);
}

ExitStatus ReportUnwritten(const Error& error, const Messages& messages, ExitStatus on_failure) {
  // Whoever closes a pipe has seen enough, and needs no message.
  if (error.sys_errno != EPIPE) messages.Report(error);
  return StatusOf(error, on_failure);
}

ExitStatus Run(const Command& command, const Invocation& invocation) {
  auto status = RunWithParentFolders(command, invocation);
  const auto written = FinishOutput(invocation.out, !status.has_value(), invocation.options.json);
  if (!status) {
    Error error = WithAdvice(command, std::move(status.error()));
    if (command.if_interrupted && error.code == ErrorCode::kCancelled) {
      error.sentence += Format("; {}", command.if_interrupted(invocation));
    }
    invocation.messages.Report(error);
    return StatusOf(error, command.on_failure);
  }
  if (!written) return ReportUnwritten(written.error(), invocation.messages, command.on_failure);
  return *status;
}

ExitStatus PrintText(const std::string& text, const Surroundings& surroundings, bool json) {
  TextOutput out({surroundings.output_fd, &surroundings.interrupted});
  out.Write(text);
  const auto written = out.Finish();
  if (written) return ExitStatus::kDone;
  return ReportUnwritten(written.error(), Messages(surroundings.error_fd, {.json = json}),
                         ExitStatus::kFailed);
}

}  // namespace

Error WithAdvice(const Command& command, Error error) {
  if (!command.if_parent.empty() && HasChildren(error)) {
    error.sentence += Format("; {}", command.if_parent);
  }
  if (error.code == ErrorCode::kBusy && error.expected == kNotOpenForWriting) {
    const bool can_share = command.app->get_option_no_throw("--force-share") != nullptr;
    if (!command.if_in_use.empty()) {
      error.sentence += Format(", or {}", command.if_in_use);
    } else if (can_share) {
      error.sentence += ", or use -U to read it anyway";
    }
  }
  return error;
}

ExitStatus Invocation::Misused(const Error& error) const {
  messages.ReportUsage(command.app->get_name(), error);
  return ExitStatus::kUsage;
}

ExitStatus RunCommandLine(const std::vector<std::string>& words, const Surroundings& surroundings) {
  const std::vector<std::string> arguments = Translate(words);
  const bool json = AsksForJson(arguments);
  CommandLine command_line;
  const auto report_usage = [&](const std::string& command, std::string sentence) {
    Messages(surroundings.error_fd, {.json = json})
        .ReportUsage(command, {.sentence = std::move(sentence)});
    return ExitStatus::kUsage;
  };
  if (const auto mistake = command_line.FindMistake(arguments)) {
    return report_usage(mistake->command, mistake->sentence);
  }
  try {
    command_line.Parse(arguments);
  } catch (const CLI::CallForHelp&) {
    return PrintText(command_line.HelpOfUsed(json), surroundings, json);
  } catch (const CLI::CallForVersion&) {
    return PrintText(VersionDocument(json), surroundings, json);
  } catch (const CLI::ParseError& mistake) {
    return report_usage(command_line.NameOfUsed(), command_line.SentenceFor(mistake));
  }
  const SharedOptions options = command_line.shared_options();
  TextOutput out({surroundings.output_fd, &surroundings.interrupted});
  const Messages messages(surroundings.error_fd, {.json = options.json, .quiet = options.quiet});
  return Run(command_line.command(), {.command = command_line.command(),
                                      .options = options,
                                      .files = surroundings.files,
                                      .out = out,
                                      .messages = messages,
                                      .interrupted = surroundings.interrupted,
                                      .error_fd = surroundings.error_fd});
}

}  // namespace vhdx::cli
