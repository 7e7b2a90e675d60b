// The structures of one image as text, printed while they are read.

#ifndef VHDXKIT_CLI_DUMP_TEXT_H_
#define VHDXKIT_CLI_DUMP_TEXT_H_

#include <vhdxkit/dump.h>

#include <string>

namespace vhdx::cli {

std::string HeadersToText(const ImageInfo& image);
std::string RegionTablesToText(const ImageInfo& image);
/// Of items that this program does not know, the first bytes. Errors: those of ReadItem.
Result<std::string> MetadataToText(ImageDump& dump);
std::string LocatorToText(const ImageInfo& image);
std::string LogEntryToText(const LogEntryDump& entry);
std::string BatEntryToText(const BatEntryInfo& entry);
/// "65536 (0x10000)".
std::string AtOffset(uint64_t file_offset);
std::string BitmapToText(const BitmapDump& bitmap);

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_DUMP_TEXT_H_
