#include "ops/check_blocks.h"

#include <algorithm>
#include <string>

#include "bytes/try.h"
#include "format/rules.h"
#include "image/claims.h"

namespace vhdx {
namespace {

void ReportFreeSpace(Claims& claims, const Place& end_of_file, Findings& findings,
                     BlockCheck& check) {
  const std::string& name = end_of_file.file;
  const uint64_t file_size = end_of_file.file_offset;
  const SpaceMap::Summary summary = claims.space.Summarize();
  for (const FileRange& range : summary.unclaimed) {
    findings.Add(rules::kSpaceFree, {name, range.file_offset},
                 std::to_string(range.length_bytes) + " bytes");
  }
  check.free_bytes = summary.unclaimed_bytes;
  // A block that the end of the file cuts off: the part that is there is no free space.
  const uint64_t end = std::max(summary.end, claims.data_end);
  if (file_size > end) {
    findings.Add(rules::kSpaceTail, {name, end}, std::to_string(file_size - end) + " bytes");
    check.free_bytes += file_size - end;
  }
  check.image_end_offset = std::min(end, file_size);
}

}  // namespace

Result<BlockCheck> CheckBlocks(File& file, const BatRules& bat_rules, FreeSpace free_space,
                               Findings& findings, const OperationControl& control) {
  auto claims = VHDX_TRY(ScanClaims(file, bat_rules, findings, control));
  BlockCheck check{.blocks = claims.blocks};
  if (free_space == FreeSpace::kReport) {
    ReportFreeSpace(claims, {file.name(), bat_rules.file_size()}, findings, check);
  }
  return check;
}

}  // namespace vhdx
