// What words and the names of files say of formats: those that this command writes, and others.

#ifndef VHDXKIT_CLI_FORMAT_NAMES_H_
#define VHDXKIT_CLI_FORMAT_NAMES_H_

#include <string>
#include <string_view>

#include "cli/invocation.h"

namespace vhdx::cli {

inline constexpr std::string_view kRaw = "raw";
inline constexpr std::string_view kVhdx = "vhdx";

/// What the end of a file's name says: "vhdx", "raw", a format that this command does not write,
/// such as "qcow2", or nothing. Case does not matter.
std::string_view FormatByName(std::string_view path);

/// Whether this command writes that format, or the name does not say one.
bool IsWritable(std::string_view format);

/// Refuses a name for a new VHDX that says another format, under which it would be taken for one.
/// `ending` is the one to choose, and `advice`, if there is any, what to do instead. Errors:
/// kInvalidArgument.
Result<void> CheckNewName(const std::string& path, std::string_view ending,
                          std::string_view advice = {});

/// Warns if a name says another format than the file has.
void WarnOfName(const Invocation& invocation, const std::string& path, std::string_view format);

/// How to read a disk in that other format, or to write or create one under that name; empty if
/// nothing is known that does.
std::string AdviseOnSource(std::string_view format);
std::string AdviseOnTarget(std::string_view format, const std::string& path);
std::string AdviseOnNewDisk(std::string_view format, const std::string& path);

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_FORMAT_NAMES_H_
