// Text out of files and file names, made safe for a terminal.

#ifndef VHDXKIT_CLI_PRINTABLE_H_
#define VHDXKIT_CLI_PRINTABLE_H_

#include <string>
#include <string_view>

namespace vhdx::cli {

/// The text with everything escaped (\x1b, \u{9b}) that could move a cursor, change colours, break
/// a line or reorder it, and with bytes that are no UTF-8 as \xNN. What is printable stays as it
/// is.
std::string Printable(std::string_view text);

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_PRINTABLE_H_
