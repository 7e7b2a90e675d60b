// The structures of one image as JSON, printed while they are read.

#ifndef VHDXKIT_CLI_DUMP_JSON_H_
#define VHDXKIT_CLI_DUMP_JSON_H_

#include <vhdxkit/dump.h>

#include <string>
#include <vector>

#include "cli/json_text.h"

namespace vhdx::cli {

Json HeadersToJson(const ImageInfo& image);
Json RegionTablesToJson(const ImageInfo& image);
/// Items that this program does not know come with their bytes. Errors: those of ReadItem.
Result<Json> MetadataToJson(ImageDump& dump);
/// Its keys and values in file order; null for an image without a parent.
Json LocatorToJson(const ImageInfo& image);
Json LogEntryToJson(const LogEntryDump& entry);
Json BatEntryToJson(const BatEntryInfo& entry);
Json BitmapToJson(const BitmapDump& bitmap);

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_DUMP_JSON_H_
