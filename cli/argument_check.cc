#include "cli/argument_check.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string_view>

#include "bytes/formatting.h"
#include "cli/arguments.h"
#include "cli/other_tools.h"
#include "cli/parser_options.h"
#include "cli/printable.h"

namespace vhdx::cli {
namespace {

// The path in "file:///path", "file://host/path" and "file:path"; nothing if that is none of them.
std::optional<std::string_view> PathInFileUri(std::string_view word) {
  constexpr std::string_view kScheme = "file:";
  if (!word.starts_with(kScheme)) return std::nullopt;
  word.remove_prefix(kScheme.size());
  if (!word.starts_with("//")) return word;
  const size_t path = word.find('/', 2);
  return path == std::string_view::npos ? word.substr(2) : word.substr(path);
}

// What a command does with what a word names.
enum class Use : uint8_t { kRead, kWriteRaw, kCreate };

// What reads and writes disks that are elsewhere, until this command does.
std::optional<std::string> RefuseUri(std::string_view word, Use use) {
  constexpr std::string_view kNbd[] = {"nbd://", "nbds://", "nbd+unix://", "nbds+unix://"};
  constexpr std::string_view kOthers[] = {"http://", "https://", "ssh://", "s3://", "ftp://"};
  const auto begins = [&](std::string_view scheme) { return word.starts_with(scheme); };
  if (const auto path = PathInFileUri(word)) {
    return Format("\"{}\" is a URI; a file here is named by its path: {}", Printable(word),
                  QuoteForShell(*path));
  }
  const bool is_nbd = std::ranges::any_of(kNbd, begins);
  const bool is_rbd = word.starts_with("rbd:");
  if (!is_nbd && !is_rbd && std::ranges::none_of(kOthers, begins)) return std::nullopt;
  const std::string uri = QuoteForShell(is_rbd ? word.substr(4) : word);
  const std::string_view what = is_nbd ? "NBD URIs" : is_rbd ? "RBD images" : "URIs";
  std::string advice = Format(": \"{}\"; copy the file here first", Printable(word));
  if (use == Use::kCreate || (use == Use::kWriteRaw && !is_nbd && !is_rbd)) {
    advice = Format(": \"{}\"; write a file here, then copy it there", Printable(word));
  } else if (is_nbd) {
    advice = Format("; for a raw disk: `{}`",
                    use == Use::kWriteRaw
                        ? Format("vhdx convert SRC - | nbdcopy - {}", uri)
                        : Format("nbdcopy {} - | vhdx convert -f raw - disk.vhdx", uri));
  } else if (is_rbd) {
    advice = Format("; for a raw disk: `{}`",
                    use == Use::kWriteRaw
                        ? Format("vhdx convert SRC - | rbd import - {}", uri)
                        : Format("rbd export {} - | vhdx convert -f raw - disk.vhdx", uri));
  }
  return Format("{} are not supported yet{}", what, advice);
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

// How far what was typed may be from what is offered for it.
constexpr size_t kAlike = 2;

std::string UnknownCommand(const CLI::App& root, std::string_view word) {
  if (const std::string_view advice = InsteadOfFutureCommand(word); !advice.empty()) {
    return Format("\"{}\" is not implemented yet; {}", word, advice);
  }
  std::string sentence = Format("unknown command \"{}\"", Printable(word));
  const std::string_view ours = OurCommandFor(word);
  if (!ours.empty()) return Format("{}; use `{}`", sentence, ours);
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
      const bool is_last = &word == &arguments.back();
      if (value_of_ != nullptr) {
        sentence = CheckValue(word, *value_of_);
        value_of_ = nullptr;
      } else if (!is_last && AsksForPort(word)) {
        sentence = "-p is --progress=bar here; the port is part of --listen HOST:PORT";
      } else if (!is_last && AsksForRepair(word)) {
        sentence = Format(
            "-r is --recursive here, and repairing is not implemented yet; a directory of that "
            "name is ./{}",
            word);
      } else if (!only_files_ && IsFractionToTakeAway(word)) {
        sentence = Format("\"{}\" is taken for the option -0; use a smaller unit, such as -512M",
                          Printable(word));
      } else if (!only_files_ && word == "--") {
        only_files_ = true;
      } else if (!only_files_ && IsOption(word)) {
        sentence = ReadOption(word);
      } else {
        sentence = ReadPositional(word);
      }
      if (sentence) {
        const bool of_help = command_ == nullptr || command_->get_name() == "help";
        return ArgumentMistake{of_help ? "" : command_->get_name(), *sentence};
      }
      before_ = word;
    }
    return std::nullopt;
  }

 private:
  // "-" is standard input, and "-5G" a number.
  static bool IsOption(std::string_view word) {
    return word.size() > 1 && word[0] == '-' && (word[1] < '0' || word[1] > '9' || word == "-0");
  }

  // "-disk.vhdx", but not "-j1.5".
  static bool LooksLikeFile(std::string_view word) {
    const size_t dot = word.rfind('.');
    const bool has_extension = dot != std::string_view::npos && dot + 1 < word.size() &&
                               (word[dot + 1] < '0' || word[dot + 1] > '9');
    return has_extension || word.find('/') != std::string_view::npos;
  }

  // "-0.5G".
  bool IsFractionToTakeAway(std::string_view word) const {
    return word.starts_with("-0") && word.size() > 2 && command_ != nullptr &&
           command_->get_name() == "resize";
  }

  // As `qemu-img check -r all FILE` does.
  bool AsksForRepair(std::string_view word) const {
    return before_ == "-r" && (word == "all" || word == "leaks") && command_ != nullptr &&
           command_->get_name() == "check";
  }

  // As `qemu-nbd -p 10809 FILE` does.
  bool AsksForPort(std::string_view word) const {
    return before_ == "-p" && !word.empty() &&
           word.find_first_not_of("0123456789") == std::string_view::npos && command_ != nullptr &&
           command_->get_name() == "serve";
  }

  static std::optional<std::string> CheckValue(std::string_view value, const CLI::Option& option) {
    if (value.empty()) return Format("{} is empty", NamesOf(option).back());
    return option.get_type_name() == kFileType ? RefuseUri(value, Use::kRead) : std::nullopt;
  }

  const CLI::Option* Find(std::string_view name) const {
    const CLI::Option* option = FindIn(OptionsOf(root_), name);
    if (option == nullptr && command_ != nullptr) option = FindIn(OptionsOf(*command_), name);
    return option;
  }

  std::optional<std::string> ReadOption(std::string_view word) {
    if (!word.starts_with("--") && LooksLikeFile(word)) {
      return Format("\"{}\" is taken for an option; a file of that name is {}", Printable(word),
                    QuoteForShell(Format("./{}", word)));
    }
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
    if (has_value && word.starts_with("--")) {
      return CheckValue(word.substr(name.size() + 1), *option);
    }
    // One whose value may be left out takes it from the next word only if that is none of ours.
    if (!has_value) value_of_ = option->get_expected_min() > 0 ? option : nullptr;
    return std::nullopt;
  }

  std::string Unknown(std::string_view word, std::string_view name) const {
    std::string sentence = Format("unknown option \"{}\"", Printable(word));
    const std::string command = command_ != nullptr ? command_->get_name() : "";
    for (const std::string_view spelling : {word, name}) {
      const std::string_view advice = AdviceOnForeignOption(command, spelling);
      if (!advice.empty()) return Format("{}: {}", sentence, advice);
    }
    if (const std::string nearest = Nearest(name); !nearest.empty()) {
      sentence += Format("; did you mean `{}`?", nearest);
    } else if (word.find_first_of("./") != std::string_view::npos) {
      sentence += Format("; a file of that name is ./{}", Printable(word));
    }
    return sentence;
  }

  // The long option that is most like `name`, which is a long one too, or empty.
  std::string Nearest(std::string_view name) const {
    if (!name.starts_with("--")) return {};
    std::string nearest;
    size_t least = kAlike + 1;
    for (const CLI::App* app : {command_, &root_}) {
      if (app == nullptr) continue;
      for (const CLI::Option* option : OptionsOf(*app)) {
        const std::string known = NamesOf(*option).back();
        const size_t distance = EditDistance(std::string(name), known);
        if (distance < least) {
          least = distance;
          nearest = known;
        }
      }
    }
    return nearest;
  }

  const CLI::App* FindCommand(std::string_view name) const {
    const auto commands = CommandsOf(root_);
    const auto found = std::ranges::find(
        commands, name, [](const CLI::App* app) { return std::string_view(app->get_name()); });
    return found == commands.end() ? nullptr : *found;
  }

  // One that takes any number of words takes all that follow.
  static const CLI::Option* NamedBy(const ParserOptions& positionals, size_t number) {
    const auto many = std::ranges::find_if(
        positionals, [](const CLI::Option* option) { return option->get_expected_max() > 1; });
    const auto index = static_cast<size_t>(many - positionals.begin());
    return positionals[std::min({number, index, positionals.size() - 1})];
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
    const CLI::Option* const named = NamedBy(positionals, number);
    if (word.empty()) return Format("{} is empty", named->get_name(true));
    if (command_->get_name() == "help" && number == 0 && FindCommand(word) == nullptr) {
      return UnknownCommand(root_, word);
    }
    return named->get_type_name() == kFileType ? CheckFile(word, named->get_name(true))
                                               : std::nullopt;
  }

  std::optional<std::string> CheckFile(std::string_view word, const std::string& name) const {
    const std::string command = command_->get_name();
    if (name == "SOCKET" && word.starts_with("nbd") && word.find("://") != word.npos) {
      return "SOCKET is the path that `vhdx serve --control` was given, not the URI of the server";
    }
    const bool is_target = name == "DST" || name == "CHILD" || command == "create";
    if (word != "-" || command == "convert") {
      return RefuseUri(word, name == "DST" ? Use::kWriteRaw
                             : is_target   ? Use::kCreate
                                           : Use::kRead);
    }
    return Format("{} is -, but this command cannot {}; a file of that name is ./-", name,
                  is_target ? "write to standard output" : "read from standard input");
  }

  const CLI::App& root_;
  const CLI::App* command_ = nullptr;
  const CLI::Option* value_of_ = nullptr;  // the option whose value is the next word
  std::string before_;                     // the word before
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
