// Parents: where they are, whether they are the right ones, how chains are read.

#include "format/layout.h"
#include "format/parent_locator.h"
#include "format/rules.h"
#include "testing/broken_cases.h"
#include "testing/hex.h"

namespace vhdx::testing::broken_chain {
namespace {

using format::PayloadState;

// Nothing says where in the file a parent that is not there is missing.
std::string Without(const Rule& rule) { return std::string(rule.id); }

BrokenCase Chain(const std::string& name, std::vector<CaseFile> files,
                 std::vector<std::string> findings = {}) {
  BrokenCase result{.name = "chain/" + name, .files = std::move(files)};
  result.findings = std::move(findings);
  result.chain_length = result.files.size();
  return result;
}

BrokenCase RefusedChain(const std::string& name, std::vector<CaseFile> files, std::string outcome,
                        std::vector<std::string> findings = {}) {
  BrokenCase result = Chain(name, std::move(files), std::move(findings));
  result.refused = std::move(outcome);
  return result;
}

// The twin's child with that path to its parent.
CaseFile ChildWithPath(std::string_view key, std::string_view path) {
  CaseFile child{.path = "/vm/disk.avhdx", .spec = TwinChild()};
  child.spec.locator->entries[1] = LocatorEntry(key, path);
  return child;
}
CaseFile Child(std::string_view relative_path = ".\\base.vhdx") {
  return ChildWithPath(format::kRelativePathKey, relative_path);
}
CaseFile Base(std::string path = "/vm/base.vhdx") {
  return {.path = std::move(path), .spec = TwinImage()};
}
// A file that looks like the parent and has another identity.
CaseFile Mismatch(std::string path) {
  CaseFile file = Base(std::move(path));
  file.spec.data_write_guid = TestGuid(95);
  return file;
}

void AddPaths(std::vector<BrokenCase>& cases) {
  for (const char* path : {"base.vhdx", ".\\base.vhdx", "./base.vhdx", ".\\.\\base.vhdx",
                           "..\\vm\\base.vhdx", ".\\BASE.VHDX"}) {
    cases.push_back(Chain("relative path " + std::string(path), {Child(path), Base()}));
  }
  cases.push_back(
      Chain("parent in a folder below", {Child("old\\base.vhdx"), Base("/vm/old/base.vhdx")}));
  for (const char* path : {"C:\\vm\\base.vhdx", "\\\\?\\C:\\vm\\base.vhdx",
                           "\\\\?\\UNC\\server\\share\\base.vhdx", "D:\\elsewhere\\base.vhdx"}) {
    cases.push_back(Chain("absolute path " + std::string(path),
                          {ChildWithPath(format::kAbsoluteWin32PathKey, path), Base()}));
  }
  cases.push_back(Chain(
      "volume path",
      {ChildWithPath(format::kVolumePathKey, "\\\\?\\Volume{00112233}\\vm\\base.vhdx"), Base()}));
  cases.push_back(
      Chain("parent under another name", {Child(".\\gone.vhdx"), Base("/vm/renamed.vhdx")}));
  BrokenCase decoy = Chain("identity mismatch under the parent's name",
                           {Child(), Base("/vm/renamed.vhdx"), Mismatch("/vm/base.vhdx")});
  decoy.chain_length = 2;
  cases.push_back(decoy);
  BrokenCase elsewhere =
      Chain("parent in a folder that was allowed", {Child(), Base("/parents/base.vhdx")});
  elsewhere.options.search.folders = {"/parents"};
  cases.push_back(elsewhere);
  BrokenCase anywhere =
      Chain("parent anywhere", {Child("..\\parents\\base.vhdx"), Base("/parents/base.vhdx")});
  anywhere.options.search.anywhere = true;
  cases.push_back(anywhere);
}

void AddMissing(std::vector<BrokenCase>& cases) {
  const std::string missing = Without(rules::kParentMissing);
  const std::string linkage = Without(rules::kParentLinkage);
  cases.push_back(RefusedChain("no parent", {Child()}, missing));
  cases.push_back(RefusedChain(
      "parent outside", {Child("..\\parents\\base.vhdx"), Base("/parents/base.vhdx")}, missing));
  cases.push_back(
      RefusedChain("identity mismatch alone", {Child(), Mismatch("/vm/base.vhdx")}, linkage));
  cases.push_back(RefusedChain(
      "parent that is no VHDX",
      {Child(), {.path = "/vm/base.vhdx", .bytes = std::vector<std::byte>(2 * kMiB)}}, missing));
  CaseFile headless = Base();
  headless.spec.late_patches = {PatchFill(0x10000, 8, std::byte{0}),
                                PatchFill(0x20000, 8, std::byte{0})};
  cases.push_back(RefusedChain("parent without a header", {Child(), headless}, missing));
  // DataWriteGuid changed by somebody who wrote to the parent.
  CaseFile written = Base();
  written.spec.headers[1].data_write_guid = TestGuid(96);
  cases.push_back(RefusedChain("parent that was written to", {Child(), written}, linkage));
  // Only the current header counts, even if the other one would fit.
  CaseFile older = Mismatch("/vm/base.vhdx");
  older.spec.headers[0].data_write_guid = TwinImage().data_write_guid;
  cases.push_back(RefusedChain("parent by its older header", {Child(), older}, linkage));
}

void AddBrokenParents(std::vector<BrokenCase>& cases) {
  const ImageLayout layout = PlanLayout(TwinImage());
  CaseFile base = Base();
  base.spec.patches = {PatchFill(layout.metadata.file_offset, 8, std::byte{0})};
  cases.push_back(RefusedChain("parent without metadata", {Child(), base},
                               At(rules::kMetadataSignature, layout.metadata.file_offset)));
  base = Base();
  base.spec.headers[0].sequence_number = base.spec.headers[1].sequence_number = 3;
  cases.push_back(Chain("parent with equal headers", {Child(), base},
                        {At(rules::kHeaderSequenceEqual, 0x10008)}));
  base = Base();
  base.spec.log.log_guid = TestGuid(9);
  base.spec.log.entries = {{.writes = {MovedPage(layout.bat.file_offset)}}};
  cases.push_back(Chain("parent with a dirty log", {Child(), base}, {At(rules::kLogDirty, kMiB)}));
  base = Base();
  base.spec.blocks = {StateBlock(0, PayloadState::kReserved), FullBlock(2), FullBlock(7)};
  BrokenCase reserved = Chain("parent with a block in state 4", {Child(), base},
                              {At(rules::kBatState, layout.PayloadEntryOffset(0))});
  reserved.unchecked_blocks = {0};  // partially present in the child
  cases.push_back(reserved);

  CaseFile sectors = Base();
  sectors.spec.parameters.logical_sector_size = 4096;
  cases.push_back(RefusedChain("parent with other sectors", {Child(), sectors},
                               At(rules::kParentSectorSize, layout.metadata.file_offset)));
  CaseFile physical = Base();
  physical.spec.parameters.physical_sector_size = 512;
  cases.push_back(Chain("parent with other physical sectors", {Child(), physical}));
}

void AddLoops(std::vector<BrokenCase>& cases) {
  CaseFile self = Child(".\\disk.avhdx");
  self.spec.data_write_guid = TwinImage().data_write_guid;
  cases.push_back(RefusedChain("its own parent", {self}, At(rules::kParentLoop, 0)));
  CaseFile first = Child(".\\second.avhdx");
  first.spec.locator->entries[0] =
      LocatorEntry(format::kParentLinkageKey, LinkageText(TestGuid(97)));
  CaseFile second = Child(".\\disk.avhdx");
  second.path = "/vm/second.avhdx";
  second.spec.data_write_guid = TestGuid(97);
  second.spec.locator->entries[0] =
      LocatorEntry(format::kParentLinkageKey, LinkageText(first.spec.data_write_guid));
  cases.push_back(RefusedChain("parents in a circle", {first, second}, At(rules::kParentLoop, 0)));
}

// `depth` images, the leaf first.
std::vector<CaseFile> Stack(size_t depth) {
  std::vector<CaseFile> files = {Base()};
  while (files.size() < depth) {
    const CaseFile& parent = files.front();
    const std::string name = "layer" + std::to_string(files.size()) + ".avhdx";
    CaseFile child{
        .path = "/vm/" + name,
        .spec = ChildOf(parent.spec, ".\\" + parent.path.substr(std::string("/vm/").size()))};
    const uint64_t block = files.size() % 8;
    child.spec.blocks = {PartialBlock(block, {{files.size() * 8, 8}})};
    files.insert(files.begin(), std::move(child));
  }
  return files;
}

void AddDepths(std::vector<BrokenCase>& cases) {
  for (const size_t depth : {1U, 2U, 5U, 20U}) {
    cases.push_back(Chain("depth " + std::to_string(depth), Stack(depth)));
  }
  BrokenCase just = Chain("depth as deep as allowed", Stack(3));
  just.options.max_chain_depth = 3;
  cases.push_back(just);
  BrokenCase deeper =
      RefusedChain("depth deeper than allowed", Stack(3), At(rules::kParentDepth, 0));
  deeper.options.max_chain_depth = 2;
  cases.push_back(deeper);
}

void AddShapes(std::vector<BrokenCase>& cases) {
  const auto pair = [&](const std::string& name, ImageSpec base, ImageSpec child) {
    cases.push_back(Chain(name, {{.path = "/vm/disk.avhdx", .spec = std::move(child)},
                                 {.path = "/vm/base.vhdx", .spec = std::move(base)}}));
  };
  const ImageSpec twin = TwinImage();
  ImageSpec larger = ChildOf(twin, "base.vhdx", {.disk_size = 12 * kMiB + 512});
  larger.blocks = {PartialBlock(8, {{0, 4}}), FullBlock(12)};
  pair("child larger than its parent", twin, larger);
  ImageSpec smaller = ChildOf(twin, "base.vhdx", {.disk_size = 2 * kMiB + 512});
  smaller.blocks = {PartialBlock(2, {{1, 1}})};
  pair("child smaller than its parent", twin, smaller);
  ImageSpec odd = DynamicImage({.disk_size = 7 * kMiB + 512, .block_size = kMiB});
  odd.blocks = {FullBlock(0), FullBlock(7)};
  ImageSpec over_odd = ChildOf(odd, "base.vhdx", {.disk_size = 8 * kMiB});
  over_odd.blocks = {PartialBlock(7, {{3, 3}})};
  pair("parent that ends inside a block", odd, over_odd);

  for (const uint64_t block_size : {2U, 4U, 32U, 256U}) {
    ImageSpec child = ChildOf(twin, "base.vhdx", {.block_size = block_size * kMiB});
    child.blocks = {PartialBlock(0, {{5, 100}})};
    child.blocks[0].content = BlockContent::kEnds;
    pair("child with blocks of " + std::to_string(block_size) + " MiB", twin, child);
  }
  ImageSpec coarse = DynamicImage({.disk_size = 8 * kMiB, .block_size = 4 * kMiB});
  coarse.blocks = {FullBlock(1)};
  ImageSpec fine = ChildOf(coarse, "base.vhdx", {.block_size = kMiB});
  fine.blocks = {PartialBlock(4, {{0, 1}, {2, 1}, {4, 1}}), ZeroBlock(5)};
  pair("parent with larger blocks", coarse, fine);
  for (const bool fixed : {false, true}) {
    const DiskShape shape{.disk_size = 8 * kMiB, .block_size = kMiB, .logical_sector_size = 4096};
    ImageSpec base = fixed ? FixedImage(shape) : DynamicImage(shape);
    if (!fixed) base.blocks = {FullBlock(0), FullBlock(7)};
    ImageSpec child = ChildOf(base, "base.vhdx");
    child.blocks = {PartialBlock(0, {{0, 1}, {255, 1}}), PartialBlock(3, {{8, 8}})};
    pair(fixed ? "fixed parent with 4096-byte sectors" : "4096-byte sectors", base, child);
  }
  // The second chunk of a bitmap: 16 blocks of 256 MiB to a chunk.
  ImageSpec wide = DynamicImage({.disk_size = 9 * kGiB, .block_size = 256 * kMiB});
  ImageSpec over_wide = ChildOf(wide, "base.vhdx");
  over_wide.blocks = {PartialBlock(15, {{0, 64}}), PartialBlock(16, {{1, 3}}),
                      PartialBlock(32, {{127, 1}})};
  wide.blocks = {FullBlock(15), FullBlock(16), FullBlock(35)};
  for (ImageSpec* spec : {&wide, &over_wide}) {
    for (BlockSpec& block : spec->blocks) block.content = BlockContent::kEnds;
  }
  pair("chunks of 16 blocks", wide, over_wide);
}

void AddStates(std::vector<BrokenCase>& cases) {
  for (const PayloadState state :
       {PayloadState::kNotPresent, PayloadState::kUndefined, PayloadState::kZero,
        PayloadState::kUnmapped, PayloadState::kOldUnmapped, PayloadState::kFullyPresent}) {
    CaseFile child = Child();
    child.spec.blocks = {StateBlock(0, state), PartialBlock(2, {{7, 1}}), StateBlock(7, state)};
    if (state == PayloadState::kFullyPresent) {
      child.spec.blocks[0] = FullBlock(0);
      child.spec.blocks[2] = FullBlock(7);
    }
    // Bits of blocks that are not partially present mean nothing.
    child.spec.bitmaps = {{.chunk = 0, .other_bits = std::byte{0xFF}}};
    const ImageLayout layout = PlanLayout(child.spec);
    std::vector<std::string> findings;
    if (state == PayloadState::kOldUnmapped) {
      findings = {At(rules::kBatStateOldUnmapped, layout.PayloadEntryOffset(0)),
                  At(rules::kBatStateOldUnmapped, layout.PayloadEntryOffset(7))};
    }
    cases.push_back(Chain("block of a child in state " + std::to_string(static_cast<int>(state)),
                          {child, Base()}, findings));
  }
  for (const auto& [name, runs] :
       {std::pair<std::string, std::vector<SectorRun>>{"no sector", {}},
        {"every sector", {{0, 2048}}},
        {"the first sector", {{0, 1}}},
        {"the last sector", {{2047, 1}}},
        {"sectors around words of the bitmap", {{7, 2}, {63, 2}, {127, 130}, {1023, 2}}}}) {
    CaseFile child = Child();
    child.spec.blocks = {PartialBlock(0, runs), PartialBlock(1, runs), PartialBlock(7, runs)};
    cases.push_back(Chain("partial block with " + name, {child, Base()}));
  }
  std::vector<SectorRun> alternate;
  for (uint64_t sector = 0; sector < 2048; sector += 2) alternate.push_back({sector, 1});
  CaseFile child = Child();
  child.spec.blocks = {PartialBlock(0, alternate), PartialBlock(2, alternate)};
  cases.push_back(Chain("partial block with every other sector", {child, Base()}));
  CaseFile dirty = Child();
  dirty.spec.blocks = {PartialBlock(0, {{1, 5}}), PartialBlock(7, {{100, 1}})};
  dirty.spec.log.log_guid = TestGuid(9);
  const ImageLayout layout = PlanLayout(dirty.spec);
  dirty.spec.log.entries = {
      {.writes = {MovedPage(layout.bitmap_offsets.at(0), std::byte{0xFF}),
                  MovedPage(layout.bat.file_offset), MovedPage(layout.bat.file_offset + 0x8000)}}};
  cases.push_back(
      Chain("bitmap and BAT in the log", {dirty, Base()}, {At(rules::kLogDirty, kMiB)}));
}

}  // namespace

std::vector<BrokenCase> Cases() {
  std::vector<BrokenCase> cases;
  AddPaths(cases);
  AddMissing(cases);
  AddBrokenParents(cases);
  AddLoops(cases);
  AddDepths(cases);
  AddShapes(cases);
  AddStates(cases);
  return cases;
}

}  // namespace vhdx::testing::broken_chain
