// The log: search and replay. Input: one sparse file (sparse_input.h), whose first header says
// where the log is and which entries count; it need not be valid.

#include <algorithm>
#include <optional>

#include "bytes/zeros.h"
#include "format/header.h"
#include "format/layout.h"
#include "fuzz/expect.h"
#include "fuzz/input.h"
#include "fuzz/sparse_input.h"
#include "log/log_reader.h"
#include "log/replay.h"
#include "testing/memory_file.h"

namespace vhdx::fuzz {
namespace {

using log::LogReader;
using log::Update;
using testing::MemoryContents;
using testing::MemoryFile;

constexpr uint64_t kMaxLogLength = 4 * kMiB;
// An entry is replayed by a plain copy as long as no more pages than this come of it.
constexpr size_t kMaxComparedUpdates = 2048;

// What the header's check lets through, for any bytes.
HeaderInfo HeaderOf(const MemoryContents& contents) {
  std::vector<std::byte> bytes =
      contents.Bytes({format::kHeaderOffsets[0], sizeof(format::Header)});
  bytes.resize(sizeof(format::Header));
  const auto raw = LoadFrom<format::Header>(bytes);
  HeaderInfo header;
  header.log_guid = raw.log_guid;
  header.log_offset = AlignDown(raw.log_offset, format::kAlignment);
  header.log_length_bytes = static_cast<uint32_t>(
      AlignDown(std::min<uint64_t>(raw.log_length, kMaxLogLength), format::kAlignment));
  return header;
}

// docs/format.md, section 6.3, taken literally: every start is tried, however slowly.
Result<std::vector<LogEntryInfo>> SearchByTheBook(LogReader& reader, uint64_t log_length) {
  std::vector<LogEntryInfo> best;
  uint64_t tail = 0;
  for (;;) {
    std::vector<LogEntryInfo> run;
    uint64_t position = tail;
    uint64_t used = 0;
    while (used < log_length) {
      const auto entry = reader.EntryAt(position);
      if (!entry) return std::unexpected(entry.error());
      if (!*entry || used + (*entry)->entry_length_bytes > log_length) break;
      if (!run.empty() && (*entry)->sequence_number != run.back().sequence_number + 1) break;
      run.push_back(**entry);
      position = (position + (*entry)->entry_length_bytes) % log_length;
      used += (*entry)->entry_length_bytes;
    }
    const auto first = run.empty()
                           ? run.end()
                           : std::ranges::find(run, run.back().tail, &LogEntryInfo::log_offset);
    const bool complete = first != run.end();
    if (complete && (best.empty() || run.back().sequence_number > best.back().sequence_number)) {
      best.assign(first, run.end());
    }
    const uint64_t old_tail = tail;
    tail = complete ? position : (tail + format::kLogSectorSize) % log_length;
    if (tail <= old_tail) return best;
  }
}

bool SameEntry(const LogEntryInfo& a, const LogEntryInfo& b) {
  return a.log_offset == b.log_offset && a.entry_length_bytes == b.entry_length_bytes &&
         a.tail == b.tail && a.sequence_number == b.sequence_number &&
         a.descriptor_count == b.descriptor_count &&
         a.flushed_file_offset == b.flushed_file_offset && a.last_file_offset == b.last_file_offset;
}

void ExpectSequence(const std::vector<LogEntryInfo>& sequence, uint64_t log_length) {
  uint64_t total = 0;
  for (size_t i = 0; i < sequence.size(); ++i) {
    total += sequence[i].entry_length_bytes;
    if (i == 0) continue;
    const LogEntryInfo& before = sequence[i - 1];
    Expect(sequence[i].sequence_number == before.sequence_number + 1, "numbers are consecutive");
    Expect(sequence[i].log_offset == (before.log_offset + before.entry_length_bytes) % log_length,
           "entries follow each other in the ring");
  }
  Expect(total <= log_length, "a sequence goes round the ring at most once");
  Expect(sequence.empty() || sequence.back().tail == sequence.front().log_offset,
         "the head names the first entry as its tail");
}

void ExpectAllowed(FileRange target, FileRange log) {
  Expect(IsAligned(target.file_offset, format::kLogSectorSize) &&
             IsAligned(target.length_bytes, format::kLogSectorSize),
         "targets are whole sectors");
  if (target.length_bytes == 0) return;  // changes nothing, wherever it stands
  Expect(target.file_offset >= format::kFirstLoggableOffset, "no target lies in the headers");
  Expect(target.file_offset + target.length_bytes <= log.file_offset ||
             target.file_offset >= log.file_offset + log.length_bytes,
         "no target lies in the log");
}

std::vector<std::byte> SectorOf(const Update& update, const MemoryContents& contents) {
  std::vector<std::byte> sector = contents.Bytes({update.stored_at, format::kLogSectorSize});
  std::ranges::copy(update.leading, sector.begin());
  std::ranges::copy(update.trailing, sector.end() - static_cast<ptrdiff_t>(update.trailing.size()));
  return sector;
}

// The file that a replay in place would leave behind, and the places where it changed.
struct InPlace {
  std::shared_ptr<MemoryContents> contents;
  std::vector<FileRange> targets;
};

// Nothing if the log asks for more than is worth comparing.
std::optional<InPlace> ReplayInPlace(LogReader& reader, const std::vector<LogEntryInfo>& sequence,
                                     const MemoryContents& contents) {
  InPlace replayed{.contents = contents.Copy(), .targets = {}};
  for (const LogEntryInfo& entry : sequence) {
    const auto visited = reader.VisitUpdates(entry, [&](const Update& update) -> Result<void> {
      replayed.targets.push_back(update.target);
      if (update.target.file_offset + update.target.length_bytes > MemoryContents::kMaxBytes) {
        return Fail(ErrorCode::kNoSpace, "no file is that long");
      }
      if (update.zeros) {
        if (update.target.length_bytes != 0) replayed.contents->Zero(update.target);
      } else {
        replayed.contents->Write(update.target.file_offset, SectorOf(update, contents));
      }
      return {};
    });
    if (!visited || replayed.targets.size() > kMaxComparedUpdates) return std::nullopt;
  }
  return replayed;
}

void ExpectSameBytes(File& file, const MemoryContents& expected, uint64_t file_offset) {
  std::vector<std::byte> bytes(format::kLogSectorSize);
  const auto read = file.ReadAt(file_offset, std::span(bytes));
  Expect(read.has_value(), "a replayed file can be read");
  bytes.resize(*read);
  Expect(bytes == expected.Bytes({file_offset, format::kLogSectorSize}),
         "a replay in memory shows what a replay in place would leave behind");
}

void ExpectSameFile(File& file, const InPlace& expected) {
  const auto size = file.Size();
  Expect(size && *size == expected.contents->size(), "both replays give the same length");
  for (const FileRange& target : expected.targets) {
    const uint64_t end = target.file_offset + target.length_bytes;
    // Around both ends, not aligned, so that reads cross from one update into the next.
    for (const uint64_t offset : {target.file_offset, target.file_offset - 100, end - 100, end}) {
      ExpectSameBytes(file, *expected.contents, offset);
    }
  }
  // Nothing but zeros may hide in what the file calls a hole.
  uint64_t position = 0;
  for (int steps = 0; steps < 256 && position < *size; ++steps) {
    const auto data = file.NextData(position);
    Expect(data && *data >= position && *data <= *size, "the next data is not behind us");
    if (*data > position) {
      Expect(expected.contents->NextData(position) >= position, "offsets do not go back");
      const auto skipped = expected.contents->Bytes(
          {position, std::min<uint64_t>(*data - position, format::kLogSectorSize)});
      Expect(IsAllZero(skipped), "a hole reads as zeros");
    }
    const auto hole = file.NextHole(*data);
    Expect(hole && *hole >= *data && *hole <= *size, "the next hole is not behind us");
    position = std::max(*hole, position + 1);
  }
}

void TryReplay(const std::shared_ptr<MemoryContents>& contents, const HeaderInfo& header) {
  Findings findings;
  auto replayed = log::ReplayInMemory(std::make_unique<MemoryFile>(contents), header, findings);
  const FileRange range{header.log_offset, header.log_length_bytes};
  MemoryFile file(contents);
  LogReader reader(file, range, header.log_guid);
  const auto sequence = reader.FindActiveSequence();
  Expect(sequence.has_value(), "memory can be read");
  if (replayed.error) return ExpectHonest(*replayed.error);
  Expect(std::ranges::equal(replayed.sequence, *sequence, SameEntry),
         "what is replayed is the active sequence");
  if (sequence->empty()) {
    Expect(replayed.overlay == nullptr, "a log without entries is not replayed");
    auto trace = reader.FindTrace();
    Expect(trace && *trace != LogReader::Trace::kOther,
           "a log that was begun has a sequence, or is refused");
    return;
  }
  Expect(contents->size() >= sequence->back().flushed_file_offset,
         "a file that lost its end is not replayed");
  auto expected = ReplayInPlace(reader, *sequence, *contents);
  if (!expected) return;
  const uint64_t last = AlignUp(sequence->back().last_file_offset, format::kAlignment);
  expected->contents->Resize(std::max(expected->contents->size(), last));
  ExpectSameFile(*replayed.file, *expected);
}

void TryLog(const SparseFile& input) {
  const auto contents = Expand(input);
  const HeaderInfo header = HeaderOf(*contents);
  const FileRange range{header.log_offset, header.log_length_bytes};
  if (range.length_bytes == 0 || range.file_offset < format::kHeaderSectionSize ||
      !FitsInside(range.file_offset, range.length_bytes, contents->size())) {
    return;
  }
  MemoryFile file(contents);
  LogReader reader(file, range, header.log_guid);
  const auto sequence = reader.FindActiveSequence();
  const auto by_the_book = SearchByTheBook(reader, range.length_bytes);
  Expect(sequence && by_the_book, "memory can be read");
  ExpectSequence(*sequence, range.length_bytes);
  Expect(std::ranges::equal(*sequence, *by_the_book, SameEntry),
         "the search finds what the specification's search finds");

  uint64_t position = 0;
  LogReader any_session(file, range, std::nullopt);
  const auto visited = any_session.VisitEntries([&](const LogEntryInfo& entry) -> Result<void> {
    Expect(entry.log_offset >= position && entry.log_offset < range.length_bytes,
           "entries come in order and lie apart");
    position = entry.log_offset + entry.entry_length_bytes;
    return any_session.VisitUpdates(entry, [&](const Update& update) -> Result<void> {
      ExpectAllowed(update.target, range);
      return {};
    });
  });
  Expect(visited.has_value(), "memory can be read");
  if (!header.log_guid.IsZero()) TryReplay(contents, header);
}

}  // namespace
}  // namespace vhdx::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  vhdx::fuzz::TryLog(vhdx::fuzz::DecodeFiles(vhdx::fuzz::Input(data, size).rest()).front());
  return 0;
}
