// What `vhdx dump` shows of the structures of an image, as text and as JSON.

#ifndef VHDXKIT_CLI_DUMP_VALUES_H_
#define VHDXKIT_CLI_DUMP_VALUES_H_

#include <vhdxkit/dump.h>

#include <string>
#include <string_view>
#include <vector>

#include "json/json.h"

namespace vhdx::cli {

/// The value of an item that [MS-VHDX] 2.6.2 defines, or null for any other and for one that could
/// not be read; the parent locator has a section of its own.
Json ValueOfItem(const MetadataStructure& metadata, const MetadataItemStructure& item);

/// "00ff12…".
std::string BytesAsHex(ByteSpan bytes);

/// The verdicts of the structures of a part of the dump, in the order in which it shows them.
std::vector<const StructureVerdict*> VerdictsOf(const ImageStructures& image,
                                                std::string_view part);

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_DUMP_VALUES_H_
