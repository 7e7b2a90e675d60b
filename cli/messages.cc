#include "cli/messages.h"

#include <unistd.h>

#include "bytes/formatting.h"
#include "cli/printable.h"
#include "json/error_json.h"

namespace vhdx::cli {
namespace {

std::string Line(std::string_view kind, std::string_view file, std::string_view sentence) {
  std::string line = "vhdx: ";
  line += kind;
  if (!file.empty()) line += Printable(file) + ": ";
  line += Printable(sentence);
  return line;
}

}  // namespace

std::string ErrorToText(const Error& error) { return Printable(ToString(error)); }

void Messages::Report(const Error& error) const {
  PrintLine(style_.json ? ToLine(ErrorToJson(error)) : "vhdx: " + ErrorToText(error));
}

void Messages::ReportUsage(const std::string& command, Error error) const {
  // A question is hint enough.
  if (!error.sentence.ends_with('?')) {
    error.sentence += Format("; see `vhdx {}--help`", command.empty() ? "" : command + " ");
  }
  const std::string prefix = command.empty() ? "" : command + ": ";
  if (!style_.json) {
    PrintLine(Line(prefix, error.file, error.sentence));
    return;
  }
  error.sentence = prefix + error.sentence;
  PrintLine(ToLine(ErrorToJson("usage", error)));
}

void Messages::Warn(std::string_view file, std::string_view sentence) const {
  PrintLine(Line("warning: ", file, sentence));
  const MutexLock lock(mutex_);
  warnings_.push_back({{"file", TextOrNull(file)}, {"sentence", sentence}});
}

Json Messages::Warnings() const {
  const MutexLock lock(mutex_);
  return warnings_;
}

Json Messages::WithWarnings(Json document) const {
  Json warnings = Warnings();
  if (document.is_object() && !warnings.empty()) document["warnings"] = std::move(warnings);
  return document;
}

void Messages::Note(std::string_view file, std::string_view sentence) const {
  if (!style_.quiet) PrintLine(Line("note: ", file, sentence));
}

// Where standard error is closed there is nobody to tell.
void Messages::PrintLine(std::string_view line) const {
  const std::string text = std::string(line) + "\n";
  [[maybe_unused]] const ssize_t written = ::write(fd_, text.data(), text.size());
}

}  // namespace vhdx::cli
