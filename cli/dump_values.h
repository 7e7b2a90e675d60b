// What the metadata items of an image mean, for `vhdx dump`.

#ifndef VHDXKIT_CLI_DUMP_VALUES_H_
#define VHDXKIT_CLI_DUMP_VALUES_H_

#include <vhdxkit/dump.h>

#include <string>

#include "cli/json_text.h"

namespace vhdx::cli {

/// The value of an item that [MS-VHDX] 2.6.2 defines, or null for any other; the parent locator has
/// a section of its own.
Json ValueOfItem(const ImageInfo& image, const MetadataItemInfo& item);

/// Where the parent locator stands in the file, or 0 if the image has none.
uint64_t OffsetOfLocator(const ImageInfo& image);

/// "00ff12…".
std::string BytesAsHex(ByteSpan bytes);

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_DUMP_VALUES_H_
