// vhdx dump: every structure of one image, with its place in the file.

#include <vhdxkit/dump.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bytes/formatting.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/disk_source.h"
#include "cli/dump_json.h"
#include "cli/dump_text.h"

namespace vhdx::cli {
namespace {

const std::vector<std::string>& Sections() {
  static const std::vector<std::string> sections = {"headers", "regions", "metadata", "locator",
                                                    "log",     "bat",     "bitmap"};
  return sections;
}

struct DumpArguments {
  std::string path;
  std::string section;  // empty: all
  ReadOptions read;

  bool wants(std::string_view name) const { return section.empty() || section == name; }
};

// Lets a visit end when it is interrupted, or nobody reads what is printed.
class Gate {
 public:
  explicit Gate(const Invocation& invocation) : invocation_(invocation) {}

  template <typename Element>
  std::function<Result<void>(const Element&)> Guard(
      std::function<void(const Element&)> visit) const {
    return [this, visit = std::move(visit)](const Element& element) -> Result<void> {
      if (invocation_.interrupted) return Fail(ErrorCode::kCancelled, "interrupted");
      if (!invocation_.out.ok()) return invocation_.out.result();
      visit(element);
      return {};
    };
  }

 private:
  const Invocation& invocation_;
};

// -- Text --

class TextDumper {
 public:
  TextDumper(const Invocation& invocation, ImageDump& dump)
      : out_(invocation.out), gate_(invocation), dump_(dump) {}

  Result<void> Print(const DumpArguments& arguments) {
    const ImageInfo& image = dump_.info();
    if (arguments.wants("headers")) PrintSection(HeadersToText(image));
    if (arguments.wants("regions")) PrintSection(RegionTablesToText(image));
    if (arguments.wants("metadata")) {
      auto text = MetadataToText(dump_);
      if (!text) return std::unexpected(std::move(text.error()));
      PrintSection(*text);
    }
    if (arguments.wants("locator")) PrintSection(LocatorToText(image));
    Result<void> printed;
    if (arguments.wants("log")) printed = PrintLog();
    if (printed && arguments.wants("bat")) printed = PrintBat();
    if (printed && arguments.wants("bitmap")) printed = PrintBitmaps();
    return printed;
  }

 private:
  void PrintSection(const std::string& text) {
    if (!std::exchange(first_, false)) out_.Write("\n");
    out_.Write(text);
  }

  Result<void> PrintLog() {
    const HeaderInfo& header = dump_.info().header();
    PrintSection(Format("Log at {}, {} bytes: {}\n", AtOffset(header.log_offset),
                        header.log_length_bytes,
                        dump_.info().log.dirty ? "dirty, to be replayed" : "clean"));
    return dump_.VisitLog(gate_.Guard<LogEntryDump>(
        [this](const LogEntryDump& entry) { out_.Write(LogEntryToText(entry)); }));
  }

  Result<void> PrintBat() {
    const RegionInfo& region = dump_.info().bat_region;
    PrintSection(Format("BAT at {}, {} bytes; entries that are zero are left out\n",
                        AtOffset(region.file_offset), region.length_bytes));
    out_.Print("  {:>10}  {:>12}  {:<6} {:>10}  {:<31}  {:>15}  {:>13}\n", "index", "entry at",
               "what", "number", "state", "file offset", "hex");
    return dump_.VisitBat(gate_.Guard<BatEntryInfo>(
        [this](const BatEntryInfo& entry) { out_.Write(BatEntryToText(entry)); }));
  }

  Result<void> PrintBitmaps() {
    PrintSection("Sector bitmaps of partially present blocks\n");
    bool any = false;
    auto printed = dump_.VisitBitmaps(gate_.Guard<BitmapDump>([&](const BitmapDump& bitmap) {
      any = true;
      out_.Write(BitmapToText(bitmap));
    }));
    if (printed && !any) out_.Write("  none\n");
    return printed;
  }

  TextOutput& out_;
  Gate gate_;
  ImageDump& dump_;
  bool first_ = true;
};

// -- JSON --

class JsonDumper {
 public:
  JsonDumper(const Invocation& invocation, ImageDump& dump)
      : gate_(invocation), messages_(invocation.messages), dump_(dump), json_(invocation.out) {}

  Result<void> Print(const DumpArguments& arguments) {
    // The first visit only looks for errors: what cannot be finished is not begun, and no image has
    // too many entries to be dumped.
    auto metadata = MetadataToJson(dump_);
    if (!metadata) return std::unexpected(std::move(metadata.error()));
    if (auto visited = VisitQuietly(arguments); !visited) return visited;
    json_.BeginObject();
    json_.Member("filename", dump_.info().filename);
    PrintFixedParts(arguments, *metadata);
    auto printed = PrintLists(arguments);
    if (Json warnings = messages_.Warnings(); !warnings.empty()) {
      json_.Member("warnings", warnings);
    }
    json_.EndObject();
    json_.Finish();
    return printed;
  }

 private:
  Result<void> VisitQuietly(const DumpArguments& arguments) {
    const auto ignore = [](const auto&) {};
    Result<void> visited;
    if (arguments.wants("log")) visited = dump_.VisitLog(gate_.Guard<LogEntryDump>(ignore));
    if (visited && arguments.wants("bat")) {
      visited = dump_.VisitBat(gate_.Guard<BatEntryInfo>(ignore));
    }
    if (visited && arguments.wants("bitmap")) {
      visited = dump_.VisitBitmaps(gate_.Guard<BitmapDump>(ignore));
    }
    return visited;
  }

  void PrintFixedParts(const DumpArguments& arguments, const Json& metadata) {
    const ImageInfo& image = dump_.info();
    if (arguments.wants("headers")) {
      json_.Member("file-identifier", {{"file-offset", 0}, {"creator", image.creator}});
      PrintArray("headers", HeadersToJson(image));
    }
    if (arguments.wants("regions")) PrintArray("regions", RegionTablesToJson(image));
    if (arguments.wants("metadata")) PrintArray("metadata", metadata);
    if (!arguments.wants("locator")) return;
    const Json locator = LocatorToJson(image);
    if (locator.is_null()) {
      json_.Member("locator", locator);
    } else {
      PrintArray("locator", locator);
    }
  }

  Result<void> PrintLists(const DumpArguments& arguments) {
    Result<void> printed;
    if (arguments.wants("log")) {
      printed = PrintList("log", [this] { return dump_.VisitLog(Printer(LogEntryToJson)); });
    }
    if (printed && arguments.wants("bat")) {
      printed = PrintList("bat", [this] { return dump_.VisitBat(Printer(BatEntryToJson)); });
    }
    if (printed && arguments.wants("bitmap")) {
      printed = PrintList("bitmap", [this] { return dump_.VisitBitmaps(Printer(BitmapToJson)); });
    }
    return printed;
  }

  void PrintArray(std::string_view name, const Json& elements) {
    json_.Name(name);
    json_.BeginArray();
    for (const Json& element : elements) json_.Value(element);
    json_.EndArray();
  }

  template <typename Visit>
  Result<void> PrintList(std::string_view name, Visit visit) {
    json_.Name(name);
    json_.BeginArray();
    auto visited = visit();
    json_.EndArray();
    return visited;
  }

  template <typename Element>
  std::function<Result<void>(const Element&)> Printer(Json (*to_json)(const Element&)) {
    return gate_.Guard<Element>(
        [this, to_json](const Element& element) { json_.Value(to_json(element)); });
  }

  Gate gate_;
  const Messages& messages_;
  ImageDump& dump_;
  JsonStream json_;
};

Result<ExitStatus> RunDump(const Invocation& invocation, const DumpArguments& arguments) {
  WarnOfForceShare(invocation, arguments.path, arguments.read);
  auto dump =
      ImageDump::Open(invocation.files, arguments.path, invocation.open_options(arguments.read));
  if (!dump) {
    return std::unexpected(ExplainWrongFormat(invocation.files, std::move(dump.error())));
  }
  WarnOfFindings(invocation, (*dump)->info().findings);
  auto printed = invocation.options.json ? JsonDumper(invocation, **dump).Print(arguments)
                                         : TextDumper(invocation, **dump).Print(arguments);
  if (!printed && invocation.out.ok()) return std::unexpected(std::move(printed.error()));
  return ExitStatus::kDone;
}

}  // namespace

Command AddDump(CLI::App& root) {
  auto arguments = std::make_shared<DumpArguments>();
  CLI::App& app = AddCommand(root, "dump",
                             "Print the structures of an image with their file "
                             "offsets.");
  AddFile(app, "FILE", arguments->path, "a VHDX image");
  AddChoice(app, "PART", arguments->section, Sections(),
            "headers, regions, metadata, locator, log, bat or bitmap (default: all of them)",
            [](const std::string& word) -> std::string {
              return word.find('.') == word.npos ? "" : "the image comes first, and then the part";
            });
  AddForceShare(app, arguments->read);
  AddOverrides(app, arguments->read);
  return {&app,
          [arguments](const Invocation& invocation) { return RunDump(invocation, *arguments); }};
}

}  // namespace vhdx::cli
