// What the command says on standard error: errors, warnings, notes; one line each.

#ifndef VHDXKIT_CLI_MESSAGES_H_
#define VHDXKIT_CLI_MESSAGES_H_

#include <vhdxkit/error.h>

#include <string>
#include <string_view>

#include "bytes/mutex.h"
#include "json/json.h"

namespace vhdx::cli {

/// "FILE: SENTENCE", with the offset if there is one, safe for a terminal.
std::string ErrorToText(const Error& error);

class Messages {
 public:
  struct Style {
    bool json = false;   ///< errors are JSON
    bool quiet = false;  ///< no notes
  };

  Messages(int fd, Style style) : fd_(fd), style_(style) {}

  void Report(const Error& error) const;
  /// A mistake in how a command was called, or `vhdx` itself if its name is empty, and where to
  /// read on.
  void ReportUsage(const std::string& command, Error error) const;
  /// What the user should know before relying on the result. It is kept for the document, too.
  void Warn(std::string_view file, std::string_view sentence) const;
  /// All warnings so far, an array of {file, sentence}.
  Json Warnings() const;
  /// The document with all warnings so far as the member "warnings", an array of {file, sentence}.
  /// An array, or a document without warnings, stays as it is.
  Json WithWarnings(Json document) const;
  /// What the user may like to know.
  void Note(std::string_view file, std::string_view sentence) const;

 private:
  void PrintLine(std::string_view line) const;

  int fd_;
  Style style_;
  mutable Mutex mutex_;
  mutable Json warnings_ VHDX_GUARDED_BY(mutex_) = Json::array();
};

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_MESSAGES_H_
