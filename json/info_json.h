// What is known about one image, as `vhdx info --json` and the control socket print it.

#ifndef VHDXKIT_JSON_INFO_JSON_H_
#define VHDXKIT_JSON_INFO_JSON_H_

#include <vhdxkit/inspect.h>
#include <vhdxkit/statistics.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "json/json.h"

namespace vhdx {

struct ImageReport {
  Inspection inspection;
  std::optional<BlockStatistics> blocks = {};  ///< with `--blocks`
  DiskMinimum minimum_size = {};               ///< with `--blocks`
};

/// The keys of `qemu-img info --output=json`; what is VHDX's own is under "format-specific".
Json InfoToJson(const ImageReport& report);

/// "ok", "mismatch", "missing".
std::string_view IdentityName(ParentState::Identity identity);

/// What a locator calls the parent: the first path that it has.
const std::string& NameOfParent(const ParentLocatorInfo& locator);

}  // namespace vhdx

#endif  // VHDXKIT_JSON_INFO_JSON_H_
