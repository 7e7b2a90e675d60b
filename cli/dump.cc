// vhdx dump: every structure of one image, with its place in the file.

#include <vhdxkit/dump.h>

#include <functional>
#include <memory>
#include <optional>
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
#include "cli/dump_values.h"
#include "cli/json_stream.h"

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

// The first error of what is shown: the rest are only in the document.
class FirstError {
 public:
  void Add(const Error& error) {
    if (!error_) error_ = error;
  }
  void Add(const std::optional<Error>& error) {
    if (error) Add(*error);
  }
  std::function<void(const Error&)> Adder() {
    return [this](const Error& error) { Add(error); };
  }
  const std::optional<Error>& error() const { return error_; }

 private:
  std::optional<Error> error_;
};

// Whether it ends the list, and not the whole dump.
bool IsOfTheImage(const Error& error) {
  return error.code == ErrorCode::kIo || error.code == ErrorCode::kCorrupt;
}

// -- Text --

class TextDumper {
 public:
  TextDumper(const Invocation& invocation, ImageDump& dump, FirstError& first_error)
      : out_(invocation.out),
        gate_(invocation),
        dump_(dump),
        first_error_(first_error),
        text_(dump, first_error.Adder()) {}

  Result<void> Print(const DumpArguments& arguments) {
    if (arguments.wants("headers")) PrintSection(text_.Headers());
    if (arguments.wants("regions")) PrintSection(text_.RegionTables());
    if (arguments.wants("metadata")) PrintSection(text_.Metadata());
    if (arguments.wants("locator")) PrintSection(text_.Locator());
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

  // The end of a list. The verdict of the structure, which was printed, need not be said again.
  Result<void> Finish(Result<void> visited, const StructureVerdict& printed) {
    if (visited || !out_.ok() || !IsOfTheImage(visited.error())) return visited;
    first_error_.Add(visited.error());
    const bool is_printed = printed.error && Sentence(*printed.error) == Sentence(visited.error());
    if (!is_printed) out_.Write(text_.ErrorLine(visited.error()));
    return {};
  }

  Result<void> PrintLog() {
    const LogStructure& log = dump_.structures().log;
    PrintSection(text_.Log());
    return Finish(dump_.VisitLog(gate_.Guard<LogEntryDump>([this](const LogEntryDump& entry) {
      out_.Write(DumpText::LogEntry(entry));
    })),
                  log.verdict);
  }

  Result<void> PrintBat() {
    const BatStructure& bat = dump_.structures().bat;
    PrintSection(text_.Bat());
    return Finish(dump_.VisitBat(gate_.Guard<BatEntryInfo>([this](const BatEntryInfo& entry) {
      out_.Write(DumpText::BatEntry(entry));
    })),
                  bat.verdict);
  }

  Result<void> PrintBitmaps() {
    PrintSection("Sector bitmaps of partially present blocks\n");
    bool any = false;
    auto visited = dump_.VisitBitmaps(gate_.Guard<BitmapDump>([&](const BitmapDump& bitmap) {
      any = true;
      first_error_.Add(bitmap.error);
      out_.Write(text_.Bitmap(bitmap));
    }));
    if (visited && !any) out_.Write("  none\n");
    return Finish(std::move(visited), {});
  }

  TextOutput& out_;
  Gate gate_;
  ImageDump& dump_;
  FirstError& first_error_;
  DumpText text_;
  bool first_ = true;
};

// -- JSON --

class JsonDumper {
 public:
  JsonDumper(const Invocation& invocation, ImageDump& dump, FirstError& first_error)
      : gate_(invocation),
        messages_(invocation.messages),
        dump_(dump),
        first_error_(first_error),
        json_(invocation.out) {}

  Result<void> Print(const DumpArguments& arguments) {
    json_.BeginObject();
    json_.Member("filename", dump_.structures().filename);
    if (arguments.wants("log")) {
      json_.Member("log-state", LogStateName(dump_.structures().log.state));
    }
    PrintFixedParts(arguments);
    auto printed = PrintLists(arguments);
    json_.Member("verdicts", verdicts_);
    if (Json warnings = messages_.Warnings(); !warnings.empty()) {
      json_.Member("warnings", warnings);
    }
    json_.EndObject();
    json_.Finish();
    return printed;
  }

 private:
  void PrintFixedParts(const DumpArguments& arguments) {
    const ImageStructures& image = dump_.structures();
    if (arguments.wants("headers")) {
      verdicts_["file"] = PartVerdictToJson(image, "file", {});
      json_.Member("file-identifier", IdentifierToJson(image));
      PrintArray("headers", HeadersToJson(image));
    }
    if (arguments.wants("regions")) PrintArray("regions", RegionTablesToJson(image));
    if (arguments.wants("metadata")) {
      PrintArray("metadata", MetadataToJson(dump_, first_error_.Adder()));
    }
    if (arguments.wants("locator")) PrintArray("locator", LocatorToJson(image));
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
      printed = PrintList("bitmap", [this] { return dump_.VisitBitmaps(BitmapPrinter()); });
    }
    return printed;
  }

  void PrintArray(std::string_view part, const Json& elements) {
    verdicts_[std::string(part)] = PartVerdictToJson(dump_.structures(), part, {});
    if (elements.is_null()) return json_.Member(part, elements);
    json_.Name(part);
    json_.BeginArray();
    for (const Json& element : elements) json_.Value(element);
    json_.EndArray();
  }

  template <typename Visit>
  Result<void> PrintList(std::string_view part, Visit visit) {
    json_.Name(part);
    json_.BeginArray();
    auto visited = visit();
    json_.EndArray();
    std::optional<Error> failure;
    if (!visited && IsOfTheImage(visited.error())) {
      failure = std::move(visited.error());
      first_error_.Add(failure);
      visited = {};
    }
    verdicts_[std::string(part)] = PartVerdictToJson(dump_.structures(), part, failure);
    return visited;
  }

  template <typename Element>
  std::function<Result<void>(const Element&)> Printer(Json (*to_json)(const Element&)) {
    return gate_.Guard<Element>(
        [this, to_json](const Element& element) { json_.Value(to_json(element)); });
  }

  std::function<Result<void>(const BitmapDump&)> BitmapPrinter() {
    return gate_.Guard<BitmapDump>([this](const BitmapDump& bitmap) {
      first_error_.Add(bitmap.error);
      json_.Value(BitmapToJson(bitmap));
    });
  }

  Gate gate_;
  const Messages& messages_;
  ImageDump& dump_;
  FirstError& first_error_;
  JsonStream json_;
  Json verdicts_ = Json::object();
};

Result<ExitStatus> RunDump(const Invocation& invocation, const DumpArguments& arguments) {
  WarnOfForceShare(invocation, arguments.path, arguments.read);
  auto dump = ImageDump::Open(invocation.files, arguments.path, arguments.read.images());
  if (!dump) {
    return std::unexpected(ExplainWrongFormat(invocation.files, std::move(dump.error())));
  }
  const ImageStructures& image = (*dump)->structures();
  WarnOfFindings(invocation, image.findings);
  FirstError first_error;
  if (arguments.section.empty()) first_error.Add(image.error);
  for (const std::string& part : Sections()) {
    if (!arguments.wants(part)) continue;
    for (const StructureVerdict* verdict : VerdictsOf(image, part)) first_error.Add(verdict->error);
  }
  auto printed = invocation.options.json
                     ? JsonDumper(invocation, **dump, first_error).Print(arguments)
                     : TextDumper(invocation, **dump, first_error).Print(arguments);
  if (!invocation.out.ok()) return ExitStatus::kDone;
  if (!printed) return std::unexpected(std::move(printed.error()));
  if (!first_error.error()) return ExitStatus::kDone;
  invocation.messages.Report(*first_error.error());
  return ExitStatus::kFailed;
}

}  // namespace

Command AddDump(CLI::App& root) {
  auto arguments = std::make_shared<DumpArguments>();
  CLI::App& app =
      AddCommand(root, "dump",
                 "Print the structures of an image, however broken it is, with their file "
                 "offsets and with what is wrong with each.");
  AddFile(app, "FILE", arguments->path, "a VHDX image");
  AddChoice(app, "PART", arguments->section, Sections(),
            "headers, regions, metadata, locator, log, bat or bitmap (default: all of them)",
            [](const std::string& word) -> std::string {
              return word.find('.') == word.npos ? "" : "the image comes first, and then the part";
            });
  AddForceShare(app, arguments->read);
  AddIgnoreLog(app, arguments->read);
  return {&app,
          [arguments](const Invocation& invocation) { return RunDump(invocation, *arguments); }};
}

}  // namespace vhdx::cli
