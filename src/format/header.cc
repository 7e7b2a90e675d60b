#include "format/header.h"

#include <algorithm>
#include <limits>

#include "bytes/crc32c.h"
#include "bytes/zeros.h"
#include "format/layout.h"
#include "format/rules.h"

namespace vhdx::format {
namespace {

HeaderInfo Decode(const Header& header) {
  return {.checksum = header.checksum,
          .sequence_number = header.sequence_number,
          .file_write_guid = header.file_write_guid,
          .data_write_guid = header.data_write_guid,
          .log_guid = header.log_guid,
          .log_version = header.log_version,
          .version = header.version,
          .log_length_bytes = header.log_length,
          .log_offset = header.log_offset};
}

bool LogIsPlaced(const HeaderInfo& header, uint64_t file_size) {
  return IsAligned(header.log_offset, kAlignment) &&
         IsAligned(header.log_length_bytes, kAlignment) &&
         header.log_offset >= kHeaderSectionSize &&
         FitsInside(header.log_offset, header.log_length_bytes, file_size);
}

Error LogRangeError(const HeaderInfo& header, uint64_t file_size, const Place& place) {
  Error error = CorruptError(rules::kHeaderLogRange, place,
                             std::to_string(header.log_length_bytes) + " bytes at " +
                                 std::to_string(header.log_offset) + " in a file of " +
                                 std::to_string(file_size));
  if (LogIsPlaced(header, std::numeric_limits<uint64_t>::max())) {
    error.sentence = "the file is cut off: it has " + std::to_string(file_size) +
                     " bytes, and its log ends at " +
                     std::to_string(header.log_offset + header.log_length_bytes) +
                     "; copy the file again, or take an older copy [" + error.rule + "]";
  }
  return error;
}

}  // namespace

std::optional<HeaderInfo> DecodeHeader(std::span<const std::byte> bytes) {
  if (bytes.size() < sizeof(Header)) return std::nullopt;
  const auto header = LoadFrom<Header>(bytes);
  if (header.signature != kHeaderSignature) return std::nullopt;
  return Decode(header);
}

std::optional<HeaderInfo> ParseHeader(std::span<const std::byte> bytes, const Place& place,
                                      Findings& findings) {
  const auto header = LoadFrom<Header>(bytes);
  if (header.signature != kHeaderSignature) {
    findings.Add(rules::kHeaderSignature, place, Hex(LoadFrom<le32>(bytes)), "\"head\"");
    return std::nullopt;
  }
  const uint32_t checksum =
      Crc32cWithoutField(bytes.first(sizeof(Header)), offsetof(Header, checksum));
  if (checksum != header.checksum) {
    findings.Add(rules::kHeaderChecksum, place.Plus(offsetof(Header, checksum)),
                 Hex(header.checksum), Hex(checksum));
    return std::nullopt;
  }
  if (!IsAllZero(header.reserved)) {
    findings.Add(rules::kHeaderReserved, place.Plus(offsetof(Header, reserved)));
  }
  return Decode(header);
}

void CheckCurrentHeader(const HeaderInfo& header, uint64_t file_size, const Place& place,
                        StructureVerdict& verdict, Problems& problems) {
  if (header.version != kVersion) {
    problems.Refuse(verdict, rules::kHeaderVersion, place.Plus(offsetof(Header, version)),
                    std::to_string(header.version), std::to_string(kVersion));
  }
  const bool dirty = !header.log_guid.IsZero();
  if (dirty && header.log_version != kLogVersion) {
    problems.Refuse(verdict, rules::kHeaderLogVersion, place.Plus(offsetof(Header, log_version)),
                    std::to_string(header.log_version), std::to_string(kLogVersion));
  }
  const Place log_place = place.Plus(offsetof(Header, log_length));
  if (header.log_length_bytes == 0) {
    if (dirty) {
      problems.Refuse(verdict, rules::kHeaderLogMissing, log_place, "0");
    } else {
      problems.Add(verdict, rules::kHeaderLogEmpty, log_place, "0");
    }
  } else if (!LogIsPlaced(header, file_size)) {
    problems.Refuse(verdict, LogRangeError(header, file_size, log_place));
  } else if (header.log_length_bytes > kMaxLogLength) {
    problems.Refuse(verdict, rules::kHeaderLogLimit, log_place,
                    std::to_string(header.log_length_bytes),
                    "at most " + std::to_string(kMaxLogLength));
  }
}

std::optional<FileRange> UsableLog(const HeaderInfo& header, uint64_t file_size) {
  const bool usable = header.log_length_bytes != 0 && header.log_length_bytes <= kMaxLogLength &&
                      LogIsPlaced(header, file_size);
  if (!usable) return std::nullopt;
  return FileRange{header.log_offset, header.log_length_bytes};
}

Result<size_t> ChooseCurrentHeader(const std::array<std::optional<HeaderInfo>, 2>& headers,
                                   bool identical_bytes, const Place& place, Findings& findings) {
  const auto& [first, second] = headers;
  if (!first && !second) return Corrupt(rules::kHeaderNone, place);
  if (!first || !second) return first ? 0 : 1;
  if (first->data_write_guid != second->data_write_guid) {
    findings.Add(rules::kHeaderDataWriteGuid, place.Plus(offsetof(Header, data_write_guid)),
                 first->data_write_guid.ToString() + " and " + second->data_write_guid.ToString());
  }
  if (first->sequence_number != second->sequence_number) {
    return first->sequence_number > second->sequence_number ? 0 : 1;
  }
  const Place sequence = place.Plus(offsetof(Header, sequence_number));
  const std::string number = std::to_string(first->sequence_number);
  if (!identical_bytes)
    return Corrupt(rules::kHeaderSequenceConflict, sequence, number + " in both");
  findings.Add(rules::kHeaderSequenceEqual, sequence, number + " in both");
  return 0;
}

Result<Header> EncodeHeader(const HeaderInfo& info) {
  Problems problems;
  StructureVerdict verdict;
  CheckCurrentHeader(info, std::numeric_limits<uint64_t>::max(), {}, verdict, problems);
  if (problems.refusal()) {
    return Fail(ErrorCode::kInvalidArgument, problems.refusal()->sentence);
  }
  Header header{.signature = kHeaderSignature,
                .checksum = 0,
                .sequence_number = info.sequence_number,
                .file_write_guid = info.file_write_guid,
                .data_write_guid = info.data_write_guid,
                .log_guid = info.log_guid,
                .log_version = info.log_version,
                .version = info.version,
                .log_length = info.log_length_bytes,
                .log_offset = info.log_offset,
                .reserved = {}};
  header.checksum = Crc32c(std::as_bytes(std::span(&header, 1)));
  return header;
}

}  // namespace vhdx::format
