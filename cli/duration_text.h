// Durations as people read them.

#ifndef VHDXKIT_CLI_DURATION_TEXT_H_
#define VHDXKIT_CLI_DURATION_TEXT_H_

#include <chrono>
#include <string>

namespace vhdx::cli {

/// "812 ns", "4.7 us", "31.2 ms", "12.34 s".
std::string FormatDuration(std::chrono::nanoseconds time);

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_DURATION_TEXT_H_
