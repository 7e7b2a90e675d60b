// A region table. Input: a RegionTableInput and the start of the table.

#include <algorithm>

#include "bytes/crc32c.h"
#include "format/layout.h"
#include "format/region_table.h"
#include "fuzz/expect.h"
#include "fuzz/input.h"
#include "fuzz/mutation.h"
#include "fuzz/region_table_input.h"

namespace vhdx::fuzz {
namespace {

constexpr size_t kChecksumOffset = offsetof(format::RegionTableHeader, checksum);
const Place kPlace{"fuzz.vhdx", format::kRegionTableOffsets[0]};

void TryEncode(const std::vector<RegionInfo>& regions) {
  Findings findings;
  const auto encoded = format::EncodeRegionTable(regions);
  Expect(encoded.has_value(), "regions that were accepted can be written");
  const auto again = format::ParseRegionTable(*encoded, kPlace, findings);
  Expect(again && *again && findings.kept().empty(), "a table that was written is clean");
  Expect((*again)->regions == regions, "it comes back as it was written");
}

void ExpectApart(const std::vector<RegionInfo>& regions, FileRange log) {
  std::vector<FileRange> ranges = {{0, format::kHeaderSectionSize}};
  if (log.length_bytes != 0) ranges.push_back(log);
  for (const RegionInfo& region : regions) {
    ranges.push_back({region.file_offset, region.length_bytes});
  }
  std::ranges::sort(ranges);
  for (size_t i = 1; i < ranges.size(); ++i) {
    Expect(ranges[i].file_offset - ranges[i - 1].file_offset >= ranges[i - 1].length_bytes,
           "header section, log and regions that were accepted lie apart");
  }
}

void TryTable(Input input) {
  const auto around = input.Take<RegionTableInput>();
  const std::vector<std::byte> table = input.Take(format::kRegionTableSize);
  Findings findings;
  const auto parsed = format::ParseRegionTable(table, kPlace, findings);
  if (!parsed) return ExpectHonest(parsed.error());
  Expect(parsed->has_value() || !findings.kept().empty(), "a table is not refused in silence");
  if (!*parsed) return;
  const std::vector<RegionInfo>& regions = (*parsed)->regions;
  Expect((*parsed)->checksum == Crc32cWithoutField(table, kChecksumOffset),
         "a table with a wrong checksum is invalid");
  Expect(regions.size() <= format::kMaxRegionCount, "a table has at most 2047 entries");

  // A log that the header's check lets through.
  const FileRange log{AlignDown(around.log_offset, format::kAlignment),
                      AlignDown(around.log_length, format::kAlignment)};
  if (log.length_bytes != 0 && (log.file_offset < format::kHeaderSectionSize ||
                                !FitsInside(log.file_offset, log.length_bytes, around.file_size))) {
    return;
  }
  std::vector<RegionStructure> placed = format::PlaceRegions(regions, kPlace);
  StructureVerdict verdict;
  Problems problems;
  format::CheckRegions(placed, log, around.file_size, kPlace, verdict, problems);
  const bool is_sound =
      !verdict.error && std::ranges::none_of(placed, [](const RegionStructure& region) {
        return region.verdict.error.has_value();
      });
  Expect(is_sound == !problems.refusal(), "what is refused is refused for one of its structures");
  if (problems.refusal()) return ExpectHonest(*problems.refusal());
  ExpectApart(regions, log);
  TryEncode(regions);
}

}  // namespace
}  // namespace vhdx::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  vhdx::fuzz::TryTable(vhdx::fuzz::Input(data, size));
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  using vhdx::fuzz::RegionTableInput;
  vhdx::fuzz::Choices choices(seed);
  const size_t new_size = LLVMFuzzerMutate(data, size, max_size);
  constexpr size_t kLeast = sizeof(RegionTableInput) + sizeof(vhdx::format::RegionTableHeader);
  if (choices.LeavesChecksums() || new_size < kLeast) return new_size;
  vhdx::fuzz::Input input(data, new_size);
  (void)input.Take<RegionTableInput>();
  const std::vector<std::byte> table = input.Take(vhdx::format::kRegionTableSize);
  const vhdx::le32 checksum = vhdx::Crc32cWithoutField(table, vhdx::fuzz::kChecksumOffset);
  std::memcpy(data + sizeof(RegionTableInput) + vhdx::fuzz::kChecksumOffset, &checksum,
              sizeof(checksum));
  return new_size;
}
