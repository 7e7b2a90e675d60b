#include "tests/crash_check.h"

#include <vhdxkit/check.h>

#include <algorithm>
#include <utility>

#include "format/header.h"
#include "format/layout.h"
#include "testing/crash_file_system.h"

namespace vhdx::tests {
namespace {

using testing::CrashFileSystem;
using testing::CrashOperation;
using testing::CrashState;
using testing::CrashStore;
using testing::PageImage;

constexpr std::array<uint64_t, 2> kHeaderOffsets = {64 * kKiB, 128 * kKiB};

std::optional<HeaderInfo> HeaderIn(ByteSpan bytes) {
  Findings ignored;
  if (bytes.size() < sizeof(format::Header)) return std::nullopt;
  return format::ParseHeader(bytes.first(sizeof(format::Header)), {}, ignored);
}

std::array<std::optional<HeaderInfo>, 2> HeadersOf(const PageImage& file) {
  std::array<std::optional<HeaderInfo>, 2> headers;
  for (size_t i = 0; i < headers.size(); ++i) {
    headers[i] = HeaderIn(file.Bytes({kHeaderOffsets[i], sizeof(format::Header)}));
  }
  return headers;
}

/// A write of a header that was cut short leaves one that is not valid; so does a lost sector.
bool IsOfALostHeader(std::string_view rule) {
  return rule == "header.signature" || rule == "header.checksum";
}

}  // namespace

// -- Guids --

void ContentGuids::Bind(const Guid& guid, testing::DiskContents contents) {
  bound_.insert_or_assign(guid, std::move(contents));
}

std::string ContentGuids::AllowWritten(std::span<const CrashOperation> record) {
  std::set<Guid> written;
  for (const CrashOperation& operation : record) {
    if (!WritesAHeader(operation)) continue;
    // The second half is zeros, written or not.
    std::vector<std::byte> bytes = *operation.data;
    bytes.resize(sizeof(format::Header));
    if (const auto header = HeaderIn(bytes)) written.insert(header->data_write_guid);
  }
  for (const Guid& guid : written) Allow(guid);
  return written.size() <= 1 ? "" : "the two headers were given different DataWriteGuids";
}

void ContentGuids::KeepOnly(const PageImage& file, const testing::DiskContents& contents) {
  const auto headers = HeadersOf(file);
  std::erase_if(bound_, [&](const auto& known) {
    const bool stands = std::ranges::any_of(headers, [&](const auto& header) {
      return header && header->data_write_guid == known.first;
    });
    return !stands || (known.second && *known.second != contents);
  });
}

std::string ContentGuids::Compare(const Guid& guid, const testing::DiskContents& contents) const {
  const auto known = bound_.find(guid);
  if (known == bound_.end()) return "nobody wrote DataWriteGuid " + guid.ToString();
  if (!known->second || *known->second == contents) return "";
  return "the contents changed under DataWriteGuid " + guid.ToString();
}

bool WritesAHeader(const CrashOperation& operation) {
  return operation.kind == CrashOperation::Kind::kWrite &&
         std::ranges::count(kHeaderOffsets, operation.range.file_offset) != 0;
}

bool BothHeadersAreValid(const PageImage& file) {
  const auto headers = HeadersOf(file);
  return headers[0] && headers[1];
}

// -- Looking at a file --

CrashCheck::CrashCheck(CrashDisk& disk) : disk_(disk) {
  usual_rules_ = RulesBroken(std::make_shared<CrashStore>(disk.state(), disk.store_options()));
}

std::set<std::string, std::less<>> CrashCheck::RulesBroken(
    const std::shared_ptr<CrashStore>& store) {
  CrashFileSystem files(store);
  const auto report = vhdx::Check(files, disk_.path());
  if (!report) return {ToString(report.error())};
  std::set<std::string, std::less<>> rules;
  for (const auto& [rule, count] : report->counts) {
    if (rule->severity <= Severity::kTolerate) rules.emplace(rule->id);
  }
  return rules;
}

std::string CrashCheck::FindingsOf(const std::shared_ptr<CrashStore>& store) {
  std::string found;
  for (const std::string& rule : RulesBroken(store)) {
    if (!usual_rules_.contains(rule) && !IsOfALostHeader(rule)) found += " " + rule;
  }
  return found.empty() ? "" : "check finds" + found;
}

std::string CrashCheck::CompareAgain(Disk& device, const testing::DiskContents& contents) {
  for (int time = 0; time < 2; ++time) {
    const auto again = ReadContents(device, disk_.initial_bytes(), testing::HoleReading::kRead);
    if (!again) return "reading again: " + ToString(again.error());
    if (*again != contents) return "reading again gives other bytes";
  }
  return "";
}

// Opened for writing, flushed and closed without a write: not a byte changes.
std::string CrashCheck::OpenAndLeave(const CrashState& state) {
  const auto store = std::make_shared<CrashStore>(state, disk_.store_options());
  CrashFileSystem files(store);
  auto device = disk_.Open(files, DiskAccess::kReadWrite);
  if (!device) return "does not open for writing: " + ToString(device.error());
  if (auto flushed = (*device)->Flush(); !flushed) return ToString(flushed.error());
  if (auto closed = (*device)->Close(); !closed) return ToString(closed.error());
  const bool changed = std::ranges::any_of(store->Record(), [](const CrashOperation& operation) {
    return operation.changes_bytes() || operation.changes_names();
  });
  return changed ? "a disk that was not written changed its file" : "";
}

std::expected<CrashedDisk, std::string> CrashCheck::Look(const CrashState& state,
                                                         const testing::AllowedContents& allowed,
                                                         const ContentGuids& guids, Care care) {
  const auto store = std::make_shared<CrashStore>(state, disk_.store_options());
  CrashFileSystem files(store);
  auto device = disk_.Open(files, DiskAccess::kReadOnly);
  if (!device) return std::unexpected("does not open: " + ToString(device.error()));
  auto contents = ReadContents(**device, disk_.initial_bytes());
  if (!contents) return std::unexpected("cannot be read: " + ToString(contents.error()));
  const ImageInfo& image = (*device)->image_at_open(0);
  CrashedDisk seen = {.contents = *std::move(contents),
                      .data_write_guid = image.header().data_write_guid,
                      .log_entries = image.log.entries.size()};
  std::string wrong = allowed.Compare(seen.contents);
  if (wrong.empty()) wrong = guids.Compare(seen.data_write_guid, seen.contents);
  if (wrong.empty() && care == Care::kThorough) wrong = CompareAgain(**device, seen.contents);
  device->reset();
  if (wrong.empty()) wrong = FindingsOf(store);
  if (wrong.empty() && store->RecordLength() != 0) wrong = "a reader changed the file";
  if (wrong.empty() && care == Care::kThorough) wrong = OpenAndLeave(state);
  if (!wrong.empty()) return std::unexpected(std::move(wrong));
  return seen;
}

}  // namespace vhdx::tests
