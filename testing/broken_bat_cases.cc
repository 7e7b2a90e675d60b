// The entries of the BAT, and the places in the file that they name.

#include "format/layout.h"
#include "format/rules.h"
#include "testing/broken_cases.h"

namespace vhdx::testing::broken_bat {
namespace {

using format::PayloadState;

// The block of the twin that most cases make something odd of; it has no entry there.
constexpr uint64_t kBlock = 5;

constexpr uint64_t kFarEnd = ((uint64_t{1} << 44) - 1) * kMiB;

std::string AtBlock(const Rule& rule, uint64_t block = kBlock) {
  return At(rule, PlanLayout(TwinImage()).PayloadEntryOffset(block));
}

uint64_t Entry(uint64_t state, uint64_t file_offset) { return file_offset | state; }

// The twin with any entry for that block.
ImageSpec WithEntry(uint64_t raw, uint64_t block = kBlock) {
  ImageSpec spec = TwinImage();
  spec.bat_entries = {{.index = PlanLayout(spec).PayloadEntryIndex(block), .raw = raw}};
  return spec;
}

// The block cannot be read; all else can.
BrokenCase Unreadable(const std::string& name, ImageSpec spec, const std::string& outcome,
                      std::vector<std::string> more_findings = {}) {
  std::vector<std::string> findings = {outcome};
  findings.insert(findings.end(), more_findings.begin(), more_findings.end());
  BrokenCase result = Opens("bat/" + name, std::move(spec), std::move(findings));
  result.unreadable = {{.block = kBlock, .outcome = outcome}};
  return result;
}

// It can be read, but nothing is said of what it holds.
BrokenCase Unchecked(const std::string& name, ImageSpec spec, std::vector<uint64_t> blocks,
                     std::vector<std::string> findings) {
  BrokenCase result = Opens("bat/" + name, std::move(spec), std::move(findings));
  result.unchecked_blocks = std::move(blocks);
  return result;
}

void AddStates(std::vector<BrokenCase>& cases) {
  const uint64_t end = PlanLayout(TwinImage()).end;
  for (const uint64_t state : {0U, 2U}) {
    for (const uint64_t offset : {kMiB, 4 * kMiB, end, kFarEnd}) {
      cases.push_back(
          Opens("bat/state " + std::to_string(state) + " with offset " + std::to_string(offset),
                WithEntry(Entry(state, offset)), {AtBlock(rules::kBatUnusedOffset)}));
    }
  }
  for (const uint64_t state : {1U, 3U, 5U}) {
    const std::string name = "state " + std::to_string(state);
    std::vector<std::string> always;
    if (state == 5) always = {AtBlock(rules::kBatStateOldUnmapped)};
    cases.push_back(Opens("bat/" + name, WithEntry(state), always));
    ImageSpec keeps = WithEntry(Entry(state, end));
    keeps.file_size = end + kMiB;
    keeps.late_patches = {PatchFill(end, kMiB, std::byte{0xEE})};  // never to be seen
    cases.push_back(Opens("bat/" + name + " that keeps its place", keeps, always));
    std::vector<std::string> overlaps = always;
    overlaps.push_back(AtBlock(rules::kBatAnchorOverlap));
    for (const auto& [where, offset] : {std::pair<std::string, uint64_t>{"on the log", kMiB},
                                        {"on the metadata", 2 * kMiB},
                                        {"on the BAT", 3 * kMiB},
                                        {"on a block", 4 * kMiB}}) {
      cases.push_back(
          Opens("bat/" + name + " " + where, WithEntry(Entry(state, offset)), overlaps));
    }
    std::vector<std::string> behind = always;
    behind.insert(behind.begin(), AtBlock(rules::kBatAnchorBeyondEof));
    for (const uint64_t offset : {end, kFarEnd}) {
      cases.push_back(Opens("bat/" + name + " behind the end, at " + std::to_string(offset),
                            WithEntry(Entry(state, offset)), behind));
    }
    ImageSpec across = WithEntry(Entry(state, end));
    across.file_size = end + kMiB / 2;
    behind.push_back(At(rules::kSpaceTail, end));
    cases.push_back(Opens("bat/" + name + " across the end", across, behind));
  }
  cases.push_back(Unreadable("state 4", WithEntry(Entry(4, 0)), AtBlock(rules::kBatState)));
  cases.push_back(
      Unreadable("state 4 with a place", WithEntry(Entry(4, 4 * kMiB)), AtBlock(rules::kBatState)));
  ImageSpec partial = TwinImage();
  partial.blocks.push_back(PartialBlock(kBlock, {{0, 2048}}));
  cases.push_back(
      Unreadable("state 7 without a parent", partial, AtBlock(rules::kBatPartialWithoutParent)));
  ImageSpec two_anchors = TwinImage();
  const uint64_t place = end;
  two_anchors.blocks.push_back(StateBlock(5, PayloadState::kUnmapped, place));
  two_anchors.blocks.push_back(StateBlock(6, PayloadState::kUndefined, place));
  two_anchors.file_size = end + kMiB;
  cases.push_back(Opens("bat/two unmapped blocks at one place", two_anchors,
                        {AtBlock(rules::kBatAnchorOverlap, 6)}));
}

void AddReservedBits(std::vector<BrokenCase>& cases) {
  for (const int bit : {3, 11, 19}) {
    for (const uint64_t state : {0U, 2U, 3U}) {
      cases.push_back(Opens("bat/bit " + std::to_string(bit) + " in state " + std::to_string(state),
                            WithEntry((uint64_t{1} << bit) | state),
                            {AtBlock(rules::kBatReserved)}));
    }
    ImageSpec present = TwinImage();
    present.blocks[0].reserved_bits = uint64_t{1} << bit;
    cases.push_back(Opens("bat/bit " + std::to_string(bit) + " of a block that is present", present,
                          {AtBlock(rules::kBatReserved, 0)}));
  }
  // More than are kept of one rule.
  ImageSpec many = DynamicImage({.disk_size = kGiB, .block_size = kMiB});
  std::vector<std::string> findings;
  const ImageLayout layout = PlanLayout(many);
  for (uint64_t block = 0; block < 1024; ++block) {
    many.bat_entries.push_back({.index = block, .raw = 8});
    if (block < 256) findings.push_back(At(rules::kBatReserved, layout.PayloadEntryOffset(block)));
  }
  BrokenCase flood = Opens("bat/bits of 1024 blocks", many, findings);
  cases.push_back(flood);
}

void AddPlaces(std::vector<BrokenCase>& cases) {
  const uint64_t end = PlanLayout(TwinImage()).end;
  cases.push_back(Unreadable("block at 0", WithEntry(Entry(6, 0)), AtBlock(rules::kBatOffset)));
  for (const auto& [where, offset] : {std::pair<std::string, uint64_t>{"at the end", end},
                                      {"behind the end", end + kMiB},
                                      {"far behind the end", uint64_t{1} << 50},
                                      {"at the end of 64 bits", kFarEnd}}) {
    cases.push_back(
        Unreadable("block " + where, WithEntry(Entry(6, offset)), AtBlock(rules::kBatBeyondEof)));
  }
  ImageSpec across = WithEntry(Entry(6, end));
  across.file_size = end + kMiB - 1;
  cases.push_back(Unreadable("block across the end", across, AtBlock(rules::kBatBeyondEof)));
  for (const auto& [what, offset] : {std::pair<std::string, uint64_t>{"the log", kMiB},
                                     {"the metadata", 2 * kMiB},
                                     {"the BAT", 3 * kMiB}}) {
    cases.push_back(
        Unreadable("block on " + what, WithEntry(Entry(6, offset)), AtBlock(rules::kBatOverlap)));
  }
  ImageSpec unknown = WithEntry(Entry(6, 4 * kMiB));
  unknown.regions.push_back({.guid = TestGuid(70), .file_offset = 4 * kMiB, .required = 0});
  cases.push_back(Unreadable("block on an unknown region", unknown, AtBlock(rules::kBatOverlap)));
  // Two claim one place: which of them is right, nobody knows.
  cases.push_back(Unchecked("block on a block", WithEntry(Entry(6, 4 * kMiB)), {0, kBlock},
                            {AtBlock(rules::kBatOverlap)}));
  cases.push_back(Unchecked("block on a block, which is found last",
                            WithEntry(Entry(6, 4 * kMiB), 1), {0, 1},
                            {AtBlock(rules::kBatOverlap, 1)}));
  ImageSpec halves = DynamicImage({.disk_size = 16 * kMiB, .block_size = 2 * kMiB});
  halves.blocks = {FullBlock(0, 4 * kMiB), FullBlock(1, 5 * kMiB)};
  halves.blocks[1].content = BlockContent::kZeros;
  cases.push_back(
      Unchecked("block on half of a block", halves, {0, 1}, {AtBlock(rules::kBatOverlap, 1)}));
  ImageSpec all_at_one = TwinImage();
  all_at_one.blocks.clear();
  std::vector<std::string> findings;
  for (uint64_t block = 0; block < 8; ++block) {
    all_at_one.blocks.push_back(FullBlock(block, 4 * kMiB));
  }
  all_at_one.file_size = 5 * kMiB;
  cases.push_back(Unchecked("all blocks at one place", all_at_one, {0, 1, 2, 3, 4, 5, 6, 7},
                            {AtBlock(rules::kBatOverlap, 1)}));
}

// QEMU's fixed disks end where the disk ends.
void AddCutShort(std::vector<BrokenCase>& cases) {
  ImageSpec spec = FixedImage({.disk_size = 7 * kMiB + 512, .block_size = 2 * kMiB});
  const ImageLayout layout = PlanLayout(spec);
  const uint64_t needed = layout.block_offsets.at(3) + kMiB + 512;
  const std::string entry = At(rules::kBatCutShort, layout.PayloadEntryOffset(3));
  for (const uint64_t size : {needed, needed + 1, layout.end - 1}) {
    spec.file_size = size;
    cases.push_back(Opens("bat/last block cut to " + std::to_string(size), spec, {entry}));
  }
  spec.file_size = needed - 1;
  BrokenCase shorter = Opens("bat/last block cut too short", spec,
                             {At(rules::kBatBeyondEof, layout.PayloadEntryOffset(3))});
  shorter.unreadable = {{.block = 3, .outcome = shorter.findings[0]}};
  cases.push_back(shorter);
}

void AddSlots(std::vector<BrokenCase>& cases) {
  // Entries past the last block, and the slots of bitmaps in a file that has none.
  const ImageLayout layout = PlanLayout(TwinImage());
  ImageSpec padding = TwinImage();
  for (const uint64_t index : {8U, 100U, 4095U, 4096U, 4097U, 131071U}) {
    padding.bat_entries.push_back({.index = index, .raw = ~uint64_t{0}});
  }
  cases.push_back(Opens("bat/noise behind the last entry", padding));
  for (const uint64_t raw : {uint64_t{6}, uint64_t{1}, 5 * kMiB | 6, ~uint64_t{0}}) {
    ImageSpec bitmap = DynamicImage({.disk_size = 5 * kGiB, .block_size = 256 * kMiB});
    bitmap.blocks = {FullBlock(15), FullBlock(16)};
    for (BlockSpec& block : bitmap.blocks) block.content = BlockContent::kEnds;
    const ImageLayout wide = PlanLayout(bitmap);
    bitmap.bat_entries = {{.index = wide.BitmapEntryIndex(0), .raw = raw}};
    cases.push_back(Opens("bat/bitmap entry " + std::to_string(raw) + " without a parent", bitmap,
                          {At(rules::kBitmapUnexpected, wide.BitmapEntryOffset(0))}));
  }
}

// Cases of a differencing image over the twin, with a partially present block 5.
class ChildCase {
 public:
  explicit ChildCase(const std::string& name) {
    ImageSpec child = ChildOf(TwinImage(), ".\\base.vhdx");
    child.blocks = {FullBlock(1), PartialBlock(kBlock, {{3, 4}}), PartialBlock(6, {{0, 1}})};
    case_ = Opens("bat/" + name, child);
    case_.files.push_back({.path = "/vm/base.vhdx", .spec = TwinImage()});
    case_.chain_length = 2;
  }

  ImageSpec& spec() { return case_.files[0].spec; }
  ImageLayout layout() { return PlanLayout(spec()); }

  void SetBitmapEntry(uint64_t raw) {
    spec().bat_entries.push_back({.index = layout().BitmapEntryIndex(0), .raw = raw});
  }
  std::string AtBitmap(const Rule& rule) { return At(rule, layout().BitmapEntryOffset(0)); }
  std::string AtPayload(const Rule& rule, uint64_t block) {
    return At(rule, layout().PayloadEntryOffset(block));
  }
  void Find(const std::string& finding) { case_.findings.push_back(finding); }
  void Block(uint64_t block, const std::string& outcome) {
    case_.unreadable.push_back({.block = block, .outcome = outcome});
  }
  // Neither partially present block can be read.
  void BlockBoth(const std::string& outcome) {
    Block(kBlock, outcome);
    Block(6, outcome);
  }
  // A bitmap that is not used leaves its space behind.
  void LoseBitmap() { Find(At(rules::kSpaceFree, layout().bitmap_offsets.at(0))); }
  void Skip(uint64_t block) { case_.unchecked_blocks.push_back(block); }
  BrokenCase Done() { return case_; }

 private:
  BrokenCase case_;
};

void AddBitmaps(std::vector<BrokenCase>& cases) {
  cases.push_back(ChildCase("bitmap that is right").Done());
  ChildCase absent("bitmap that is absent");
  absent.SetBitmapEntry(0);
  for (const uint64_t block : {kBlock, uint64_t{6}}) {
    const std::string outcome = absent.AtPayload(rules::kBatPartialWithoutBitmap, block);
    absent.Find(outcome);
    absent.Block(block, outcome);
  }
  absent.LoseBitmap();
  cases.push_back(absent.Done());
  for (const uint64_t state : {1U, 2U, 3U, 4U, 5U, 7U}) {
    ChildCase odd("bitmap in state " + std::to_string(state));
    odd.SetBitmapEntry(odd.layout().bitmap_offsets.at(0) | state);
    odd.Find(odd.AtBitmap(rules::kBitmapState));
    odd.BlockBoth(odd.AtBitmap(rules::kBitmapState));
    odd.LoseBitmap();
    cases.push_back(odd.Done());
  }
  for (const uint64_t offset : {uint64_t{0}, uint64_t{1} << 40, kFarEnd}) {
    ChildCase odd("bitmap at " + std::to_string(offset));
    odd.SetBitmapEntry(offset | 6);
    odd.Find(odd.AtBitmap(rules::kBitmapRange));
    odd.BlockBoth(odd.AtBitmap(rules::kBitmapRange));
    odd.LoseBitmap();
    cases.push_back(odd.Done());
  }
  for (const auto& [what, offset] : {std::pair<std::string, uint64_t>{"the log", kMiB},
                                     {"the metadata", 2 * kMiB},
                                     {"the BAT", 3 * kMiB}}) {
    ChildCase odd("bitmap on " + what);
    odd.SetBitmapEntry(offset | 6);
    odd.Find(odd.AtBitmap(rules::kBitmapOverlap));
    odd.BlockBoth(odd.AtBitmap(rules::kBitmapOverlap));
    odd.LoseBitmap();
    cases.push_back(odd.Done());
  }
  // On the child's block 1, whose bytes are then taken for bits.
  ChildCase on_block("bitmap on a block");
  on_block.SetBitmapEntry(on_block.layout().block_offsets.at(1) | 6);
  on_block.Find(on_block.AtBitmap(rules::kBitmapOverlap));
  on_block.LoseBitmap();
  on_block.Skip(kBlock);
  on_block.Skip(6);
  cases.push_back(on_block.Done());
  ChildCase bits("bitmap with reserved bits");
  bits.SetBitmapEntry(bits.layout().bitmap_offsets.at(0) | 8 | 6);
  bits.Find(bits.AtBitmap(rules::kBatReserved));
  cases.push_back(bits.Done());
  ChildCase unused("absent bitmap with an offset");
  unused.spec().blocks = {FullBlock(1)};
  unused.SetBitmapEntry(4 * kMiB);
  unused.Find(unused.AtBitmap(rules::kBatUnusedOffset));
  cases.push_back(unused.Done());
  ChildCase idle("bitmap that nobody needs");
  idle.spec().blocks = {FullBlock(1)};
  idle.spec().bitmaps = {{.chunk = 0, .other_bits = std::byte{0xFF}}};
  cases.push_back(idle.Done());
  ChildCase noise("bits of other blocks");
  noise.spec().bitmaps = {{.chunk = 0, .other_bits = std::byte{0xFF}}};
  cases.push_back(noise.Done());
  // A bitmap that is refused concerns only blocks that need it.
  ChildCase elsewhere("bitmap of another chunk in state 1");
  elsewhere.spec().parameters.virtual_disk_size_bytes = 5 * kGiB;
  elsewhere.spec().bat_entries = {{.index = elsewhere.layout().BitmapEntryIndex(1), .raw = 1}};
  elsewhere.Find(At(rules::kBitmapState, elsewhere.layout().BitmapEntryOffset(1)));
  cases.push_back(elsewhere.Done());
}

void AddBatLengthsOfChildren(std::vector<BrokenCase>& cases) {
  // A differencing file must have an entry for every bitmap.
  const auto with_blocks = [](const std::string& name, uint64_t blocks) {
    ImageSpec base = DynamicImage({.disk_size = blocks * kMiB, .block_size = kMiB});
    ImageSpec child = ChildOf(base, ".\\base.vhdx");
    child.regions[0].length_bytes = kMiB;
    BrokenCase result = Opens(name, child);
    result.files.push_back({.path = "/vm/base.vhdx", .spec = base});
    result.chain_length = 2;
    return result;
  };
  cases.push_back(with_blocks("bat/region of a child just long enough", 126976));
  BrokenCase longer = with_blocks("bat/region of a child without its last bitmap", 126977);
  longer.refused = At(rules::kBatRegionLength, 0x30000);
  cases.push_back(longer);
}

}  // namespace

std::vector<BrokenCase> Cases() {
  std::vector<BrokenCase> cases;
  AddStates(cases);
  AddReservedBits(cases);
  AddPlaces(cases);
  AddCutShort(cases);
  AddSlots(cases);
  AddBitmaps(cases);
  AddBatLengthsOfChildren(cases);
  return cases;
}

}  // namespace vhdx::testing::broken_bat
