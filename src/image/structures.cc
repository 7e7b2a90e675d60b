#include "image/structures.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "format/header.h"
#include "format/layout.h"
#include "format/region_table.h"
#include "format/rules.h"
#include "image/header_reader.h"
#include "image/region_reader.h"
#include "log/replay.h"

namespace vhdx {
namespace {

// Whether a header or a region table begins where one belongs.
bool HasSignatures(File& file) {
  const auto begins_with = [&](uint64_t offset, const std::array<char, 4>& signature) {
    std::array<char, 4> found{};
    return file.ReadExactAt(offset, std::as_writable_bytes(std::span(found))) && found == signature;
  };
  return std::ranges::any_of(
             format::kHeaderOffsets,
             [&](uint64_t offset) { return begins_with(offset, format::kHeaderSignature); }) ||
         std::ranges::any_of(format::kRegionTableOffsets, [&](uint64_t offset) {
           return begins_with(offset, format::kRegionTableSignature);
         });
}

void ReadHostFacts(Structures& structures) {
  auto allocated = structures.file->AllocatedBytes();
  auto hole = allocated ? structures.file->NextHole(0) : allocated;
  if (!hole) {
    return structures.problems.Refuse(structures.found.file, std::move(hole.error()));
  }
  structures.allocated_bytes = *allocated;
  structures.host_sparse = *hole < structures.found.file_size_bytes;
}

void IgnoreLog(Structures& structures) {
  LogStructure& log = structures.found.log;
  Findings findings;
  auto reported = log::ReportIgnoredLog(*structures.file, *HeaderInUse(structures.found), findings);
  structures.problems.Add(log.verdict, findings);
  if (!reported) {
    return structures.problems.Refuse(log.verdict, std::move(reported.error()));
  }
  log.state = LogState::kIgnored;
}

void ReplayLog(Structures& structures) {
  LogStructure& log = structures.found.log;
  Findings findings;
  log::ReplayedFile replayed =
      log::ReplayInMemory(std::move(structures.file), *HeaderInUse(structures.found), findings);
  structures.file = std::move(replayed.file);
  structures.overlay = replayed.overlay;
  log.sequence = std::move(replayed.sequence);
  structures.problems.Add(log.verdict, findings);
  if (replayed.error) {
    structures.problems.Refuse(log.verdict, *std::move(replayed.error));
  } else {
    log.state = replayed.overlay != nullptr ? LogState::kReplayed : LogState::kNeverBegun;
  }
}

// Replays the log, or ignores it. Where the header is refused for its log, there is none to replay.
void UseLog(Structures& structures, LogUse log_use) {
  const LogStructure& log = structures.found.log;
  if (log.state != LogState::kNotReplayed || !log.range) return;
  if (log_use == LogUse::kIgnore) return IgnoreLog(structures);
  if (HeaderInUse(structures.found)->log_version == format::kLogVersion) ReplayLog(structures);
}

// Up to the log. Whether the file is an image at all.
bool ReadFront(Structures& structures) {
  ImageStructures& found = structures.found;
  HeaderReader reader(*structures.file, found, structures.problems);
  reader.ReadIdentifier();
  const auto& refusal = found.identifier.verdict.error;
  if (refusal && refusal->rule == rules::kFileSignature.id && !HasSignatures(*structures.file)) {
    return false;
  }
  reader.ReadSize();
  if (!found.file.error) found.file_size_bytes = reader.file_size();
  reader.CheckNotTruncated();
  reader.ReadHeaders();
  reader.FindLog();
  return true;
}

}  // namespace

Structures ReadStructures(std::unique_ptr<File> file, LogUse log_use) {
  Structures structures{.file = std::move(file)};
  ImageStructures& found = structures.found;
  found.filename = structures.file->name();
  structures.is_foreign = !ReadFront(structures);
  if (!structures.is_foreign) {
    ReadHostFacts(structures);
    UseLog(structures, log_use);
    RegionReader reader(*structures.file, found, structures.problems);
    reader.ReadSize();
    reader.ReadRegionTables();
    reader.ReadMetadata();
    reader.ReadLocator();
    structures.bat_rules = reader.CheckBat();
    found.findings = structures.problems.findings().kept();
  }
  found.error = structures.problems.refusal();
  return structures;
}

Result<HeaderInfo> ReadCurrentHeader(File& file) {
  ImageStructures found;
  Problems problems;
  HeaderReader reader(file, found, problems);
  using Step = void (HeaderReader::*)();
  constexpr Step kSteps[] = {&HeaderReader::ReadIdentifier, &HeaderReader::ReadSize,
                             &HeaderReader::CheckNotTruncated, &HeaderReader::ReadHeaders};
  for (const Step step : kSteps) {
    (reader.*step)();
    if (problems.refusal()) return std::unexpected(*problems.refusal());
  }
  return *found.headers[*found.current_header].fields;
}

Result<std::optional<ParentLocatorInfo>> ReadLocatorInPlace(File& file, const HeaderInfo& header) {
  ImageStructures found;
  found.headers[0].fields = header;
  found.current_header = 0;
  Problems problems;
  RegionReader reader(file, found, problems);
  using Step = void (RegionReader::*)();
  constexpr Step kSteps[] = {&RegionReader::ReadSize, &RegionReader::ReadRegionTables,
                             &RegionReader::ReadMetadata, &RegionReader::ReadLocator};
  for (const Step step : kSteps) {
    (reader.*step)();
    if (problems.refusal()) return std::unexpected(*problems.refusal());
  }
  if (!found.metadata.parameters.has_parent) return std::nullopt;
  return std::move(found.locator.meaning);
}

}  // namespace vhdx
