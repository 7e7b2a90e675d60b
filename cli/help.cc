#include "cli/help.h"

#include <vhdxkit/version.h>

#include <CLI/CLI.hpp>

#include "bytes/formatting.h"
#include "cli/arguments.h"
#include "cli/parser_options.h"
#include "json/json.h"

namespace vhdx::cli {
namespace {

constexpr size_t kColumns = 80;
constexpr size_t kCommandColumn = 15;
constexpr size_t kOptionColumn = 26;

// Words from column `indent` on, in lines of at most kColumns; the first line has begun already.
std::string Wrap(const std::string& text, size_t indent) {
  std::string wrapped;
  size_t column = indent;
  for (const std::string& word : CLI::detail::split(text, ' ')) {
    if (column > indent && column + 1 + word.size() > kColumns) {
      wrapped += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      wrapped += ' ';
      ++column;
    }
    wrapped += word;
    column += word.size();
  }
  return wrapped + "\n";
}

std::string Entry(const std::string& name, const std::string& description, size_t text_column) {
  const std::string front = "  " + name;
  std::string gap(text_column > front.size() + 1 ? text_column - front.size() : 0, ' ');
  if (gap.empty()) gap = "\n" + std::string(text_column, ' ');
  return front + gap + Wrap(description, text_column);
}

// "-f raw|vhdx", "-q, --quiet", "--parent-dir DIR".
std::string OptionName(const CLI::Option& option) {
  if (option.get_positional()) return option.get_name(true);
  std::string text = CLI::detail::join(NamesOf(option), ", ");
  if (TakesValue(option)) text += " " + option.get_type_name();
  return text;
}

std::string Usage(const CLI::App& app) {
  std::string usage = "usage: vhdx ";
  if (app.get_parent() == nullptr) return usage + "COMMAND [OPTION...] ...\n";
  usage += app.get_name() + " [OPTION...]";
  for (const CLI::Option* option : PositionalsOf(app)) {
    const std::string name = option->get_name(true);
    const bool many = option->get_expected_max() > 1;
    const std::string text = many ? name + "..." : name;
    usage += option->get_required() ? " " + text : " [" + text + "]";
  }
  return usage + "\n";
}

std::string OptionList(const std::string& title, const ParserOptions& options) {
  if (options.empty()) return {};
  std::string text = title.empty() ? "\n" : "\n" + title + ":\n";
  for (const CLI::Option* option : options) {
    if (option->get_group() == kHiddenGroup) continue;
    text += Entry(OptionName(*option), option->get_description(), kOptionColumn);
  }
  return text;
}

std::string CommandList(const CLI::App& app) {
  std::string text = "\ncommands:\n";
  for (const CLI::App* command : CommandsOf(app)) {
    text += Entry(command->get_name(), Summary(*command), kCommandColumn);
  }
  return text;
}

}  // namespace

std::string Summary(const CLI::App& command) {
  const std::string description = command.get_description();
  return description.substr(0, description.find('.'));
}

std::string HelpText(const CLI::App& app) {
  std::string text = Usage(app) + Wrap(app.get_description(), 0);
  const CLI::App* const parent = app.get_parent();
  if (parent == nullptr) {
    return text + CommandList(app) + OptionList("common options", OptionsOf(app)) +
           "\nFor more, see `vhdx COMMAND --help` and `man vhdx`.\n";
  }
  text += OptionList("", PositionalsOf(app)) + OptionList("options", OptionsOf(app));
  return text + OptionList("common options", SharedOptionsOf(*parent));
}

std::string HelpDocument(const CLI::App& app, bool json) {
  const std::string text = HelpText(app);
  return json ? ToDocument({{"help", text}}) : text;
}

std::string VersionDocument(bool json) {
  return json ? ToDocument({{"version", VHDXKIT_VERSION}}) : "vhdx " VHDXKIT_VERSION "\n";
}

}  // namespace vhdx::cli
