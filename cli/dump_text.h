// The structures of one image as text, printed while they are read. What is wrong with a structure
// follows it, a line each; an error that was shown before is only referred to.

#ifndef VHDXKIT_CLI_DUMP_TEXT_H_
#define VHDXKIT_CLI_DUMP_TEXT_H_

#include <vhdxkit/dump.h>

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace vhdx::cli {

class DumpText {
 public:
  /// `unread` is given the errors of metadata items that cannot be read. Keeps a reference to the
  /// dump.
  DumpText(ImageDump& dump, std::function<void(const Error&)> unread)
      : dump_(dump), image_(dump.structures()), unread_(std::move(unread)) {}

  std::string Headers();
  std::string RegionTables();
  /// Of items that this program does not know, the first bytes.
  std::string Metadata();
  std::string Locator();
  /// Without its entries.
  std::string Log();
  static std::string LogEntry(const LogEntryDump& entry);
  /// Without its entries.
  std::string Bat();
  static std::string BatEntry(const BatEntryInfo& entry);
  std::string Bitmap(const BitmapDump& bitmap);
  /// "  error: …".
  std::string ErrorLine(const Error& error, std::string_view indent = "  ");

 private:
  std::string Region(const RegionStructure& structure);
  std::string Item(const MetadataItemStructure& item);
  std::string Verdict(const StructureVerdict& verdict, std::string_view indent = "  ");

  ImageDump& dump_;
  const ImageStructures& image_;
  std::function<void(const Error&)> unread_;
  std::set<std::string> shown_;  // sentences of errors
};

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_DUMP_TEXT_H_
