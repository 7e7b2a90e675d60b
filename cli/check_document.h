// The outcome of `vhdx check`, as JSON and as text.

#ifndef VHDXKIT_CLI_CHECK_DOCUMENT_H_
#define VHDXKIT_CLI_CHECK_DOCUMENT_H_

#include <vhdxkit/check.h>

#include <string>

#include "json/json.h"

namespace vhdx::cli {

/// {rule, severity, file, offset, found, expected, sentence, repair}; what there is nothing of is
/// null.
Json FindingToJson(const Finding& finding);

/// The keys of `qemu-img check --output=json`, and "findings".
Json CheckToJson(const CheckReport& report);

enum class Notes : uint8_t { kHide, kShow };

std::string CheckToText(const CheckReport& report, Notes notes);

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_CHECK_DOCUMENT_H_
