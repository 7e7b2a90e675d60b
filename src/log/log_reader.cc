#include "log/log_reader.h"

#include <algorithm>
#include <cstring>

#include "bytes/crc32c.h"
#include "bytes/try.h"

namespace vhdx::log {
namespace {

using format::DataDescriptor;
using format::DataSector;
using format::DescriptorSectorCount;
using format::kDescriptorsInFirstSector;
using format::kDescriptorsInSector;
using format::kDescriptorSize;
using format::kLogSectorSize;
using format::LogEntryHeader;
using format::ZeroDescriptor;

constexpr uint64_t kWindowSize = 256 * kKiB;

bool HasSignature(std::span<const std::byte> bytes, const std::array<char, 4>& signature) {
  return std::memcmp(bytes.first(signature.size()).data(), signature.data(), signature.size()) == 0;
}

// Descriptors that stand in the given one of an entry's descriptor sectors.
uint64_t DescriptorsInSector(uint64_t sector, uint64_t descriptor_count) {
  if (sector == 0) return std::min(descriptor_count, kDescriptorsInFirstSector);
  const uint64_t before = kDescriptorsInFirstSector + (sector - 1) * kDescriptorsInSector;
  return std::min(descriptor_count - before, kDescriptorsInSector);
}

std::span<const std::byte> DescriptorBytes(std::span<const std::byte> sector_bytes, uint64_t sector,
                                           uint64_t index) {
  const uint64_t start = (sector == 0 ? sizeof(LogEntryHeader) : 0) + index * kDescriptorSize;
  return sector_bytes.subspan(start, kDescriptorSize);
}

enum class DescriptorKind : uint8_t { kData, kZero, kInvalid };

// Both kinds have their offset and their number at the same places.
DescriptorKind ClassifyDescriptor(std::span<const std::byte> bytes, uint64_t sequence_number) {
  const auto descriptor = LoadFrom<ZeroDescriptor>(bytes);
  if (descriptor.sequence_number != sequence_number ||
      !IsAligned(descriptor.file_offset, kLogSectorSize)) {
    return DescriptorKind::kInvalid;
  }
  if (descriptor.signature == format::kDataDescriptorSignature) {
    const bool fits = CheckedAdd(descriptor.file_offset, kLogSectorSize).has_value();
    return fits ? DescriptorKind::kData : DescriptorKind::kInvalid;
  }
  if (descriptor.signature == format::kZeroDescriptorSignature &&
      IsAligned(descriptor.zero_length, kLogSectorSize) &&
      CheckedAdd(descriptor.file_offset, descriptor.zero_length)) {
    return DescriptorKind::kZero;
  }
  return DescriptorKind::kInvalid;
}

bool IsDataSectorOf(std::span<const std::byte> bytes, uint64_t sequence_number) {
  const auto high = LoadFrom<le32>(bytes.subspan(offsetof(DataSector, sequence_high)));
  const auto low = LoadFrom<le32>(bytes.subspan(offsetof(DataSector, sequence_low)));
  return HasSignature(bytes, format::kDataSectorSignature) &&
         high == static_cast<uint32_t>(sequence_number >> 32) &&
         low == static_cast<uint32_t>(sequence_number);
}

}  // namespace

LogReader::LogReader(File& file, FileRange log, std::optional<Guid> log_guid)
    : file_(file), log_(log), log_guid_(log_guid), verdicts_(sector_count(), Verdict::kUnknown) {}

Result<const LogReader::Sector*> LogReader::ReadSector(uint64_t log_offset) {
  if (log_offset < window_start_ || log_offset - window_start_ >= window_.size()) {
    window_start_ = AlignDown(log_offset, kWindowSize);
    window_.resize(std::min(kWindowSize, log_.length_bytes - window_start_));
    if (auto read = file_.ReadExactAt(log_.file_offset + window_start_, window_); !read) {
      window_.clear();
      return std::unexpected(std::move(read.error()));
    }
  }
  // A sector is bytes and nothing else; the window outlives the pointer until the next call.
  return reinterpret_cast<const Sector*>(window_.data() + (log_offset - window_start_));
}

Result<std::optional<LogEntryInfo>> LogReader::EntryAt(uint64_t log_offset) {
  Verdict& verdict = verdicts_[log_offset / kLogSectorSize];
  if (verdict == Verdict::kUnknown) {
    auto entry = VHDX_TRY(Validate(log_offset));
    verdict = entry ? Verdict::kValid : Verdict::kInvalid;
    if (entry) valid_.emplace(log_offset, *entry);
  }
  if (verdict == Verdict::kInvalid) return std::nullopt;
  return valid_.at(log_offset);
}

Result<LogReader::Trace> LogReader::FindTrace() {
  std::optional<uint64_t> first;
  for (uint64_t offset = 0; offset < log_.length_bytes; offset += kLogSectorSize) {
    auto sector = VHDX_TRY(ReadSector(offset));
    if (LoadFrom<LogEntryHeader>(*sector).log_guid != *log_guid_) continue;
    if (first) return Trace::kOther;
    first = offset;
  }
  if (!first) return Trace::kNone;
  auto begun = VHDX_TRY(IsBegunOnly(*first));
  return begun ? Trace::kOneBegun : Trace::kOther;
}

// A data sector that was never written has neither the signature nor the number of the entry, or is
// still a data sector of another entry, from before the log wrapped or from an earlier session.
// What was written and damaged later would have to lose both, or exactly its number.
Result<bool> LogReader::IsBegunOnly(uint64_t log_offset) {
  auto first = VHDX_TRY(ReadSector(log_offset));
  const auto header = LoadFrom<LogEntryHeader>(*first);
  if (!HeaderIsPlausible(header) || header.tail != log_offset) return false;
  const uint64_t sectors = header.entry_length / kLogSectorSize;
  for (uint64_t i = DescriptorSectorCount(header.descriptor_count); i < sectors; ++i) {
    auto sector = VHDX_TRY(ReadSector(Wrap(log_offset + i * kLogSectorSize)));
    const auto low = LoadFrom<le32>(std::span(*sector).subspan(offsetof(DataSector, sequence_low)));
    if (low == static_cast<uint32_t>(header.sequence_number)) continue;
    if (!HasSignature(*sector, format::kDataSectorSignature) || low != 0) return true;
  }
  return false;
}

// The checks of docs/format.md, section 5.7, the cheap ones first.
Result<std::optional<LogEntryInfo>> LogReader::Validate(uint64_t log_offset) {
  auto sector = VHDX_TRY(ReadSector(log_offset));
  const auto header = LoadFrom<LogEntryHeader>(*sector);
  if (!HeaderIsPlausible(header)) return std::nullopt;
  auto well_formed = VHDX_TRY(SectorsAreWellFormed(log_offset, header));
  if (!well_formed) return std::nullopt;
  auto right = VHDX_TRY(ChecksumIsRight(log_offset, header));
  if (!right) return std::nullopt;
  const LogEntryInfo entry{.log_offset = log_offset,
                           .entry_length_bytes = header.entry_length,
                           .tail = header.tail,
                           .sequence_number = header.sequence_number,
                           .descriptor_count = header.descriptor_count,
                           .flushed_file_offset = header.flushed_file_offset,
                           .last_file_offset = header.last_file_offset,
                           .checksum = header.checksum,
                           .log_guid = header.log_guid};
  auto allowed = VHDX_TRY(TargetsAreAllowed(entry));
  if (!allowed) {
    bad_targets_.push_back(log_offset);
    return std::nullopt;
  }
  return entry;
}

bool LogReader::HeaderIsPlausible(const LogEntryHeader& header) const {
  return header.signature == format::kLogEntrySignature &&
         (!log_guid_ || header.log_guid == *log_guid_) && header.sequence_number != 0 &&
         IsAligned(header.entry_length, kLogSectorSize) && header.entry_length >= kLogSectorSize &&
         header.entry_length <= log_.length_bytes && IsAligned(header.tail, kLogSectorSize) &&
         header.tail < log_.length_bytes &&
         DescriptorSectorCount(header.descriptor_count) * kLogSectorSize <= header.entry_length;
}

// Every sector after the first is one of descriptors or one of data, and carries the entry's
// number. No sector of an entry but its first can start with "loge", so an entry that passes
// overlaps no other that does.
Result<bool> LogReader::SectorsAreWellFormed(uint64_t log_offset, const LogEntryHeader& header) {
  const uint64_t count = header.descriptor_count;
  const uint64_t descriptor_sectors = DescriptorSectorCount(count);
  const uint64_t sectors = header.entry_length / kLogSectorSize;
  uint64_t data_descriptors = 0;
  for (uint64_t i = 0; i < descriptor_sectors; ++i) {
    auto sector = VHDX_TRY(ReadSector(Wrap(log_offset + i * kLogSectorSize)));
    for (uint64_t k = 0; k < DescriptorsInSector(i, count); ++k) {
      const auto kind = ClassifyDescriptor(DescriptorBytes(*sector, i, k), header.sequence_number);
      if (kind == DescriptorKind::kInvalid) return false;
      if (kind == DescriptorKind::kData) ++data_descriptors;
    }
  }
  if (data_descriptors != sectors - descriptor_sectors) return false;
  for (uint64_t i = descriptor_sectors; i < sectors; ++i) {
    auto sector = VHDX_TRY(ReadSector(Wrap(log_offset + i * kLogSectorSize)));
    if (!IsDataSectorOf(*sector, header.sequence_number)) return false;
  }
  return true;
}

Result<bool> LogReader::ChecksumIsRight(uint64_t log_offset, const LogEntryHeader& header) {
  uint32_t crc = 0;
  for (uint64_t done = 0; done < header.entry_length; done += kLogSectorSize) {
    auto sector = VHDX_TRY(ReadSector(Wrap(log_offset + done)));
    crc = done == 0 ? Crc32cWithoutField(*sector, offsetof(LogEntryHeader, checksum))
                    : Crc32cExtend(crc, *sector);
  }
  return crc == header.checksum;
}

// Identifier, headers and the log itself are not changed through the log.
Result<bool> LogReader::TargetsAreAllowed(const LogEntryInfo& entry) {
  bool allowed = true;
  const uint64_t log_end = log_.file_offset + log_.length_bytes;
  VHDX_TRY(VisitUpdates(entry, [&](const Update& update) -> Result<void> {
    const uint64_t start = update.target.file_offset;
    const uint64_t end = start + update.target.length_bytes;
    if (start == end) return {};  // changes nothing, wherever it is
    if (start < format::kFirstLoggableOffset || (start < log_end && end > log_.file_offset)) {
      allowed = false;
    }
    return {};
  }));
  return allowed;
}

Result<void> LogReader::VisitUpdates(const LogEntryInfo& entry,
                                     const std::function<Result<void>(const Update&)>& visit) {
  const uint64_t count = entry.descriptor_count;
  const uint64_t descriptor_sectors = DescriptorSectorCount(count);
  // The k-th data sector belongs to the k-th data descriptor; zero descriptors have none.
  uint64_t data_offset = entry.log_offset + descriptor_sectors * kLogSectorSize;
  for (uint64_t i = 0; i < descriptor_sectors; ++i) {
    const uint64_t sector_offset = Wrap(entry.log_offset + i * kLogSectorSize);
    auto read = VHDX_TRY(ReadSector(sector_offset));
    const Sector sector = *read;
    for (uint64_t k = 0; k < DescriptorsInSector(i, count); ++k) {
      const auto bytes = DescriptorBytes(sector, i, k);
      Update update;
      if (HasSignature(bytes, format::kZeroDescriptorSignature)) {
        const auto zero = LoadFrom<ZeroDescriptor>(bytes);
        update = {.target = {zero.file_offset, zero.zero_length}, .zeros = true};
      } else {
        const auto data = LoadFrom<DataDescriptor>(bytes);
        update = {.target = {data.file_offset, kLogSectorSize},
                  .stored_at = log_.file_offset + Wrap(data_offset),
                  .leading = data.leading_bytes,
                  .trailing = data.trailing_bytes};
        data_offset += kLogSectorSize;
      }
      VHDX_TRY(visit(update));
    }
  }
  return {};
}

Result<LogReader::Run> LogReader::FollowFrom(uint64_t log_offset) {
  Run run{.entries = {}, .end = log_offset};
  uint64_t used = 0;
  while (used < log_.length_bytes) {
    auto entry = VHDX_TRY(EntryAt(run.end));
    if (!entry || used + entry->entry_length_bytes > log_.length_bytes) break;
    if (!run.entries.empty() && entry->sequence_number != run.entries.back().sequence_number + 1) {
      break;
    }
    run.entries.push_back(*entry);
    run.end = Wrap(run.end + entry->entry_length_bytes);
    used += entry->entry_length_bytes;
  }
  return run;
}

// docs/format.md, section 6.3. If the head of a run names no entry of the run as its tail, no
// suffix of the run is better, since it has the same head: the scan continues after the run.
Result<std::vector<LogEntryInfo>> LogReader::FindActiveSequence() {
  std::vector<LogEntryInfo> best;
  for (uint64_t start = 0;;) {
    auto run = VHDX_TRY(FollowFrom(start));
    uint64_t next = Wrap(start + kLogSectorSize);
    if (auto& entries = run.entries; !entries.empty()) {
      const LogEntryInfo& head = entries.back();
      const auto tail = std::ranges::find(entries, head.tail, &LogEntryInfo::log_offset);
      if (tail != entries.end() &&
          (best.empty() || head.sequence_number > best.back().sequence_number)) {
        best.assign(tail, entries.end());
      }
      next = run.end;
    }
    if (next <= start) return best;
    start = next;
  }
}

Result<void> LogReader::VisitEntries(
    const std::function<Result<void>(const LogEntryInfo&)>& visit) {
  for (uint64_t offset = 0; offset < log_.length_bytes;) {
    auto entry = VHDX_TRY(EntryAt(offset));
    if (entry) {
      VHDX_TRY(visit(*entry));
    }
    offset += entry ? entry->entry_length_bytes : kLogSectorSize;
  }
  return {};
}

}  // namespace vhdx::log
