// The results of a command on standard output, as text.
//
// Output is gathered and written in large pieces. A failure is kept: what is written after it goes
// nowhere, loops ask ok() and stop, and Finish tells.

#ifndef VHDXKIT_CLI_TEXT_OUTPUT_H_
#define VHDXKIT_CLI_TEXT_OUTPUT_H_

#include <vhdxkit/error.h>

#include <string>
#include <string_view>
#include <utility>

#include "bytes/formatting.h"
#include "cli/stream_write.h"

namespace vhdx::cli {

class TextOutput {
 public:
  explicit TextOutput(Stream stream) : stream_(stream) {}

  void Write(std::string_view text);

  template <typename... Arguments>
  void Print(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    Write(Format(format, std::forward<Arguments>(arguments)...));
  }

  const Stream& stream() const { return stream_; }
  bool ok() const { return result_.has_value(); }
  /// What went wrong, so far.
  const Result<void>& result() const { return result_; }

  /// Writes what is left. Errors: those of WriteAll.
  Result<void> Finish();
  /// Forgets what is left.
  void Discard() { gathered_.clear(); }

 private:
  void Flush();

  static constexpr size_t kFlushAtBytes = size_t{64} * 1024;

  Stream stream_;
  std::string gathered_;
  Result<void> result_;
};

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_TEXT_OUTPUT_H_
