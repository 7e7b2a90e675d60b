// The structures of one image as JSON, printed while they are read.
//
// Each structure that can be refused has the members "error", the object that every command prints
// for an error, or null, and "findings", an array of the objects that `vhdx check` prints.

#ifndef VHDXKIT_CLI_DUMP_JSON_H_
#define VHDXKIT_CLI_DUMP_JSON_H_

#include <vhdxkit/dump.h>

#include <functional>
#include <optional>
#include <string_view>

#include "json/json.h"

namespace vhdx::cli {

Json IdentifierToJson(const ImageStructures& image);
Json HeadersToJson(const ImageStructures& image);
Json RegionTablesToJson(const ImageStructures& image);
/// Items that this program does not know come with their bytes. `unread` is given the errors of
/// those that cannot be read.
Json MetadataToJson(ImageDump& dump, const std::function<void(const Error&)>& unread);
/// Its keys and values in file order; null for an image that has none.
Json LocatorToJson(const ImageStructures& image);
/// What became of the log, in a word.
std::string_view LogStateName(LogState state);
Json LogEntryToJson(const LogEntryDump& entry);
Json BatEntryToJson(const BatEntryInfo& entry);
Json BitmapToJson(const BitmapDump& bitmap);

/// {"error", "findings"} of a part as a whole. `failure` is what ended its list early, if anything
/// did.
Json PartVerdictToJson(const ImageStructures& image, std::string_view part,
                       const std::optional<Error>& failure);

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_DUMP_JSON_H_
