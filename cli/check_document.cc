#include "cli/check_document.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "bytes/formatting.h"
#include "cli/printable.h"
#include "cli/size_text.h"

namespace vhdx::cli {
namespace {

uint64_t CountOf(const CheckReport& report, std::string_view severity) {
  uint64_t count = 0;
  for (const auto& [rule, times] : report.counts) {
    if (SeverityName(rule->severity) == severity) count += times;
  }
  return count;
}

// -- Text --

std::string FindingToText(const Finding& finding) {
  return Format("{}: {}: {} [{}]\n", SeverityName(finding.rule->severity), Printable(finding.file),
                Printable(finding.sentence), finding.rule->id);
}

// Of rules that were broken more often than findings were kept.
std::string TextForRest(const CheckReport& report, Notes notes) {
  std::string text;
  for (const auto& [rule, times] : report.counts) {
    if (notes == Notes::kHide && rule->severity == Severity::kNote) continue;
    const auto shown =
        static_cast<uint64_t>(std::ranges::count(report.findings, rule, &Finding::rule));
    if (times > shown) {
      text += Format("{}: {} more of the rule [{}]\n", SeverityName(rule->severity), times - shown,
                     rule->id);
    }
  }
  return text;
}

// Where the errors are that a report has, or what could not be read: in the image itself, in one of
// its parents, or between two files of which neither is damaged.
enum class Fault : uint8_t { kImage, kParent, kLink };

Fault FaultOf(const CheckReport& report) {
  Fault fault = Fault::kLink;
  for (const Finding& finding : report.findings) {
    const std::string_view rule = finding.rule->id;
    const bool is_unread =
        rule == "bat.unreadable" || rule == "log.unreadable" || rule == "file.unreadable";
    const bool is_damage =
        SeverityName(finding.rule->severity) == "error" && !rule.starts_with("parent.");
    if (!is_damage && !is_unread) continue;
    if (finding.file == report.filename) return Fault::kImage;
    fault = Fault::kParent;
  }
  return fault;
}

std::string_view VerdictText(const CheckReport& report) {
  const Fault fault = FaultOf(report);
  switch (report.verdict) {
    case CheckVerdict::kClean:
      return "clean";
    case CheckVerdict::kWarnings:
      return "usable, with warnings";
    case CheckVerdict::kIncomplete:
      return fault == Fault::kImage ? "could not be checked to the end"
                                    : "no damage found, but a parent could not be checked";
    case CheckVerdict::kChainBroken:
      return "no damage found, but a parent does not match";
    case CheckVerdict::kCorrupt:
      return fault == Fault::kImage ? "corrupt" : "no damage in this file, but a parent is corrupt";
    case CheckVerdict::kNotVhdx:
      return "not a VHDX image";
  }
  return "corrupt";
}

std::string CountsText(const CheckReport& report, Notes notes) {
  std::vector<std::string> counts;
  for (const std::string_view severity : {"error", "warning", "note"}) {
    if (severity == "note" && notes == Notes::kHide) continue;
    const uint64_t count = CountOf(report, severity);
    if (count > 0) counts.push_back(Counted(count, severity, std::string(severity) + "s"));
  }
  return counts.empty() ? "" : Format(" ({})", Join(counts, ", "));
}

std::string BlocksText(const CheckReport& report) {
  if (report.total_blocks == 0) return {};
  std::string text = Format("{} of {} in the file, {} fragmented; the image ends at {}",
                            report.present_blocks, Counted(report.total_blocks, "block", "blocks"),
                            report.fragmented_blocks, FormatSizeExactly(report.image_end_offset));
  if (report.free_bytes > 0) text += Format("; {} free", FormatSize(report.free_bytes));
  return text + "\n";
}

}  // namespace

Json FindingToJson(const Finding& finding) {
  return {{"rule", finding.rule->id},
          {"severity", SeverityName(finding.rule->severity)},
          {"file", finding.file},
          {"offset", NumberOrNull(finding.file_offset)},
          {"found", TextOrNull(finding.found)},
          {"expected", TextOrNull(finding.expected)},
          {"sentence", finding.sentence},
          {"repair", TextOrNull(finding.rule->repair)}};
}

Json CheckToJson(const CheckReport& report) {
  Json findings = Json::array();
  for (const Finding& finding : report.findings) findings.push_back(FindingToJson(finding));
  return {{"filename", report.filename},
          {"format", "vhdx"},
          {"check-errors", report.unchecked_count},
          {"corruptions", report.corruption_count},
          {"leaks", 0},
          {"unreferenced-bytes", report.free_bytes},
          {"image-end-offset", report.image_end_offset},
          {"total-clusters", report.total_blocks},
          {"allocated-clusters", report.present_blocks},
          {"fragmented-clusters", report.fragmented_blocks},
          {"findings", findings}};
}

std::string CheckToText(const CheckReport& report, Notes notes) {
  std::string text;
  for (const Finding& finding : report.findings) {
    if (notes == Notes::kHide && finding.rule->severity == Severity::kNote) continue;
    text += FindingToText(finding);
  }
  text += TextForRest(report, notes);
  text += Format("{}: {}{}\n", Printable(report.filename), VerdictText(report),
                 CountsText(report, notes));
  return text + BlocksText(report);
}

}  // namespace vhdx::cli
