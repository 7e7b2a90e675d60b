// What `vhdx info` prints about one image as text.

#ifndef VHDXKIT_CLI_INFO_DOCUMENT_H_
#define VHDXKIT_CLI_INFO_DOCUMENT_H_

#include <string>

#include "json/info_json.h"

namespace vhdx::cli {

/// Whether a sparse file comes with what to do about it.
enum class SparseAdvice { kGive, kLeaveOut };
std::string InfoToText(const ImageReport& report, SparseAdvice advice);

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_INFO_DOCUMENT_H_
