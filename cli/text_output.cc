#include "cli/text_output.h"

#include <span>

namespace vhdx::cli {

void TextOutput::Write(std::string_view text) {
  if (!ok()) return;
  gathered_ += text;
  if (gathered_.size() >= kFlushAtBytes) Flush();
}

Result<void> TextOutput::Finish() {
  Flush();
  return result_;
}

void TextOutput::Flush() {
  if (ok()) result_ = WriteAll(stream_, std::as_bytes(std::span(gathered_)));
  gathered_.clear();
}

}  // namespace vhdx::cli
