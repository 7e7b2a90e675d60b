// What `vhdx info` knows of one image, as JSON and as text.

#ifndef VHDXKIT_CLI_INFO_DOCUMENT_H_
#define VHDXKIT_CLI_INFO_DOCUMENT_H_

#include <vhdxkit/inspect.h>
#include <vhdxkit/statistics.h>

#include <cstdint>
#include <optional>
#include <string>

#include "cli/json_text.h"

namespace vhdx::cli {

struct ImageReport {
  Inspection inspection;
  std::optional<BlockStatistics> blocks = {};  ///< with `--blocks`
  DiskMinimum minimum_size = {};               ///< with `--blocks`
};

/// The keys of `qemu-img info --output=json`; what is VHDX's own is under "format-specific".
Json InfoToJson(const ImageReport& report);

/// Whether a sparse file comes with what to do about it.
enum class SparseAdvice { kGive, kLeaveOut };
std::string InfoToText(const ImageReport& report, SparseAdvice advice);

/// "ok", "mismatch", "missing".
std::string_view IdentityName(ParentState::Identity identity);

/// What a locator calls the parent: the first path that it has.
const std::string& NameOfParent(const ParentLocatorInfo& locator);

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_INFO_DOCUMENT_H_
