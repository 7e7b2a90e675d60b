#include "cli/completion_script.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string_view>
#include <vector>

#include "bytes/formatting.h"
#include "cli/arguments.h"
#include "cli/help.h"
#include "cli/parser_options.h"

namespace vhdx::cli {
namespace {

std::string Escape(std::string_view text, std::string_view characters) {
  std::string escaped;
  for (const char c : text) {
    if (characters.find(c) != std::string_view::npos) escaped += '\\';
    escaped += c;
  }
  return escaped;
}

std::vector<std::string> CommandNames(const std::vector<const CLI::App*>& commands) {
  std::vector<std::string> names;
  names.reserve(commands.size());
  for (const CLI::App* command : commands) names.push_back(command->get_name());
  return names;
}

// -- bash --

// `words` as bash reads them, quotes included.
std::string BashWords(std::string_view words) {
  return Format("mapfile -t COMPREPLY < <(compgen -W {} -- \"$cur\")", words);
}

// What may follow an option that takes a value.
std::string BashValue(const CLI::Option& option) {
  const std::vector<std::string> choices = ChoicesOf(option);
  if (!choices.empty()) return BashWords("'" + Join(choices, " ") + "'");
  if (option.get_type_name() == kFolderType) {
    return "compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- \"$cur\")";
  }
  if (option.get_type_name() == kFileType) {
    return "compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")";
  }
  return "COMPREPLY=()";
}

std::string BashValues(const std::string& command, const ParserOptions& options) {
  std::string text;
  for (const CLI::Option* option : options) {
    if (!TakesValue(*option)) continue;
    std::vector<std::string> patterns = NamesOf(*option);
    for (std::string& name : patterns) name = Format("{},{}", command, name);
    text += Format("    {}) {}; return ;;\n", Join(patterns, "|"), BashValue(*option));
  }
  return text;
}

std::string BashOptionWords(const ParserOptions& options) {
  std::vector<std::string> words;
  for (const CLI::Option* option : options) {
    for (const std::string& name : NamesOf(*option)) words.push_back(name);
  }
  return Join(words, " ");
}

// Words that may stand among the arguments of a command.
std::vector<std::string> PositionalChoices(const CLI::App& command) {
  std::vector<std::string> choices;
  for (const CLI::Option* option : PositionalsOf(command)) {
    const std::vector<std::string> more = ChoicesOf(*option);
    choices.insert(choices.end(), more.begin(), more.end());
  }
  return choices;
}

bool TakesFiles(const CLI::App& command) {
  return std::ranges::any_of(PositionalsOf(command), [](const CLI::Option* option) {
    return option->get_type_name() == kFileType;
  });
}

std::string BashCommand(const CLI::App& command, const std::string& shared) {
  std::string text = Format("    {})\n      options='{} {}'\n", command.get_name(),
                            BashOptionWords(OptionsOf(command)), shared);
  text += Format("      words='{}'\n", Join(PositionalChoices(command), " "));
  text += Format("      files={} ;;\n", TakesFiles(command) ? "yes" : "");
  return text;
}

// -- zsh --

// In the single quotes of an argument of _arguments.
std::string ZshText(std::string_view text) {
  return CLI::detail::find_and_replace(Escape(text, "[]:\\"), "'", "'\\''");
}

std::string ZshAction(const CLI::Option& option) {
  const std::vector<std::string> choices = ChoicesOf(option);
  if (!choices.empty()) return "(" + Join(choices, " ") + ")";
  if (option.get_type_name() == kFolderType) return "_files -/";
  return option.get_type_name() == kFileType ? "_files" : "";
}

std::string ZshOption(const CLI::Option& option) {
  std::string text;
  for (const std::string& name : NamesOf(option)) {
    text += Format(" '*{}[{}]", name, ZshText(option.get_description()));
    if (TakesValue(option)) {
      text += Format(":{}:{}", ZshText(option.get_type_name()), ZshAction(option));
    }
    text += "'";
  }
  return text;
}

std::string ZshCommand(const CLI::App& command) {
  std::string text = Format("        {}) _arguments $shared", command.get_name());
  for (const CLI::Option* option : OptionsOf(command)) text += ZshOption(*option);
  for (const CLI::Option* option : PositionalsOf(command)) {
    const bool many = option->get_expected_max() > 1;
    text +=
        Format(" '{}:{}:{}'", many ? "*" : "", ZshText(option->get_name(true)), ZshAction(*option));
    if (many) break;  // a SIZE after files is the last of the words, which may be a file as well
  }
  return text + " ;;\n";
}

// -- fish --

std::string FishText(std::string_view text) { return "'" + Escape(text, "\\'") + "'"; }

std::string FishOption(const std::string& condition, const CLI::Option& option) {
  std::string text = "complete -c vhdx" + condition;
  for (const std::string& name : option.get_snames()) text += " -s " + name;
  for (const std::string& name : option.get_lnames()) text += " -l " + name;
  if (TakesValue(option)) {
    const std::vector<std::string> choices = ChoicesOf(option);
    if (!choices.empty()) {
      text += " -x -a " + FishText(Join(choices, " "));
    } else if (option.get_type_name() == kFolderType) {
      text += " -x -a '(__fish_complete_directories)'";
    } else {
      text += option.get_type_name() == kFileType ? " -r -F" : " -x";
    }
  }
  return text + " -d " + FishText(option.get_description()) + "\n";
}

std::string FishCommand(const CLI::App& command) {
  const std::string& name = command.get_name();
  std::string text = Format("complete -c vhdx -n __fish_use_subcommand -f -a {} -d {}\n", name,
                            FishText(Summary(command)));
  const std::string condition = Format(" -n '__fish_seen_subcommand_from {}'", name);
  for (const CLI::Option* option : OptionsOf(command)) text += FishOption(condition, *option);
  const std::vector<std::string> choices = PositionalChoices(command);
  if (!choices.empty()) {
    text += Format("complete -c vhdx{} {} -a {}\n", condition, TakesFiles(command) ? "-F" : "-f",
                   FishText(Join(choices, " ")));
  }
  return text;
}

}  // namespace

std::string BashCompletion(const CLI::App& root) {
  const std::vector<const CLI::App*> commands = CommandsOf(root);
  const std::string names = Join(CommandNames(commands), " ");
  std::string text =
      "# bash completion for vhdx; put it into "
      "~/.local/share/bash-completion/completions/vhdx\n"
      "_vhdx() {\n"
      "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
      "  local command='' options='' words='' files='' word\n"
      "  COMPREPLY=()\n"
      "  # \"--option=value\" is three words.\n"
      "  if [[ $cur == = ]]; then\n"
      "    cur=''\n"
      "  elif [[ $prev == = ]]; then\n"
      "    prev=${COMP_WORDS[COMP_CWORD-2]}\n"
      "  fi\n"
      "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
      "    case $word in\n"
      "      " +
      Join(CommandNames(commands), "|") +
      ") command=$word; break ;;\n"
      "    esac\n"
      "  done\n"
      "  case $command,$prev in\n" +
      BashValues("*", SharedOptionsOf(root));
  for (const CLI::App* command : commands) {
    text += BashValues(command->get_name(), OptionsOf(*command));
  }
  text += "  esac\n  case $command in\n";
  const std::string shared = BashOptionWords(SharedOptionsOf(root));
  for (const CLI::App* command : commands) text += BashCommand(*command, shared);
  text += Format("    *)\n      options='{}'\n      words='{}' ;;\n",
                 BashOptionWords(OptionsOf(root)), names);
  return text +
         "  esac\n"
         "  if [[ $cur == -* ]]; then\n"
         "    " +
         BashWords("\"$options\"") +
         "\n"
         "    return\n"
         "  fi\n"
         "  " +
         BashWords("\"$words\"") +
         "\n"
         "  if [[ -n $files ]]; then\n"
         "    compopt -o filenames\n"
         "    mapfile -t -O \"${#COMPREPLY[@]}\" COMPREPLY < <(compgen -f -- \"$cur\")\n"
         "  fi\n"
         "}\n"
         "complete -F _vhdx vhdx\n";
}

std::string ZshCompletion(const CLI::App& root) {
  std::string text =
      "#compdef vhdx\n"
      "# zsh completion for vhdx; save it as _vhdx in a directory of $fpath\n"
      "_vhdx() {\n"
      "  local context state state_descr line\n"
      "  typeset -A opt_args\n"
      "  local -a shared commands\n"
      "  shared=(";
  for (const CLI::Option* option : SharedOptionsOf(root)) text += ZshOption(*option);
  text += " )\n  commands=(\n";
  for (const CLI::App* command : CommandsOf(root)) {
    text += Format("    '{}:{}'\n", command->get_name(), ZshText(Summary(*command)));
  }
  text +=
      "  )\n"
      "  _arguments -C $shared '(-h --help)'{-h,--help}'[show this help]' \\\n"
      "    '--version[show the version]' '1:command:->command' '*::argument:->argument'\n"
      "  case $state in\n"
      "    command) _describe -t commands command commands ;;\n"
      "    argument)\n"
      "      case $words[1] in\n";
  for (const CLI::App* command : CommandsOf(root)) text += ZshCommand(*command);
  return text +
         "      esac ;;\n"
         "  esac\n"
         "}\n"
         "# As a file of $fpath this is the function itself; else it is sourced.\n"
         "if [[ $funcstack[1] == _vhdx ]]; then _vhdx \"$@\"; else compdef _vhdx vhdx; fi\n";
}

std::string FishCompletion(const CLI::App& root) {
  std::string text =
      "# fish completion for vhdx; put it into ~/.config/fish/completions/vhdx.fish\n";
  for (const CLI::Option* option : OptionsOf(root)) text += FishOption("", *option);
  for (const CLI::App* command : CommandsOf(root)) text += FishCommand(*command);
  return text;
}

}  // namespace vhdx::cli
