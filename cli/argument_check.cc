#include "cli/argument_check.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string_view>

#include "bytes/formatting.h"
#include "cli/arguments.h"
#include "cli/parser_options.h"
#include "cli/printable.h"

namespace vhdx::cli {
namespace {

// An option of qemu-img, and what it is called here. An empty command: any.
struct ForeignOption {
  std::string_view command;
  std::string_view name;
  std::string_view advice;
};
constexpr ForeignOption kForeignOptions[] = {
    {"create", "-f", "a new image is always a VHDX"},
    {"create", "-b", "the parent is named with --parent"},
    {"create", "-F", "the format of a parent is always VHDX"},
    {"create", "-o", "options have names of their own here: --block-size, --log-size, --fixed"},
    {"convert", "-o", "options have names of their own here: --block-size, --log-size, --fixed"},
    {"convert", "-c", "VHDX has no compression"},
    {"convert", "-W", "writes are always unordered"},
    {"convert", "-m", "the number of threads is -j"},
    {"convert", "-t", "the cache of the host is used; --sync makes the result durable"},
    {"convert", "-S", "zeros are found in units of 4 KiB"},
    {"convert", "--salvage", "salvaging is not implemented yet"},
    {"check", "--repair", "repairing is not implemented yet"},
    {"info", "--backing-chain", "the whole chain is shown by --chain"},
    {"bench", "-c", "the number of requests is --count"},
    {"bench", "-d", "the number of requests at once is --depth"},
    {"bench", "-s", "the size of a request is --block"},
    {"bench", "-w", "writing is --write"},
    {"serve", "-s", "use --snapshot-writes, or --socket for the path of the socket"},
    {"serve", "-k", "use --socket"},
    {"serve", "-r", "use --read-only"},
    {"serve", "-p", "the port is part of --listen HOST:PORT"},
    {"serve", "-b", "the address is part of --listen HOST:PORT"},
    {"convert", "--azure",
     "not implemented yet; for Azure: `vhdx convert SRC disk.raw`, then "
     "`qemu-img convert -O vpc -o subformat=fixed,force_size disk.raw disk.vhd`"},
    {"", "--output", "for JSON, use --json"},
    {"", "--object", "not supported"},
    {"", "--image-opts", "the image is named by its path"},
};

// What reads and writes disks that are elsewhere, until this command does.
std::optional<std::string> RefuseUri(std::string_view word, bool is_target) {
  constexpr std::string_view kNbd[] = {"nbd://", "nbds://", "nbd+unix://", "nbds+unix://"};
  constexpr std::string_view kOthers[] = {"http://", "https://", "ssh://", "s3://", "ftp://"};
  const auto begins = [&](std::string_view scheme) { return word.starts_with(scheme); };
  const std::string uri = QuoteForShell(word);
  if (std::ranges::any_of(kNbd, begins)) {
    return Format("NBD URIs are not supported yet; for a raw disk: `{}`",
                  is_target ? Format("vhdx convert SRC - | nbdcopy - {}", uri)
                            : Format("nbdcopy {} - | vhdx convert -f raw - disk.vhdx", uri));
  }
  if (word.starts_with("rbd:")) {
    const std::string image = QuoteForShell(word.substr(4));
    return Format("RBD images are not supported yet; for a raw disk: `{}`",
                  is_target ? Format("vhdx convert SRC - | rbd import - {}", image)
                            : Format("rbd export {} - | vhdx convert -f raw - disk.vhdx", image));
  }
  if (std::ranges::any_of(kOthers, begins)) {
    return Format("URIs are not supported yet: \"{}\"; copy the file here first", Printable(word));
  }
  return std::nullopt;
}

// "--name" of "--name=value", "-n" of "-nvalue".
std::string_view NameIn(std::string_view word) {
  if (word.starts_with("--")) return word.substr(0, word.find('='));
  return word.substr(0, 2);
}

const CLI::Option* FindIn(const ParserOptions& options, std::string_view name) {
  for (const CLI::Option* option : options) {
    const auto names = NamesOf(*option);
    if (std::ranges::find(names, name) != names.end()) return option;
  }
  return nullptr;
}

// The number of letters to change, put in, take out or swap.
size_t EditDistance(const std::string& a, const std::string& b) {
  std::vector<std::vector<size_t>> distance(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) distance[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) distance[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = distance[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      distance[i][j] = std::min({change, distance[i - 1][j] + 1, distance[i][j - 1] + 1});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) distance[i][j] = std::min(distance[i][j], distance[i - 2][j - 2] + 1);
    }
  }
  return distance[a.size()][b.size()];
}

// Commands that people look for, and what to use meanwhile.
struct FutureCommand {
  std::string_view name;
  std::string_view advice;
};
constexpr std::string_view kToFlatten =
    "`vhdx convert CHILD NEW.vhdx` writes a chain into one new image";
constexpr std::string_view kToCompact = "`vhdx convert SRC NEW.vhdx` leaves out zeros";
constexpr FutureCommand kFutureCommands[] = {
    {"merge", kToFlatten},
    {"commit", kToFlatten},
    {"rebase", kToFlatten},
    {"compact", kToCompact},
    {"trim", kToCompact},
    {"resize",
     "`vhdx create NEW.vhdx SIZE` and then `vhdx convert -n SRC NEW.vhdx` make a larger copy"},
    {"repair", "`vhdx check` says what is wrong"},
    {"amend", "a copy made by `vhdx convert` can have other parameters"},
    {"mount", "`vhdx serve` serves the disk; the README shows how to mount it"},
};

std::string UnknownCommand(const CLI::App& root, std::string_view word) {
  constexpr size_t kAlike = 2;
  const auto future = std::ranges::find(kFutureCommands, word, &FutureCommand::name);
  if (future != std::end(kFutureCommands)) {
    return Format("\"{}\" is not implemented yet; {}", word, future->advice);
  }
  std::string sentence = Format("unknown command \"{}\"", Printable(word));
  const auto commands = CommandsOf(root);
  const auto like = [&](const CLI::App* command) {
    return EditDistance(std::string(word), command->get_name());
  };
  const auto nearest = std::ranges::min_element(commands, {}, like);
  if (like(*nearest) <= kAlike) {
    sentence += Format("; did you mean `{}`?", (*nearest)->get_name());
  }
  return sentence;
}

// Goes through the words as the parser does, but knows all options.
class WordReader {
 public:
  explicit WordReader(const CLI::App& root) : root_(root) {}

  std::optional<ArgumentMistake> Read(const std::vector<std::string>& arguments) {
    for (const std::string& word : arguments) {
      std::optional<std::string> sentence;
      if (value_of_ != nullptr) {
        if (word.empty()) sentence = Format("{} is empty", NamesOf(*value_of_).back());
        value_of_ = nullptr;
      } else if (!only_files_ && word == "--") {
        only_files_ = true;
      } else if (!only_files_ && IsOption(word)) {
        sentence = ReadOption(word);
      } else {
        sentence = ReadPositional(word);
      }
      if (sentence) {
        return ArgumentMistake{command_ != nullptr ? command_->get_name() : "", *sentence};
      }
    }
    return std::nullopt;
  }

 private:
  // "-" is standard input, and "-5G" a number.
  static bool IsOption(std::string_view word) {
    return word.size() > 1 && word[0] == '-' && (word[1] < '0' || word[1] > '9' || word == "-0");
  }

  const CLI::Option* Find(std::string_view name) const {
    const CLI::Option* option = FindIn(OptionsOf(root_), name);
    if (option == nullptr && command_ != nullptr) option = FindIn(OptionsOf(*command_), name);
    return option;
  }

  std::optional<std::string> ReadOption(std::string_view word) {
    const std::string_view name = NameIn(word);
    const CLI::Option* const option = Find(name);
    if (option == nullptr) return Unknown(word, name);
    const bool has_value = word.size() > name.size();
    if (!TakesValue(*option)) {
      // Flags may stand together, as in -qU.
      if (!word.starts_with("--") && has_value)
        return ReadOption("-" + std::string(word.substr(2)));
      if (has_value) return Format("{} takes no value", name);
      return std::nullopt;
    }
    if (has_value && word.ends_with('=') && word.size() == name.size() + 1) {
      return Format("{} is empty", name);
    }
    // One whose value may be left out takes it from the next word only if that is none of ours.
    if (!has_value) value_of_ = option->get_expected_min() > 0 ? option : nullptr;
    return std::nullopt;
  }

  std::string Unknown(std::string_view word, std::string_view name) const {
    std::string sentence = Format("unknown option \"{}\"", Printable(word));
    const std::string command = command_ != nullptr ? command_->get_name() : "";
    for (const ForeignOption& foreign : kForeignOptions) {
      if (foreign.name == name && (foreign.command == command || foreign.command.empty())) {
        return Format("{}: {}", sentence, foreign.advice);
      }
    }
    if (word.find_first_of("./") != std::string_view::npos) {
      sentence += Format("; a file of that name is ./{}", Printable(word));
    }
    return sentence;
  }

  const CLI::App* FindCommand(std::string_view name) const {
    const auto commands = CommandsOf(root_);
    const auto found = std::ranges::find(
        commands, name, [](const CLI::App* app) { return std::string_view(app->get_name()); });
    return found == commands.end() ? nullptr : *found;
  }

  std::optional<std::string> ReadPositional(std::string_view word) {
    if (command_ == nullptr) {
      if (word.empty()) return "the command is empty";
      command_ = FindCommand(word);
      return command_ == nullptr ? std::optional(UnknownCommand(root_, word)) : std::nullopt;
    }
    const ParserOptions positionals = PositionalsOf(*command_);
    const size_t number = positionals_++;
    if (positionals.empty())
      return word.empty() ? std::optional("an argument is empty") : std::nullopt;
    const CLI::Option* const named = positionals[std::min(number, positionals.size() - 1)];
    if (word.empty()) return Format("{} is empty", named->get_name(true));
    if (command_->get_name() == "help" && number == 0 && FindCommand(word) == nullptr) {
      return UnknownCommand(root_, word);
    }
    return named->get_type_name() == kFileType ? CheckFile(word, named->get_name(true))
                                               : std::nullopt;
  }

  std::optional<std::string> CheckFile(std::string_view word, const std::string& name) const {
    const std::string command = command_->get_name();
    const bool is_target = name == "DST" || name == "CHILD" || command == "create";
    if (word != "-" || command == "convert") return RefuseUri(word, is_target);
    return Format("{} is -, but this command cannot {}; a file of that name is ./-", name,
                  is_target ? "write to standard output" : "read from standard input");
  }

  const CLI::App& root_;
  const CLI::App* command_ = nullptr;
  const CLI::Option* value_of_ = nullptr;  // the option whose value is the next word
  bool only_files_ = false;
  size_t positionals_ = 0;
};

// The address behind --listen may be left out: `serve --listen disk.vhdx`. What does not look like
// an address is not taken for one.
bool LooksLikeAddress(std::string_view word) {
  const bool is_number = word.find_first_not_of("0123456789.") == std::string_view::npos;
  return word == "*" || word == "localhost" || is_number ||
         (word.find(':') != std::string_view::npos && word.find('/') == std::string_view::npos);
}

void SeparateListen(std::vector<std::string>& arguments) {
  for (size_t i = 0; i < arguments.size() && arguments[i] != "--"; ++i) {
    if (arguments[i] != "--listen") continue;
    const bool has_next = i + 1 < arguments.size() && !arguments[i + 1].starts_with('-');
    if (has_next && !arguments[i + 1].empty() && !LooksLikeAddress(arguments[i + 1])) {
      arguments[i] = "--listen=127.0.0.1";
    }
  }
}

}  // namespace

std::optional<ArgumentMistake> FindArgumentMistake(const CLI::App& root,
                                                   const std::vector<std::string>& arguments) {
  return WordReader(root).Read(arguments);
}

std::vector<std::string> Translate(std::vector<std::string> arguments) {
  SeparateListen(arguments);
  return arguments;
}

}  // namespace vhdx::cli
