// vhdx map: where the bytes of a disk are.

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/disk_source.h"
#include "cli/json_stream.h"
#include "cli/printable.h"
#include "cli/size_text.h"
#include "ops/extent_walk.h"

namespace vhdx::cli {
namespace {

std::string_view KindName(ExtentKind kind) {
  switch (kind) {
    case ExtentKind::kData:
      return "data";
    case ExtentKind::kZero:
      return "zero";
    case ExtentKind::kHole:
      return "hole";
  }
  return "";
}

Json ExtentToJson(const BlockDevice& disk, const Extent& extent) {
  const bool data = extent.kind == ExtentKind::kData;
  Json json = {{"start", extent.range.disk_offset},
               {"length", extent.range.length_bytes},
               {"depth", extent.depth},
               {"present", extent.present},
               {"zero", !data},
               {"data", data}};
  if (extent.place) {
    json["offset"] = extent.place->file_offset;
    json["filename"] = disk.FileOf(extent.depth);
  }
  return json;
}

// Calls `visit` for each extent until it returns false.
template <typename Visit>
Result<void> VisitExtents(const Invocation& invocation, BlockDevice& disk, Visit visit) {
  ExtentWalk walk(disk, {0, disk.size_bytes()});
  for (;;) {
    if (invocation.interrupted) return Fail(ErrorCode::kCancelled, "interrupted");
    auto extent = VHDX_TRY(walk.Next());
    if (!extent || !visit(*extent)) return {};
  }
}

Result<void> PrintJson(const Invocation& invocation, BlockDevice& disk) {
  // The first walk only looks for errors: a map that cannot be finished is not begun, and no map is
  // too long to be printed.
  const auto ignore = [](const Extent&) { return true; };
  VHDX_TRY(VisitExtents(invocation, disk, ignore));
  JsonStream json(invocation.out);
  json.BeginArray();
  auto printed = VisitExtents(invocation, disk, [&](const Extent& extent) {
    json.Value(ExtentToJson(disk, extent));
    return invocation.out.ok();
  });
  json.EndArray();
  json.Finish();
  return printed;
}

// Bytes and extents of one kind.
struct Total {
  uint64_t bytes = 0;
  uint64_t extents = 0;
};

class Table {
 public:
  Table(TextOutput& out, const BlockDevice& disk)
      : out_(out),
        disk_(disk),
        width_(std::max<size_t>(Format("{}", disk.size_bytes()).size(), 6)) {
    out_.Print("{:>{}}  {:>{}}  {:>10}  kind  depth  {:>{}}  file\n", "start", width_, "length",
               width_, "", "offset", width_);
  }

  void Add(const Extent& extent) {
    Total& total = totals_[static_cast<size_t>(extent.kind)];
    total.bytes += extent.range.length_bytes;
    ++total.extents;
    PrintRange(extent.range);
    out_.Print("  {}  {:>5}", KindName(extent.kind), extent.depth);
    if (extent.place) {
      out_.Print("  {:>{}}  {}", extent.place->file_offset, width_,
                 Printable(disk_.FileOf(extent.depth)));
    }
    out_.Write("\n");
  }

  void AddBad(DiskRange range) {
    if (range.length_bytes == 0) return;
    bad_.bytes += range.length_bytes;
    ++bad_.extents;
    PrintRange(range);
    out_.Write("  bad\n");
  }

  void AddTotals() {
    std::string text;
    for (const ExtentKind kind : {ExtentKind::kData, ExtentKind::kZero, ExtentKind::kHole}) {
      const Total& total = totals_[static_cast<size_t>(kind)];
      if (total.extents == 0) continue;
      text += Format("{}{} {} in {} extent{}", text.empty() ? "" : "; ", KindName(kind),
                     FormatSize(total.bytes), total.extents, total.extents == 1 ? "" : "s");
    }
    if (bad_.extents != 0) text += Format("; bad {}", FormatSize(bad_.bytes));
    out_.Print("{}\n", text);
  }

 private:
  void PrintRange(DiskRange range) {
    out_.Print("{:>{}}  {:>{}}  {:>10}", range.disk_offset, width_, range.length_bytes, width_,
               FormatSize(range.length_bytes));
  }

  TextOutput& out_;
  const BlockDevice& disk_;
  size_t width_;
  std::array<Total, 3> totals_{};
  Total bad_;
};

// Blocks that cannot be mapped are rows too; the first of their errors is the result.
Result<void> PrintTable(const Invocation& invocation, BlockDevice& disk) {
  // No block is smaller, and each begins at a multiple of its size.
  constexpr uint64_t kSmallestBlock = kMiB;
  constexpr size_t kExtentsAtATime = 1024;
  Table table(invocation.out, disk);
  Result<void> result;
  DiskRange bad;
  for (uint64_t position = 0; position < disk.size_bytes() && invocation.out.ok();) {
    if (invocation.interrupted) return Fail(ErrorCode::kCancelled, "interrupted");
    const auto extents = disk.Extents({position, disk.size_bytes() - position}, kExtentsAtATime);
    if (extents) {
      table.AddBad(std::exchange(bad, {}));
      for (const Extent& extent : *extents) table.Add(extent);
      position = extents->back().range.end();
      continue;
    }
    if (result) result = std::unexpected(extents.error());
    if (bad.length_bytes == 0) bad.disk_offset = position;
    position = std::min(AlignDown(position, kSmallestBlock) + kSmallestBlock, disk.size_bytes());
    bad.length_bytes = position - bad.disk_offset;
  }
  table.AddBad(bad);
  if (!invocation.options.quiet) table.AddTotals();
  return result;
}

Result<ExitStatus> RunMap(const Invocation& invocation, const SourceArguments& arguments) {
  auto source = VHDX_TRY(OpenDiskSource(invocation, arguments));
  WarnOfSharedSpace(invocation, *source.device);
  VHDX_TRY(invocation.options.json ? PrintJson(invocation, *source.device)
                                   : PrintTable(invocation, *source.device));
  return ExitStatus::kDone;
}

}  // namespace

Command AddMap(CLI::App& root) {
  auto arguments = std::make_shared<SourceArguments>();
  CLI::App& app = AddCommand(
      root, "map",
      "List the ranges of a disk and where their data is stored. Depth 0 is FILE, 1 its parent, "
      "and "
      "so on. Other ranges read as zeros: marked as zero in an image (zero), or never written "
      "(hole).");
  AddFile(app, "FILE", arguments->path, "a VHDX image, or a raw disk");
  AddFormat(app, "-f,--format", *arguments);
  AddForceShare(app, arguments->read);
  AddOverrides(app, arguments->read);
  return {&app,
          [arguments](const Invocation& invocation) { return RunMap(invocation, *arguments); }};
}

}  // namespace vhdx::cli
