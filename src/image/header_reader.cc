#include "image/header_reader.h"

#include <array>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "format/file_identifier.h"
#include "format/header.h"
#include "format/layout.h"
#include "format/rules.h"

namespace vhdx {

void HeaderReader::ReadIdentifier() {
  StructureVerdict& verdict = found().identifier.verdict;
  std::array<std::byte, sizeof(format::FileIdentifier)> bytes{};
  auto count = file().ReadAt(format::kFileIdentifierOffset, std::span(bytes));
  if (!count) return problems().Refuse(verdict, std::move(count.error()));
  auto identifier = format::ParseFileIdentifier(std::span(bytes).first(*count),
                                                At(format::kFileIdentifierOffset));
  if (!identifier) return problems().Refuse(verdict, std::move(identifier.error()));
  found().identifier.creator = std::move(identifier->creator);
}

void HeaderReader::CheckNotTruncated() {
  if (file_size() >= format::kHeaderSectionSize) return;
  problems().Refuse(found().file, CutBefore(format::kHeaderSectionSize));
}

void HeaderReader::ReadHeaders() {
  std::array<Copy, 2> bytes;
  std::array<std::optional<HeaderInfo>, 2> valid;
  std::optional<Error> host_error;
  for (size_t i = 0; i < 2; ++i) {
    HeaderStructure& header = found().headers[i];
    header.file_offset = format::kHeaderOffsets[i];
    const Place place = At(header.file_offset);
    bytes[i] = ReadCopy(place, sizeof(format::Header), rules::kHeaderUnreadable, header.verdict,
                        host_error);
    if (bytes[i].empty()) continue;
    Findings findings;
    valid[i] = format::ParseHeader(bytes[i], place, findings);
    problems().Add(header.verdict, findings);
    header.valid = valid[i].has_value();
    header.fields = valid[i] ? valid[i] : format::DecodeHeader(bytes[i]);
  }
  if (host_error && bytes[0].empty() && bytes[1].empty()) {
    return problems().Refuse(found().header_pair, *std::move(host_error));
  }
  ChooseHeader(valid, bytes[0] == bytes[1]);
}

void HeaderReader::ChooseHeader(const std::array<std::optional<HeaderInfo>, 2>& valid,
                                bool same_bytes) {
  StructureVerdict& pair = found().header_pair;
  Findings findings;
  auto current =
      format::ChooseCurrentHeader(valid, same_bytes, At(format::kHeaderOffsets[0]), findings);
  problems().Add(pair, findings);
  if (!current) return problems().Refuse(pair, std::move(current.error()));
  found().current_header = *current;
  HeaderStructure& header = found().headers[*current];
  format::CheckCurrentHeader(*header.fields, file_size(), At(header.file_offset), header.verdict,
                             problems());
}

void HeaderReader::FindLog() {
  LogStructure& log = found().log;
  log.range = UsableLogRange();
  if (!found().current_header) {
    log.verdict.error = found().header_pair.error;
    return;
  }
  const HeaderStructure& header = found().headers[*found().current_header];
  const bool is_dirty = !header.fields->log_guid.IsZero();
  log.state = is_dirty ? LogState::kNotReplayed : LogState::kClean;
  const bool has_length = header.fields->log_length_bytes != 0;
  if (!log.range && (is_dirty || has_length)) log.verdict.error = header.verdict.error;
}

}  // namespace vhdx
