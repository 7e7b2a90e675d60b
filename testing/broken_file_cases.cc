// The file as a whole: its signature, its length, the space between its structures.

#include "format/layout.h"
#include "format/rules.h"
#include "testing/broken_cases.h"
#include "testing/hex.h"

namespace vhdx::testing::broken_file {
namespace {

BrokenCase OtherFile(std::string name, std::vector<std::byte> bytes, std::string outcome) {
  BrokenCase result;
  result.name = std::move(name);
  result.files = {{.path = "/vm/disk.vhdx", .bytes = std::move(bytes)}};
  result.refused = std::move(outcome);
  return result;
}

// A file that is something else, padded to 2 MiB.
BrokenCase OtherFormat(const std::string& name, std::string_view start) {
  std::vector<std::byte> bytes = BytesFromText(start);
  bytes.resize(2 * kMiB);
  return OtherFile("file/is " + name, std::move(bytes), At(rules::kFileSignature, 0));
}

// The first bytes of an image and nothing else.
BrokenCase CutTo(uint64_t length, const std::string& outcome,
                 std::vector<std::string> findings = {}) {
  ImageSpec spec = TwinImage();
  spec.file_size = length;
  return Refused("file/cut to " + std::to_string(length), spec, outcome, std::move(findings));
}

void AddSignatures(std::vector<BrokenCase>& cases) {
  for (const uint64_t byte : {0U, 3U, 7U}) {
    cases.push_back(Refused("file/signature byte " + std::to_string(byte),
                            Patched({PatchFill(byte, 1, std::byte{'!'})}),
                            At(rules::kFileSignature, 0)));
  }
  cases.push_back(OtherFile("file/empty", {}, At(rules::kFileSignature, 0)));
  cases.push_back(
      OtherFile("file/seven bytes", BytesFromText("vhdxfil"), At(rules::kFileSignature, 0)));
  cases.push_back(OtherFormat("a VHD", "conectix"));
  cases.push_back(OtherFormat("a qcow2", "QFI\xfb"));
  cases.push_back(OtherFormat("a VMDK", "KDMV"));
  cases.push_back(OtherFormat("a VDI", "<<< Oracle VM VirtualBox Disk Image >>>"));
  cases.push_back(OtherFormat("zeros", ""));
}

void AddCuts(std::vector<BrokenCase>& cases) {
  const ImageLayout layout = PlanLayout(TwinImage());
  const std::string no_log = At(rules::kHeaderLogRange, 0x20000 + 68);
  const std::string no_bat = At(rules::kRegionBeyondEof, layout.RegionEntryOffset(0));
  const std::string no_metadata = At(rules::kRegionBeyondEof, layout.RegionEntryOffset(1));
  const std::string no_header = At(rules::kHeaderNone, 0x10000);
  const std::string no_region_table = At(rules::kRegionNone, 0x30000);
  const auto truncated = [&](uint64_t length, std::vector<std::string> findings) {
    cases.push_back(CutTo(length, At(rules::kFileTruncated, length), std::move(findings)));
  };
  for (const uint64_t length : {uint64_t{8}, uint64_t{520}, 64 * kKiB}) {
    truncated(length, {no_header, no_region_table});
  }
  truncated(68 * kKiB, {At(rules::kHeaderLogRange, 0x10000 + 68), no_region_table});
  truncated(kMiB - 1, {no_log, no_bat, no_metadata});
  // The header section alone: the log is the first thing that is missing.
  cases.push_back(CutTo(kMiB, no_log, {no_bat, no_metadata}));
  cases.push_back(CutTo(2 * kMiB - 1, no_log, {no_bat, no_metadata}));
  cases.push_back(CutTo(2 * kMiB, no_bat, {no_metadata}));
  cases.push_back(CutTo(4 * kMiB - 1, no_bat));
}

void AddReservedBytes(std::vector<BrokenCase>& cases) {
  const auto filled = [&](const std::string& what, uint64_t offset, uint64_t length) {
    cases.push_back(
        Opens("file/bytes " + what, Patched({PatchFill(offset, length, std::byte{0xEE})})));
  };
  filled("behind the identifier", 520, 64 * kKiB - 520);
  filled("behind header 1", 0x11000, 0xF000);
  filled("behind header 2", 0x21000, 0xF000);
  filled("behind the region tables", 0x50000, kMiB - 0x50000);
  filled("of the creator", 8, 512);
  ImageSpec spec = TwinImage();
  spec.creator = "";
  cases.push_back(Opens("file/creator empty", spec));
  spec.creator = std::string(256, 'c');
  cases.push_back(Opens("file/creator without an end", spec));
}

void AddSpace(std::vector<BrokenCase>& cases) {
  const uint64_t end = PlanLayout(TwinImage()).end;
  for (const uint64_t more : {uint64_t{1}, uint64_t{512}, kMiB, 64 * kMiB}) {
    ImageSpec spec = TwinImage();
    spec.file_size = end + more;
    cases.push_back(
        Opens("space/tail of " + std::to_string(more), spec, {At(rules::kSpaceTail, end)}));
  }
  ImageSpec gap = TwinImage();
  gap.first_block_offset = 7 * kMiB;
  cases.push_back(Opens("space/leak behind the regions", gap, {At(rules::kSpaceFree, 4 * kMiB)}));
  ImageSpec gaps = TwinImage();
  gaps.blocks = {FullBlock(0, 6 * kMiB), FullBlock(2, 9 * kMiB), FullBlock(7, 8 * kMiB)};
  cases.push_back(Opens("space/leaks between blocks", gaps,
                        {At(rules::kSpaceFree, 4 * kMiB), At(rules::kSpaceFree, 7 * kMiB)}));
  ImageSpec reversed = TwinImage();
  reversed.blocks = {FullBlock(0, 6 * kMiB), FullBlock(2, 5 * kMiB), FullBlock(7, 4 * kMiB)};
  cases.push_back(Opens("space/blocks in reverse order", reversed));
  // An unknown region and a bitmap count as used.
  ImageSpec unknown = TwinImage();
  unknown.regions.push_back(
      {.guid = TestGuid(70), .file_offset = 4 * kMiB, .length_bytes = 3 * kMiB, .required = 0});
  cases.push_back(Opens("space/unknown region", unknown));
}

}  // namespace

std::vector<BrokenCase> Cases() {
  std::vector<BrokenCase> cases;
  cases.push_back(Opens("file/the twin", TwinImage()));
  AddSignatures(cases);
  AddCuts(cases);
  AddReservedBytes(cases);
  AddSpace(cases);
  return cases;
}

}  // namespace vhdx::testing::broken_file
