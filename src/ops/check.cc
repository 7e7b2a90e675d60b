#include <vhdxkit/check.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include "bytes/border.h"
#include "bytes/formatting.h"
#include "disk/open_image.h"
#include "format/rules.h"
#include "log/log_reader.h"
#include "ops/check_blocks.h"

namespace vhdx {
namespace {

// Entries that are valid in themselves and do not count, of sessions before this one.
Result<void> LookForStaleEntries(Image& image, Findings& findings) {
  const HeaderInfo& header = image.info().header();
  log::LogReader reader(image.file(), {header.log_offset, header.log_length_bytes}, std::nullopt);
  const std::vector<LogEntryInfo>& active = image.info().log.entries;
  uint64_t stale = 0;
  std::optional<uint64_t> first;
  auto visited = reader.VisitEntries([&](const LogEntryInfo& entry) -> Result<void> {
    const bool counts = std::ranges::any_of(
        active, [&](const LogEntryInfo& other) { return other.log_offset == entry.log_offset; });
    if (counts) return {};
    if (!first) first = entry.log_offset;
    ++stale;
    return {};
  });
  if (visited && first) {
    findings.Add(rules::kLogStale, {image.info().filename, header.log_offset + *first},
                 Counted(stale, "entry", "entries"));
  }
  return visited;
}

Result<BlockCheck> CheckOpenImage(Image& image, Findings& findings,
                                  const OperationControl& control) {
  if (auto looked = LookForStaleEntries(image, findings); !looked) {
    if (looked.error().code != ErrorCode::kIo) return std::unexpected(std::move(looked.error()));
    findings.Add(rules::kLogUnreadable, {image.info().filename, image.info().header().log_offset},
                 looked.error().sentence);
  }
  if (image.info().host_sparse) findings.Add(rules::kHostSparse, {image.info().filename, 0});
  auto blocks = CheckBlocks(image, findings, control);
  if (!blocks && blocks.error().code == ErrorCode::kIo) {
    findings.Add(rules::kBatUnreadable,
                 {image.info().filename,
                  blocks.error().file_offset.value_or(image.info().bat_region.file_offset)},
                 blocks.error().sentence);
    return BlockCheck{};
  }
  return blocks;
}

// What keeps a check from looking at everything.
bool IsUnchecked(const Rule& rule) {
  return &rule == &rules::kParentMissing || &rule == &rules::kLogUnreadable ||
         &rule == &rules::kBatUnreadable;
}

// Files that do not belong together, each of which may be whole.
bool IsChainBroken(const Rule& rule) {
  return &rule == &rules::kParentLinkage || &rule == &rules::kParentSectorSize ||
         &rule == &rules::kParentLoop || &rule == &rules::kParentDepth;
}

// What a file that was cut off breaks. It comes first, because more follows from it.
bool IsOfCutFile(const Rule& rule) {
  return &rule == &rules::kFileTruncated || &rule == &rules::kHeaderLogRange ||
         &rule == &rules::kLogFileTruncated || &rule == &rules::kRegionBeyondEof ||
         &rule == &rules::kBatBeyondEof;
}

// Gathers what the images of a chain have to say.
class Reporter {
 public:
  explicit Reporter(std::string filename) { report_.filename = std::move(filename); }

  CheckReport& report() { return report_; }

  void Add(const Findings& findings) {
    for (const bool of_cut_file : {true, false}) {
      std::ranges::copy_if(
          findings.kept(), std::back_inserter(report_.findings),
          [&](const Finding& finding) { return IsOfCutFile(*finding.rule) == of_cut_file; });
    }
    for (const auto& [rule, count] : findings.counts()) {
      const auto known =
          std::ranges::find(report_.counts, rule, &std::pair<const Rule*, uint64_t>::first);
      if (known == report_.counts.end()) {
        report_.counts.emplace_back(rule, count);
      } else {
        known->second += count;
      }
    }
  }

  // A parent that was named for this check is another file: this says nothing about the image.
  void AddWrongParent(const Findings& findings, std::string_view rule) {
    Add(findings);
    wrong_parent_ = FindRule(rule);
  }

  CheckReport Finish() {
    bool has_warnings = false;
    bool no_signature = false;
    bool chain_broken = false;
    for (const auto& [rule, count] : report_.counts) {
      if (rule == wrong_parent_ || IsUnchecked(*rule)) {
        report_.unchecked_count += count;
        continue;
      }
      if (IsChainBroken(*rule)) {
        chain_broken = true;
        report_.unchecked_count += count;
      } else if (rule->severity <= Severity::kReadOnly) {
        report_.corruption_count += count;
      }
      has_warnings = has_warnings || rule->severity == Severity::kTolerate;
      no_signature = no_signature || rule == &rules::kFileSignature;
    }
    report_.verdict = no_signature                   ? CheckVerdict::kNotVhdx
                      : report_.corruption_count > 0 ? CheckVerdict::kCorrupt
                      : chain_broken                 ? CheckVerdict::kChainBroken
                      : report_.unchecked_count > 0  ? CheckVerdict::kIncomplete
                      : has_warnings                 ? CheckVerdict::kWarnings
                                                     : CheckVerdict::kClean;
    return std::move(report_);
  }

 private:
  CheckReport report_;
  const Rule* wrong_parent_ = nullptr;
};

}  // namespace

Result<CheckReport> Check(FileSystem& files, const std::string& path, const OpenOptions& options,
                          const OperationControl& control) try {
  Reporter reporter(path);
  std::vector<FileIdentity> identities;
  std::unique_ptr<Image> child;
  for (;;) {
    Findings findings;
    auto image = child == nullptr
                     ? OpenImage(files, path, options, findings)
                     : OpenParent(files, *child, identities.size() - 1, options, findings);
    if (!image) {
      if (!findings.Add(image.error())) return std::unexpected(std::move(image.error()));
      const std::string& rule = image.error().rule;
      const bool is_named = child != nullptr && identities.size() <= options.parents.size();
      if (is_named && (rule == rules::kParentLinkage.id || rule == rules::kFileSignature.id)) {
        reporter.AddWrongParent(findings, rule);
      } else {
        reporter.Add(findings);
      }
      return reporter.Finish();
    }
    const bool is_top = child == nullptr;
    child = *std::move(image);
    const Place place{child->info().filename, 0};
    const FileIdentity identity = child->file().identity();
    if (std::ranges::find(identities, identity) != identities.end()) {
      findings.Add(rules::kParentLoop, place);
      reporter.Add(findings);
      return reporter.Finish();
    }
    identities.push_back(identity);
    auto blocks = CheckOpenImage(*child, findings, control);
    if (!blocks) return std::unexpected(std::move(blocks.error()));
    if (is_top) {
      CheckReport& report = reporter.report();
      report.free_bytes = blocks->free_bytes;
      report.image_end_offset = blocks->image_end_offset;
      report.total_blocks = child->geometry().payload_block_count();
      report.present_blocks = blocks->present_blocks;
      report.fragmented_blocks = blocks->fragmented_blocks;
    }
    const bool has_parent = child->info().parameters.has_parent;
    if (!has_parent) {
      if (auto used = RefuseUnusedParents(*child, identities.size(), options); !used) {
        return std::unexpected(std::move(used.error()));
      }
    }
    if (has_parent && identities.size() >= options.max_chain_depth) {
      findings.Add(rules::kParentDepth, place, std::to_string(identities.size()) + " and more");
    }
    reporter.Add(findings);
    if (!has_parent || identities.size() >= options.max_chain_depth) return reporter.Finish();
  }
} catch (...) {
  return CaughtException();
}

}  // namespace vhdx
