// vhdx info: what an image says of itself.

#include <vhdxkit/inspect.h>
#include <vhdxkit/statistics.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "bytes/formatting.h"
#include "bytes/try.h"
#include "cli/arguments.h"
#include "cli/batch.h"
#include "cli/commands.h"
#include "cli/disk_source.h"
#include "cli/info_document.h"

namespace vhdx::cli {
namespace {

struct InfoArguments {
  BatchArguments batch;
  ReadOptions read;
  bool blocks = false;
  bool chain = false;
};

Result<DiskMinimum> MinimumSizeOf(const Invocation& invocation, const std::string& path,
                                  const ChainOptions& chain) {
  auto disk = VHDX_TRY(Disk::Open(invocation.files, path, {.chain = chain}));
  return MinimumSize(*disk);
}

// What needs the whole BAT, and what needs to read the disk, which is not possible without parents.
Result<void> AddBlockFigures(const Invocation& invocation, const ChainOptions& chain,
                             ImageReport& report) {
  const std::string& path = report.inspection.image.filename;
  Progress progress(invocation.options.progress, invocation.error_fd);
  auto blocks =
      VHDX_TRY(CountBlocks(invocation.files, path, chain.images, invocation.control(progress)));
  report.blocks = blocks;
  if (blocks.beyond_end > 0) {
    invocation.messages.Warn(
        path,
        Format("{} past the end of the file, which is probably cut off; `vhdx check` says more",
               Counted(blocks.beyond_end, "block ends", "blocks end")));
  }
  auto minimum = MinimumSizeOf(invocation, path, chain);
  if (!minimum) {
    invocation.messages.Warn(
        path, "cannot determine the minimum size: " + std::string(Sentence(minimum.error())));
    minimum = DiskMinimum{.unknown_because = "the disk cannot be read"};
  }
  report.minimum_size = *std::move(minimum);
  return {};
}

Result<ImageReport> ReportOn(const Invocation& invocation, const InfoArguments& arguments,
                             const std::string& path, size_t depth) {
  ChainOptions chain = invocation.ChainFor(arguments.read);
  // Those of the images before it in the chain are not its own.
  const size_t before = std::min(depth, chain.parents.size());
  chain.parents.erase(chain.parents.begin(),
                      chain.parents.begin() + static_cast<ptrdiff_t>(before));
  auto inspection = Inspect(invocation.files, path, chain);
  if (!inspection) {
    return std::unexpected(ExplainWrongFormat(invocation.files, std::move(inspection.error())));
  }
  WarnOfFindings(invocation, inspection->image.findings);
  ImageReport report{.inspection = *std::move(inspection)};
  if (arguments.blocks) {
    VHDX_TRY(AddBlockFigures(invocation, chain, report));
  }
  return report;
}

// The image and its parents, as far as they are found.
Result<std::vector<ImageReport>> ReportOnChain(const Invocation& invocation,
                                               const InfoArguments& arguments, std::string path) {
  const size_t most = ChainOptions().max_chain_depth;
  std::vector<ImageReport> reports;
  std::vector<std::string> parents;
  while (!path.empty()) {
    auto report = VHDX_TRY(ReportOn(invocation, arguments, path, reports.size()));
    reports.push_back(std::move(report));
    const auto& parent = reports.back().inspection.parent;
    path = arguments.chain && parent ? parent->resolved : "";
    const bool again = std::ranges::find(parents, path) != parents.end();
    if (again || parents.size() == most) {
      return std::unexpected(
          Error{.code = ErrorCode::kCorrupt,
                .rule = again ? "parent.loop" : "parent.depth",
                .file = path,
                .file_offset = {},
                .sentence = again ? "the chain of parents comes back to this file [parent.loop]"
                                  : Format("the chain of parents goes on after this file, the "
                                           "{}th [parent.depth]",
                                           most)});
    }
    parents.push_back(path);
  }
  return reports;
}

Json ToJson(bool as_array, const std::vector<ImageReport>& reports) {
  Json json = Json::array();
  for (const ImageReport& report : reports) json.push_back(InfoToJson(report));
  return as_array ? json : json[0];
}

// What to do about a sparse file is said once, of the first.
std::string ToText(const std::vector<ImageReport>& reports, SparseAdvice advice) {
  std::string text;
  for (const ImageReport& report : reports) {
    if (&report != &reports.front()) text += "\n";
    text += InfoToText(report, advice);
    if (report.inspection.image.host_sparse) advice = SparseAdvice::kLeaveOut;
  }
  return text;
}

Result<FileResult> InfoOf(const Invocation& invocation, const InfoArguments& arguments,
                          const std::string& path) {
  WarnOfForceShare(invocation, path, arguments.read);
  auto reports = VHDX_TRY(ReportOnChain(invocation, arguments, path));
  if (invocation.options.json) return FileResult{.json = ToJson(arguments.chain, reports)};
  FileResult result{.text = ToText(reports, SparseAdvice::kLeaveOut)};
  const bool sparse = std::ranges::any_of(
      reports, [](const ImageReport& report) { return report.inspection.image.host_sparse; });
  if (sparse && !invocation.options.quiet)
    result.text_with_advice = ToText(reports, SparseAdvice::kGive);
  return result;
}

}  // namespace

Command AddInfo(CLI::App& root) {
  auto arguments = std::make_shared<InfoArguments>();
  CLI::App& app = AddCommand(
      root, "info", "Show information about an image: sizes, headers, regions, log and parent.");
  AddBatch(app, "FILE", arguments->batch, "VHDX images");
  AddFlag(app, "--blocks", arguments->blocks,
          "also count blocks by state, and show fragmentation and minimum size");
  AddFlag(app, "--chain", arguments->chain, "also show each of its parents, after the image");
  AddForceShare(app, arguments->read);
  AddOverrides(app, arguments->read);
  return {&app, [arguments](const Invocation& invocation) {
            return RunBatch(invocation, arguments->batch,
                            [&](const Invocation& each, const std::string& path) {
                              return InfoOf(each, *arguments, path);
                            });
          }};
}

}  // namespace vhdx::cli
