// Logs that must be replayed, and what must not be taken for one.

#include "format/layout.h"
#include "format/log_entry.h"
#include "format/rules.h"
#include "testing/broken_cases.h"
#include "testing/hex.h"

namespace vhdx::testing::broken_log {
namespace {

constexpr uint64_t kLog = kMiB;  // where the twin has it
constexpr uint64_t kSector = 4096;
const Guid kSession = TestGuid(9);
const Guid kOtherSession = TestGuid(10);

// Offsets in an entry.
constexpr uint64_t kSignature = 0;
constexpr uint64_t kEntryLength = 8;
constexpr uint64_t kTail = 12;
constexpr uint64_t kDescriptorCount = 24;
constexpr uint64_t kEntryReserved = 28;
constexpr uint64_t kFirstDescriptor = 64;
constexpr uint64_t kDescriptorReserved = 68;
constexpr uint64_t kZeroLength = 72;
constexpr uint64_t kTarget = 80;
constexpr uint64_t kDescriptorSequence = 88;
constexpr uint64_t kDataSector = 4096;

uint64_t BatOffset() { return PlanLayout(TwinImage()).bat.file_offset; }
uint64_t MetadataOffset() { return PlanLayout(TwinImage()).metadata.file_offset; }

LogWrite MovedBat() { return MovedPage(BatOffset(), std::byte{0}); }

// If this is replayed, the image does not open.
LogWrite Ruin() {
  return DataWrite(MetadataOffset(), std::vector<std::byte>(kSector, std::byte{0xEE}));
}
// This sets it right again.
LogWrite MovedTable() { return MovedPage(MetadataOffset(), std::byte{0xDD}); }

ImageSpec Dirty(std::vector<LogEntrySpec> entries) {
  ImageSpec spec = TwinImage();
  spec.log.log_guid = kSession;
  spec.log.entries = std::move(entries);
  return spec;
}

std::string DirtyAt(uint64_t head_offset) { return At(rules::kLogDirty, kLog + head_offset); }
std::string StaleAt(uint64_t log_offset) { return At(rules::kLogStale, kLog + log_offset); }

// The first entry is good and holds the BAT; the second, at sector 2, must not count.
BrokenCase SecondDoesNotCount(const std::string& name, LogEntrySpec second,
                              std::vector<std::string> more_findings = {}) {
  std::vector<std::string> findings = {DirtyAt(0)};
  findings.insert(findings.end(), more_findings.begin(), more_findings.end());
  return Opens("log/" + name, Dirty({{.writes = {MovedBat()}}, std::move(second)}),
               std::move(findings));
}

BrokenCase SecondDoesNotCount(const std::string& name, const Patch& patch) {
  return SecondDoesNotCount(name, LogEntrySpec{.writes = {Ruin()}, .tail = 0, .patches = {patch}});
}

void AddReplays(std::vector<BrokenCase>& cases) {
  const ImageLayout layout = PlanLayout(TwinImage());
  cases.push_back(Opens("log/one empty entry", Dirty({{}}), {DirtyAt(0)}));
  cases.push_back(Opens("log/never begun", Dirty({}), {At(rules::kLogNeverBegun, kLog)}));
  cases.push_back(Opens("log/the BAT", Dirty({{.writes = {MovedBat()}}}), {DirtyAt(0)}));
  for (const auto& [name, offset] :
       {std::pair<std::string, uint64_t>{"the first region table", 0x30000},
        {"the second region table", 0x40000},
        {"the metadata table", layout.metadata.file_offset},
        {"the metadata items", layout.metadata.file_offset + 0x10000}}) {
    cases.push_back(Opens("log/" + name, Dirty({{.writes = {MovedPage(offset, std::byte{0xEE})}}}),
                          {DirtyAt(0)}));
  }
  std::vector<LogWrite> everything = {MovedBat(), MovedTable(), MovedPage(0x30000),
                                      MovedPage(0x40000),
                                      MovedPage(layout.metadata.file_offset + 0x10000)};
  cases.push_back(
      Opens("log/everything in one entry", Dirty({{.writes = everything}}), {DirtyAt(0)}));
  std::vector<LogEntrySpec> apart;
  for (const LogWrite& write : everything) apart.push_back({.writes = {write}, .tail = 0});
  cases.push_back(Opens("log/everything in five entries", Dirty(apart), {DirtyAt(8 * kSector)}));

  ImageSpec large = Dirty({{.writes = {MovedBat()}, .log_offset = 3 * kMiB}});
  large.log.length_bytes = 8 * kMiB;
  large.log.entries[0].writes = {MovedPage(PlanLayout(large).bat.file_offset)};
  cases.push_back(
      Opens("log/in the middle of 8 MiB", large, {At(rules::kLogDirty, kMiB + 3 * kMiB)}));
  ImageSpec behind = Dirty({{}});
  behind.log.file_offset = 6 * kMiB;
  behind.first_block_offset = 3 * kMiB;
  behind.log.entries[0].writes = {MovedPage(PlanLayout(behind).bat.file_offset)};
  cases.push_back(Opens("log/behind the blocks", behind, {At(rules::kLogDirty, 6 * kMiB)}));
}

void AddOrder(std::vector<BrokenCase>& cases) {
  cases.push_back(Opens("log/later write of a page counts",
                        Dirty({{.writes = {Ruin(), MovedTable()}}}), {DirtyAt(0)}));
  cases.push_back(
      Opens("log/later entry counts",
            Dirty({{.writes = {Ruin()}, .tail = 0}, {.writes = {MovedTable()}, .tail = 0}}),
            {DirtyAt(2 * kSector)}));
  // Junk behind the BAT's used page, zeroed by the log; the data before it comes out.
  ImageSpec zeros = Dirty({{.writes = {ZeroWrite({BatOffset(), 8 * kSector}), MovedBat()}}});
  zeros.late_patches = {PatchFill(BatOffset() + kSector, 7 * kSector, std::byte{0xEE})};
  cases.push_back(Opens("log/data over zeros", zeros, {DirtyAt(0)}));
  ImageSpec zeroed = Dirty({{.writes = {DataWrite(BatOffset(), std::vector<std::byte>(4096)),
                                        ZeroWrite({BatOffset(), 8 * kSector})}}});
  zeroed.blocks = {};
  zeroed.late_patches = {PatchFill(BatOffset(), 8 * kSector, std::byte{0xEE})};
  cases.push_back(Opens("log/zeros over data", zeroed, {DirtyAt(0)}));
  cases.push_back(Opens("log/zeros of no length",
                        Dirty({{.writes = {MovedBat(), ZeroWrite({MetadataOffset(), 0})}}}),
                        {DirtyAt(0)}));
  // The second data sector belongs to the third descriptor.
  cases.push_back(
      Opens("log/zeros between data",
            Dirty({{.writes = {MovedBat(), ZeroWrite({0x3F000, kSector}), MovedTable()}}}),
            {DirtyAt(0)}));
  for (const size_t count : {126U, 127U, 254U, 255U, 400U}) {
    std::vector<LogWrite> writes(count - 1, ZeroWrite({BatOffset() + kSector, kSector}));
    writes.push_back(MovedBat());
    cases.push_back(Opens("log/descriptors: " + std::to_string(count), Dirty({{.writes = writes}}),
                          {DirtyAt(0)}));
  }
  std::vector<LogWrite> writes = MovedPages({BatOffset(), 200 * kSector}, std::byte{0xEE});
  cases.push_back(Opens("log/data sectors: 200", Dirty({{.writes = writes}}), {DirtyAt(0)}));
}

// docs/format.md, section 18.7 (c) and (d).
void AddRings(std::vector<BrokenCase>& cases) {
  for (const uint64_t sectors_before_end : {1U, 2U}) {
    const uint64_t offset = kMiB - sectors_before_end * kSector;
    cases.push_back(Opens(
        "log/entry that wraps " + std::to_string(sectors_before_end) + " before the end",
        Dirty({{.writes = {MovedBat(), MovedTable()}, .log_offset = offset}}), {DirtyAt(offset)}));
  }
  cases.push_back(Opens("log/sequence that wraps",
                        Dirty({{.writes = {Ruin()}, .log_offset = 0xFE000},
                               {.writes = {MovedBat()}, .tail = 0xFE000},
                               {.writes = {MovedTable()}, .tail = 0xFE000}}),
                        {DirtyAt(2 * kSector)}));
  std::vector<LogEntrySpec> full(128);
  for (size_t i = 0; i < full.size(); ++i) {
    full[i] = {.writes = {i + 1 < full.size() ? Ruin() : MovedTable()}, .tail = 0};
  }
  cases.push_back(Opens("log/ring full of entries", Dirty(full), {DirtyAt(127 * 2 * kSector)}));
  // The same, but the sequence starts in the middle.
  full[0].log_offset = 64 * 2 * kSector;
  for (LogEntrySpec& entry : full) entry.tail = static_cast<uint32_t>(*full[0].log_offset);
  cases.push_back(Opens("log/ring full from its middle", Dirty(full), {DirtyAt(63 * 2 * kSector)}));
  cases.push_back(Opens("log/retired entry in the run",
                        Dirty({{.writes = {Ruin()}}, {.writes = {MovedBat()}}}),
                        {DirtyAt(2 * kSector), StaleAt(0)}));
  cases.push_back(Opens("log/retired entries as Windows leaves them",
                        Dirty({{},
                               {.writes = {Ruin()}},
                               {.writes = {Ruin()}, .tail = kSector},
                               {.writes = {MovedBat()}, .tail = 5 * kSector},
                               {.writes = {MovedTable()}, .tail = 5 * kSector}}),
                        {DirtyAt(7 * kSector), StaleAt(0)}));
  // The tail lies inside an entry of the run, but is not the start of one.
  cases.push_back(Refused("log/tail inside an entry",
                          Dirty({{.writes = {MovedBat()}, .tail = kSector}}),
                          At(rules::kLogSequenceNone, kLog)));
  cases.push_back(Refused("log/tail in front of the run",
                          Dirty({{.writes = {MovedBat()}, .log_offset = 8 * kSector, .tail = 0}}),
                          At(rules::kLogSequenceNone, kLog)));
  // Two sequences: the greater number counts, wherever it stands.
  for (const bool newer_first : {false, true}) {
    const LogEntrySpec older{
        .writes = {Ruin()}, .log_offset = newer_first ? 0x80000 : 0x10000, .sequence_number = 100};
    const LogEntrySpec newer{.writes = {MovedBat()},
                             .log_offset = newer_first ? 0x10000 : 0x80000,
                             .sequence_number = 200};
    cases.push_back(Opens(std::string("log/newer sequence ") + (newer_first ? "first" : "last"),
                          Dirty({older, newer}),
                          {DirtyAt(*newer.log_offset), StaleAt(*older.log_offset)}));
  }
}

void AddSizes(std::vector<BrokenCase>& cases) {
  const uint64_t end = PlanLayout(TwinImage()).end;
  const auto with_sizes = [&](std::optional<uint64_t> flushed, std::optional<uint64_t> last) {
    return Dirty(
        {{.writes = {MovedBat()}, .flushed_file_offset = flushed, .last_file_offset = last}});
  };
  const auto number = [](uint64_t value) { return std::to_string(value); };
  for (const uint64_t flushed : {uint64_t{0}, kMiB, end}) {
    cases.push_back(
        Opens("log/FlushedFileOffset " + number(flushed), with_sizes(flushed, end), {DirtyAt(0)}));
  }
  for (const uint64_t flushed : {end + 1, end + kMiB, uint64_t{1} << 63, UINT64_MAX}) {
    cases.push_back(Refused("log/FlushedFileOffset " + number(flushed), with_sizes(flushed, end),
                            At(rules::kLogFileTruncated, kLog),
                            flushed % kMiB == 0 ? std::vector<std::string>()
                                                : std::vector{At(rules::kLogSizeField, kLog)}));
  }
  cases.push_back(Opens("log/FlushedFileOffset of an older entry",
                        Dirty({{.writes = {MovedBat()}, .flushed_file_offset = kTiB}, {.tail = 0}}),
                        {DirtyAt(2 * kSector)}));
  for (const uint64_t last : {uint64_t{0}, kMiB, end}) {
    cases.push_back(
        Opens("log/LastFileOffset " + number(last), with_sizes(end, last), {DirtyAt(0)}));
  }
  for (const uint64_t last : {end + kMiB, 64 * kGiB}) {
    cases.push_back(Opens("log/LastFileOffset " + number(last), with_sizes(end, last),
                          {DirtyAt(0), At(rules::kSpaceTail, end)}));
  }
  cases.push_back(Opens("log/LastFileOffset that is no multiple", with_sizes(end, end - 1),
                        {DirtyAt(0), At(rules::kLogSizeField, kLog)}));
  cases.push_back(Opens("log/LastFileOffset rounded up", with_sizes(end, end + 1),
                        {DirtyAt(0), At(rules::kLogSizeField, kLog), At(rules::kSpaceTail, end)}));
  cases.push_back(Opens("log/FlushedFileOffset that is no multiple", with_sizes(end - 1, end),
                        {DirtyAt(0), At(rules::kLogSizeField, kLog)}));
  for (const uint64_t last : {uint64_t{1} << 63, ~uint64_t{0} << 20}) {
    cases.push_back(Refused("log/LastFileOffset " + number(last), with_sizes(end, last),
                            At(rules::kLogLastOffset, kLog), {DirtyAt(0)}));
  }
  // The end of the file was lost in the crash, and the log knows that the last block is there.
  ImageSpec lost = with_sizes(end - kMiB, end);
  lost.blocks.back().content = BlockContent::kZeros;
  lost.file_size = end - kMiB;
  cases.push_back(Opens("log/end of the file was lost", lost, {DirtyAt(0)}));
  ImageSpec shorter = with_sizes(end, end);
  shorter.file_size = end - kMiB;
  cases.push_back(Refused("log/file was cut", shorter, At(rules::kLogFileTruncated, kLog)));
  ImageSpec far = Dirty({{.writes = {ZeroWrite({64 * kGiB, kSector})}, .last_file_offset = end}});
  cases.push_back(Opens("log/zeros behind the end", far, {DirtyAt(0), At(rules::kSpaceTail, end)}));
  ImageSpec farther =
      Dirty({{.writes = {ZeroWrite({kMiB * 16, uint64_t{1} << 63})}, .last_file_offset = end}});
  cases.push_back(Refused("log/zeros to the end of the world", farther,
                          At(rules::kLogLastOffset, kLog), {DirtyAt(0)}));
}

// No entry carries the LogGuid: nothing was ever logged.
void AddNeverBegun(std::vector<BrokenCase>& cases) {
  const std::string never = At(rules::kLogNeverBegun, kLog);
  cases.push_back(Opens("log/entries of another session",
                        Dirty({{.writes = {Ruin()}, .log_guid = kOtherSession}}),
                        {never, StaleAt(0)}));
  cases.push_back(Opens("log/entries without a session",
                        Dirty({{.writes = {Ruin()}, .log_guid = Guid{}}}), {never, StaleAt(0)}));
  cases.push_back(Opens("log/first sector of the only entry was never written",
                        Dirty({{.writes = {Ruin()}, .torn_sectors = {0}}}), {never}));
  cases.push_back(Opens("log/data of the only entry was never written",
                        Dirty({{.writes = {Ruin()}, .torn_sectors = {1}}}), {never}));
  ImageSpec noise = Dirty({});
  noise.late_patches = {PatchFill(kLog, kMiB, std::byte{0xEE})};
  cases.push_back(Opens("log/ring full of noise", noise, {never}));
}

void AddNoSequence(std::vector<BrokenCase>& cases) {
  const std::string none = At(rules::kLogSequenceNone, kLog);
  cases.push_back(Refused("log/only entry has a wrong checksum",
                          Dirty({{.writes = {MovedBat()}, .checksum_xor = 1}}), none));
  // Every sector looks like the start of an entry as long as the ring.
  ImageSpec heads = Dirty({});
  const std::vector<std::byte> head = EncodeLogEntry({.sequence_number = 5}, kSession);
  std::vector<std::byte> ring;
  for (uint64_t offset = 0; offset < kMiB; offset += kSector) {
    ring.insert(ring.end(), head.begin(), head.end());
    StoreTo(std::span(ring).subspan(offset + kEntryLength), le32(kMiB));
  }
  heads.late_patches = {{.file_offset = kLog, .bytes = ring}};
  cases.push_back(Refused("log/ring full of heads", heads, none));
}

void AddInvalidEntries(std::vector<BrokenCase>& cases) {
  const auto patched = [&](const std::string& what, const Patch& patch) {
    cases.push_back(SecondDoesNotCount(what, patch));
  };
  patched("signature of an entry", PatchFill(kSignature, 1, std::byte{'L'}));
  for (const uint32_t length :
       {0U, 4095U, 4096U, 8191U, 0x3000U, 0x100000U, 0x101000U, 0xFFFFF000U}) {
    patched("entry length " + std::to_string(length), PatchValue(kEntryLength, le32(length)));
  }
  for (const uint32_t tail : {1U, 0x100000U, 0xFFFFFFFFU}) {
    patched("tail " + std::to_string(tail), PatchValue(kTail, le32(tail)));
  }
  for (const uint32_t count : {0U, 2U, 127U, 0xFFFFFFFFU}) {
    patched("descriptor count " + std::to_string(count), PatchValue(kDescriptorCount, le32(count)));
  }
  patched("signature of a descriptor", PatchFill(kFirstDescriptor, 4, std::byte{'x'}));
  patched("number of a descriptor", PatchValue(kDescriptorSequence, le64(1)));
  patched("target of a sector that is no multiple", PatchValue(kTarget, le64(2 * kMiB + 512)));
  patched("target of a sector at the end of 64 bits",
          PatchValue(kTarget, le64(~uint64_t{0} << 12)));
  patched("signature of a data sector", PatchFill(kDataSector, 1, std::byte{'D'}));
  patched("high number of a data sector", PatchValue(kDataSector + 4, le32(1)));
  patched("low number of a data sector", PatchValue(kDataSector + 4092, le32(1)));
  cases.push_back(SecondDoesNotCount("checksum of an entry",
                                     {.writes = {Ruin()}, .tail = 0, .checksum_xor = 0x80000000}));
  cases.push_back(SecondDoesNotCount("entry of another session",
                                     {.writes = {Ruin()}, .tail = 0, .log_guid = kOtherSession},
                                     {StaleAt(2 * kSector)}));
  cases.push_back(SecondDoesNotCount("entry with the number 0",
                                     {.writes = {Ruin()}, .tail = 0, .sequence_number = 0}));
  for (const uint64_t number : {1U, 3U, 100U}) {
    cases.push_back(SecondDoesNotCount("entry 1 followed by " + std::to_string(number),
                                       {.writes = {Ruin()}, .tail = 0, .sequence_number = number},
                                       {StaleAt(2 * kSector)}));
  }
  for (const uint64_t sector : {0U, 1U, 2U}) {
    cases.push_back(
        SecondDoesNotCount("torn at sector " + std::to_string(sector),
                           {.writes = {Ruin(), Ruin()}, .tail = 0, .torn_sectors = {sector}}));
  }
  const auto zeros = [&](const std::string& what, const Patch& patch) {
    cases.push_back(SecondDoesNotCount(
        what,
        LogEntrySpec{
            .writes = {ZeroWrite({MetadataOffset(), kSector})}, .tail = 0, .patches = {patch}}));
  };
  zeros("length of zeros that is no multiple", PatchValue(kZeroLength, le64(4097)));
  zeros("target of zeros that is no multiple", PatchValue(kTarget, le64(2 * kMiB + 8)));
  zeros("zeros past 64 bits", PatchValue(kZeroLength, le64(~uint64_t{0} << 12)));
  // With a tail of its own, an entry behind a gap is a sequence of its own.
  cases.push_back(
      Opens("log/entry behind a gap stands alone",
            Dirty({{.writes = {Ruin()}}, {.writes = {MovedBat()}, .sequence_number = 50}}),
            {DirtyAt(2 * kSector), StaleAt(0)}));
  // Reserved fields make no entry invalid.
  for (const auto& [name, offset] : {std::pair<std::string, uint64_t>{"an entry", kEntryReserved},
                                     {"a descriptor", kDescriptorReserved}}) {
    LogEntrySpec entry{.writes = {ZeroWrite({BatOffset() + kSector, kSector}), MovedBat()},
                       .patches = {PatchValue(offset, le32(7))}};
    cases.push_back(Opens("log/reserved field of " + name, Dirty({entry}), {DirtyAt(0)}));
  }
  cases.push_back(Opens("log/greatest number",
                        Dirty({{.writes = {MovedBat()}, .sequence_number = UINT64_MAX}}),
                        {DirtyAt(0)}));
  cases.push_back(Opens("log/numbers across 32 bits",
                        Dirty({{.writes = {MovedBat()}, .tail = 0, .sequence_number = 0xFFFFFFFF},
                               {.writes = {MovedTable()}, .tail = 0}}),
                        {DirtyAt(2 * kSector)}));
}

void AddTargets(std::vector<BrokenCase>& cases) {
  const std::string found = At(rules::kLogTarget, kLog + 2 * kSector);
  const std::vector<std::byte> noise(kSector, std::byte{0xEE});
  for (const uint64_t target : {uint64_t{0}, uint64_t{0x10000}, uint64_t{0x20000},
                                uint64_t{0x2F000}, kLog, kLog + kMiB - kSector}) {
    cases.push_back(SecondDoesNotCount("sector for " + std::to_string(target),
                                       {.writes = {DataWrite(target, noise)}, .tail = 0}, {found}));
  }
  for (const FileRange& range :
       {FileRange{0, kSector}, FileRange{0x2F000, 2 * kSector}, FileRange{kLog, kMiB},
        FileRange{kLog - kSector, 2 * kSector}, FileRange{kLog + kMiB - kSector, 2 * kSector},
        FileRange{0x50000, 2 * kMiB}}) {
    cases.push_back(SecondDoesNotCount("zeros for " + std::to_string(range.length_bytes) + " at " +
                                           std::to_string(range.file_offset),
                                       {.writes = {ZeroWrite(range)}, .tail = 0}, {found}));
  }
  cases.push_back(Opens("log/targets next to what is forbidden",
                        Dirty({{.writes = {MovedPage(0x30000, std::byte{0xEE}),
                                           DataWrite(kLog - kSector, noise), MovedTable()}}}),
                        {DirtyAt(0)}));
}

void AddStale(std::vector<BrokenCase>& cases) {
  ImageSpec clean = Dirty({{.writes = {Ruin()}}, {.writes = {Ruin()}}});
  clean.headers[0].log_guid = Guid{};
  clean.headers[1].log_guid = Guid{};
  cases.push_back(Opens("log/entries of a session that ended", clean, {StaleAt(0)}));
  cases.push_back(
      Opens("log/entries of an earlier session behind the newest",
            Dirty({{.writes = {MovedBat()}},
                   {.writes = {Ruin()}, .sequence_number = 2, .log_guid = kOtherSession}}),
            {DirtyAt(0), StaleAt(2 * kSector)}));
  cases.push_back(
      Opens("log/entries of an earlier session in front of the tail",
            Dirty({{.writes = {Ruin()}, .sequence_number = 900, .log_guid = kOtherSession},
                   {.writes = {MovedBat()}, .sequence_number = 3}}),
            {DirtyAt(2 * kSector), StaleAt(0)}));
  BrokenCase recipe = Opens("log/recipe B of the reference", RecipeB(), {DirtyAt(0)});
  // 1 MiB of A5, then zeros; 4 MiB in all.
  recipe.content_sha256 = "29bf326d9e50413ef8cc7bcd518f9a1d1236c98f9e76504dc546f2d8c1c8cb6b";
  cases.push_back(recipe);
}

void AddOverlaps(std::vector<BrokenCase>& cases) {
  const auto overlapping = [&](const std::string& name, FileRange log, size_t entry,
                               std::vector<RegionSpec> more = {}) {
    ImageSpec spec = TwinImage();
    spec.regions[0].file_offset = 3 * kMiB;  // the BAT
    spec.regions[1].file_offset = 2 * kMiB;  // the metadata
    spec.regions.insert(spec.regions.end(), more.begin(), more.end());
    spec.log = {.file_offset = log.file_offset, .length_bytes = log.length_bytes};
    cases.push_back(Refused("log/overlaps " + name, spec,
                            At(rules::kLogOverlap, PlanLayout(spec).RegionEntryOffset(entry))));
  };
  overlapping("the metadata", {kMiB, 2 * kMiB}, 1);
  overlapping("the BAT", {3 * kMiB, kMiB}, 0);
  overlapping("an unknown region", {kMiB, kMiB}, 2,
              {{.guid = TestGuid(70), .file_offset = kMiB, .required = 0}});
}

}  // namespace

std::vector<BrokenCase> Cases() {
  std::vector<BrokenCase> cases;
  AddReplays(cases);
  AddOrder(cases);
  AddRings(cases);
  AddSizes(cases);
  AddNeverBegun(cases);
  AddNoSequence(cases);
  AddInvalidEntries(cases);
  AddTargets(cases);
  AddStale(cases);
  AddOverlaps(cases);
  return cases;
}

}  // namespace vhdx::testing::broken_log
