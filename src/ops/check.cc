#include <vhdxkit/check.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include "bytes/border.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
#include "disk/open_image.h"
#include "format/rules.h"
#include "log/log_reader.h"
#include "ops/bitmap_reads.h"
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

// A part of the BAT that the host cannot read is a finding.
Result<BlockCheck> CheckBat(File& file, const BatRules& bat_rules, FreeSpace free_space,
                            Findings& findings, const OperationControl& control) {
  auto blocks = CheckBlocks(file, bat_rules, free_space, findings, control);
  if (blocks || blocks.error().code != ErrorCode::kIo) return blocks;
  findings.Add(rules::kBatUnreadable,
               {file.name(), blocks.error().file_offset.value_or(bat_rules.bat_offset())},
               blocks.error().sentence);
  return BlockCheck{};
}

Result<BlockCheck> CheckOpenImage(Image& image, Findings& findings,
                                  const OperationControl& control) {
  if (auto looked = LookForStaleEntries(image, findings); !looked) {
    if (looked.error().code != ErrorCode::kIo) return std::unexpected(std::move(looked.error()));
    findings.Add(rules::kLogUnreadable, {image.info().filename, image.info().header().log_offset},
                 looked.error().sentence);
  }
  if (image.info().host_sparse) findings.Add(rules::kHostSparse, {image.info().filename, 0});
  auto blocks = VHDX_TRY(
      CheckBat(image.file(), image.block_map().rules(), FreeSpace::kReport, findings, control));
  if (blocks.blocks.partial > 0) {
    VHDX_TRY(ReadBitmaps(image.file(), image.block_map(), findings, control));
  }
  return blocks;
}

// What can be checked in an image that is refused: all its structures, and its BAT if there is no
// doubt where that is.
Result<void> CheckRefusedImage(Structures& structures, Findings& findings,
                               const OperationControl& control) {
  findings.Add(structures.problems.findings());
  const ImageStructures& found = structures.found;
  if (!structures.bat_rules || found.bat.verdict.error || found.region_table_pair.error ||
      found.file.error) {
    return {};
  }
  auto blocks =
      CheckBat(*structures.file, *structures.bat_rules, FreeSpace::kUnknown, findings, control);
  if (!blocks && !findings.Add(blocks.error())) return std::unexpected(std::move(blocks.error()));
  return {};
}

// What keeps a check from looking at everything.
bool IsUnchecked(const Rule& rule) {
  return &rule == &rules::kParentMissing || &rule == &rules::kLogUnreadable ||
         &rule == &rules::kBatUnreadable || &rule == &rules::kFileUnreadable;
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

// A walk from an image down to its last parent.
class ChainCheck {
 public:
  ChainCheck(FileSystem& files, const std::string& path, const ChainOptions& options,
             const OperationControl& control)
      : files_(files), path_(path), options_(options), control_(control), reporter_(path) {}

  Result<CheckReport> Run() {
    for (;;) {
      Findings findings;
      auto has_parent = CheckNext(findings);
      if (!has_parent) {
        // What keeps the next image from being opened is what was found.
        if (!findings.Add(has_parent.error()))
          return std::unexpected(std::move(has_parent.error()));
        Report(findings, has_parent.error().rule);
        return reporter_.Finish();
      }
      Report(findings, refusal_);
      if (!*has_parent) return reporter_.Finish();
    }
  }

 private:
  // Opens and checks the next image of the chain. Whether it has a parent that comes after it.
  Result<bool> CheckNext(Findings& findings) {
    auto structures = VHDX_TRY(OpenNext(findings));
    if (const auto& refusal = structures.problems.refusal()) {
      findings.AddRefusal(*refusal);
      refusal_ = refusal->rule;
      VHDX_TRY(CheckRefusedImage(structures, findings, control_));
      return false;
    }
    auto image = VHDX_TRY(Image::FromStructures(std::move(structures), findings));
    if (child_ != nullptr) {
      VHDX_TRY(CheckSectorSizes(*child_, *image));
    }
    child_ = std::move(image);
    return CheckChild(findings);
  }

  Result<Structures> OpenNext(Findings& findings) {
    if (child_ == nullptr) return OpenStructures(files_, path_, options_.images, findings);
    auto file = VHDX_TRY(FindParent(files_, *child_, identities_.size() - 1, options_, findings));
    return OpenStructures(std::move(file), options_.images, findings);
  }

  Result<bool> CheckChild(Findings& findings) {
    const Place place{child_->info().filename, 0};
    const FileIdentity identity = child_->file().identity();
    if (std::ranges::find(identities_, identity) != identities_.end()) {
      findings.Add(rules::kParentLoop, place);
      return false;
    }
    identities_.push_back(identity);
    auto blocks = VHDX_TRY(CheckOpenImage(*child_, findings, control_));
    if (identities_.size() == 1) Describe(blocks);
    if (!child_->info().parameters.has_parent) {
      VHDX_TRY(RefuseUnusedParents(*child_, identities_.size(), options_));
      return false;
    }
    if (identities_.size() < options_.max_chain_depth) return true;
    findings.Add(rules::kParentDepth, place, std::to_string(identities_.size()) + " and more");
    return false;
  }

  // Of the image itself.
  void Describe(const BlockCheck& check) {
    CheckReport& report = reporter_.report();
    report.free_bytes = check.free_bytes;
    report.image_end_offset = check.image_end_offset;
    report.total_blocks = child_->geometry().payload_block_count();
    report.present_blocks = check.blocks.present + check.blocks.partial;
    report.fragmented_blocks = check.blocks.fragmented;
  }

  void Report(const Findings& findings, const std::string& rule) {
    const bool is_named = child_ != nullptr && identities_.size() <= options_.parents.size();
    if (is_named && (rule == rules::kParentLinkage.id || rule == rules::kFileSignature.id)) {
      reporter_.AddWrongParent(findings, rule);
    } else {
      reporter_.Add(findings);
    }
  }

  FileSystem& files_;
  const std::string& path_;
  const ChainOptions& options_;
  const OperationControl& control_;
  Reporter reporter_;
  std::vector<FileIdentity> identities_;  // of the images so far
  std::unique_ptr<Image> child_;          // the last of them
  std::string refusal_;                   // the rule with which the next one is refused, or empty
};

}  // namespace

Result<CheckReport> Check(FileSystem& files, const std::string& path, const ChainOptions& options,
                          const OperationControl& control) try {
  return ChainCheck(files, path, options, control).Run();
} catch (...) {
  return CaughtException();
}

}  // namespace vhdx
