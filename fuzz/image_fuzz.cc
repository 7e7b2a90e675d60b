// Whole images: open, inspect, check, walk, read, dump, through the public interface. Input: one to
// three sparse files (sparse_input.h): an image, its parent, its grandparent.

#include <vhdxkit/check.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/dump.h>
#include <vhdxkit/image_tree.h>
#include <vhdxkit/inspect.h>
#include <vhdxkit/statistics.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/zeros.h"
#include "fuzz/expect.h"
#include "fuzz/input.h"
#include "fuzz/placed_files.h"
#include "testing/memory_file.h"
#include "testing/memory_file_system.h"

namespace vhdx::fuzz {
namespace {

using testing::MemoryFileSystem;

// How much of a disk is looked at, from each of some places on.
constexpr size_t kExtentsAtOnce = 48;
constexpr uint64_t kMaxRead = 16 * kKiB;
constexpr size_t kMaxVisits = 4096;

// Ends a visit after a while, with an error that must come back.
class VisitLimit {
 public:
  Result<void> Count() {
    if (++visits_ < kMaxVisits) return {};
    return Fail(ErrorCode::kCancelled, "seen enough");
  }

  template <typename T>
  void ExpectKept(const Result<T>& visited) const {
    const bool cancelled = !visited && visited.error().code == ErrorCode::kCancelled;
    Expect(cancelled == (visits_ >= kMaxVisits), "a visitor's error ends the visit and comes back");
    if (!visited && !cancelled) ExpectHonest(visited.error());
  }

 private:
  size_t visits_ = 0;
};

// One image, without its parents.
class ImageTrial {
 public:
  ImageTrial(MemoryFileSystem& files, std::string path) : files_(files), path_(std::move(path)) {}

  /// What the image says of itself, if it can be read.
  std::optional<Inspection> Run() {
    auto inspected = Inspect(files_, path_);
    auto dump = ImageDump::Open(files_, path_);
    const auto blocks = CountBlocks(files_, path_);
    Expect(inspected.has_value() == blocks.has_value(),
           "every way to open an image comes to the same result");
    if (blocks) ExpectCounts(*blocks);
    if (dump) {
      Dump(**dump);
      ExpectVerdicts((*dump)->structures());
      const auto& refusal = (*dump)->structures().error;
      Expect(refusal.has_value() == !blocks, "an image opens if none of its structures is refused");
      Expect(!refusal || blocks.error().rule == refusal->rule, "for the same reason");
    } else {
      Expect(!blocks && dump.error().rule == "file.signature",
             "only a file that is no image at all is not dumped");
      Expect(blocks.error().rule == dump.error().rule, "for the same reason");
    }
    if (!inspected) {
      ExpectHonest(inspected.error());
      return std::nullopt;
    }
    ExpectParentState(*inspected);
    return *std::move(inspected);
  }

 private:
  void Dump(ImageDump& dump) {
    const ImageStructures& image = dump.structures();
    for (const MetadataItemStructure& item : image.metadata.items) {
      const auto bytes = dump.ReadItem(item);
      if (bytes) {
        Expect(bytes->size() == item.info.length_bytes, "an item is read completely");
      } else {
        Expect(image.error.has_value(), "items of an image that opens lie in the file");
        ExpectHonest(bytes.error());
      }
    }
    VisitLimit log_limit;
    log_limit.ExpectKept(dump.VisitLog([&](const LogEntryDump&) { return log_limit.Count(); }));
    VisitLimit bat_limit;
    bat_limit.ExpectKept(dump.VisitBat([&](const BatEntryInfo& entry) {
      const bool is_known = entry.kind != BatEntryInfo::Kind::kUnknown;
      Expect(is_known == image.bat.geometry_known,
             "the purpose of an entry is known if the geometry is");
      Expect(entry.raw != 0 && entry.state_name.empty() == !is_known,
             "entries that say something are dumped");
      return bat_limit.Count();
    }));
    VisitLimit bitmap_limit;
    bitmap_limit.ExpectKept(
        dump.VisitBitmaps([&](const BitmapDump&) { return bitmap_limit.Count(); }));
  }

  static void ExpectVerdict(const StructureVerdict& verdict) {
    if (verdict.error) ExpectHonest(*verdict.error);
    for (const Finding& finding : verdict.findings) {
      Expect(finding.rule != nullptr && !finding.sentence.empty(), "a finding has a sentence");
    }
  }

  // What is refused is refused for a structure that says so; a copy that is current is valid.
  static void ExpectVerdicts(const ImageStructures& image) {
    std::vector<const StructureVerdict*> verdicts = {&image.file,
                                                     &image.identifier.verdict,
                                                     &image.header_pair,
                                                     &image.log.verdict,
                                                     &image.region_table_pair,
                                                     &image.metadata.verdict,
                                                     &image.locator.verdict,
                                                     &image.bat.verdict};
    const auto add_all = [&](const auto& structures) {
      for (const auto& structure : structures) verdicts.push_back(&structure.verdict);
    };
    add_all(image.headers);
    add_all(image.region_tables);
    for (const RegionTableStructure& table : image.region_tables) add_all(table.regions);
    add_all(image.metadata.items);
    add_all(image.locator.entries);
    bool is_refused = false;
    for (const StructureVerdict* verdict : verdicts) {
      ExpectVerdict(*verdict);
      is_refused = is_refused || verdict->error.has_value();
    }
    Expect(image.error.has_value() == is_refused, "an image is refused for one of its structures");
    Expect(!image.current_header || image.headers[*image.current_header].valid,
           "the current header is valid");
    Expect(!image.bat.geometry_known || image.metadata.sound, "the metadata says what blocks are");
  }

  static void ExpectCounts(const BlockStatistics& blocks) {
    Expect(blocks.not_present + blocks.present + blocks.partial + blocks.zero + blocks.unmapped +
                   blocks.undefined ==
               blocks.total,
           "every block is counted once");
    Expect(blocks.fragmented <= blocks.present + blocks.partial,
           "only blocks in the file are fragmented");
  }

  static void ExpectParentState(const Inspection& inspection) {
    const ImageInfo& image = inspection.image;
    Expect(image.parent_locator.has_value() == image.parameters.has_parent,
           "a differencing image, and no other, has a locator");
    Expect(inspection.parent.has_value() == image.parameters.has_parent,
           "a differencing image, and no other, has a parent");
    if (!inspection.parent) return;
    const bool resolved = !inspection.parent->resolved.empty();
    Expect(resolved == (inspection.parent->identity == ParentState::Identity::kOk),
           "a parent that was found has a path");
    Expect(!inspection.parent->attempts.empty(), "a search says where it looked");
  }

  MemoryFileSystem& files_;
  std::string path_;
};

// A disk with its parents, as a guest sees it.
class DiskTrial {
 public:
  explicit DiskTrial(Disk& disk) : disk_(disk) {}

  void Run() {
    const uint64_t size = disk_.size_bytes();
    for (const uint64_t start : {uint64_t{0}, size / 3, size - std::min(size, 3 * kMiB)}) {
      WalkFrom(start);
    }
    const auto minimum = MinimumSize(disk_);
    if (!minimum) return ExpectHonest(minimum.error());
    Expect(minimum->size_bytes.value_or(0) <= size, "a disk is no smaller than its smallest size");
  }

 private:
  void WalkFrom(uint64_t start) {
    DiskRange rest{start, disk_.size_bytes() - start};
    for (int calls = 0; calls < 2 && rest.length_bytes != 0; ++calls) {
      const auto extents = disk_.Extents(rest, kExtentsAtOnce);
      if (!extents) {
        ExpectHonest(extents.error());
        // Something further on is broken: what stands here may still be read.
        return TryRange({rest.disk_offset, std::min(rest.length_bytes, kMaxRead)});
      }
      const uint64_t end = ExpectInOrder(*extents, rest);
      for (const Extent& extent : *extents) TryExtent(extent);
      rest = {end, rest.end() - end};
    }
  }

  uint64_t ExpectInOrder(const std::vector<Extent>& extents, DiskRange range) {
    Expect(!extents.empty() && extents.size() <= kExtentsAtOnce, "a range has extents");
    uint64_t position = range.disk_offset;
    for (size_t i = 0; i < extents.size(); ++i) {
      const Extent& extent = extents[i];
      Expect(extent.range.disk_offset == position && extent.range.length_bytes > 0,
             "extents have no gaps");
      Expect(extent.depth < disk_.chain_length(), "extents come from a layer of the chain");
      Expect((extent.kind == ExtentKind::kData) == extent.place.has_value(),
             "data, and nothing else, is in a file");
      Expect(extent.present == (extent.kind != ExtentKind::kHole), "only a hole is not present");
      if (i > 0) Expect(!AreOne(extents[i - 1], extent), "adjacent equal extents are merged");
      position = extent.range.end();
    }
    Expect(position <= range.end(), "extents end with the range");
    // Or they end before something broken.
    if (position < range.end() && extents.size() < kExtentsAtOnce) {
      const auto rest = disk_.Extents({position, range.end() - position}, 1);
      Expect(!rest, "extents cover the range, or are as many as were asked for");
      ExpectHonest(rest.error());
    }
    return position;
  }

  static bool AreOne(const Extent& a, const Extent& b) {
    return a.kind == b.kind && a.depth == b.depth &&
           (!a.place || a.place->file_offset + a.range.length_bytes == b.place->file_offset);
  }

  // What an extent says is what is read: at its start, at its end, and across it.
  void TryExtent(const Extent& extent) {
    const uint64_t length = std::min(extent.range.length_bytes, kMaxRead / 4);
    ExpectBytes(extent, extent.range.disk_offset, length);
    ExpectBytes(extent, extent.range.end() - length, length);
    const uint64_t start = extent.range.end() - std::min<uint64_t>(extent.range.length_bytes, 700);
    TryRange({start, std::min<uint64_t>(1500, disk_.size_bytes() - start)});
  }

  void ExpectBytes(const Extent& extent, uint64_t disk_offset, uint64_t length) {
    const auto bytes = ReadTwice({disk_offset, length});
    Expect(bytes.has_value(), "what has extents can be read");
    if (extent.kind != ExtentKind::kData) {
      return Expect(IsAllZero(*bytes), "what is no data reads as zeros");
    }
    testing::MemoryFile shared(std::make_shared<testing::MemoryContents>(),
                               {.capabilities = {.writable = true, .clone_range = true}});
    Expect(disk_.CloneTo({disk_offset, length}, shared, 0).has_value(), "data can be shared");
    std::vector<std::byte> in_file(length);
    Expect(shared.ReadExactAt(0, in_file).has_value(), "what was shared is all there");
    Expect(in_file == *bytes, "what is shared is what is read");
  }

  // Reads and extents agree on whether a small range is sound.
  void TryRange(DiskRange range) {
    const auto bytes = ReadTwice(range);
    const auto extents = disk_.Extents(range, kMaxRead);
    const bool covered = extents && extents->back().range.end() == range.end();
    Expect(bytes.has_value() == covered, "a range can be read if it has extents");
    if (!bytes) ExpectHonest(bytes.error());
  }

  Result<std::vector<std::byte>> ReadTwice(DiskRange range) {
    // Different buffers: bytes that a read leaves alone come out as a difference.
    std::vector<std::byte> first(range.length_bytes, std::byte{0x55});
    std::vector<std::byte> second(range.length_bytes, std::byte{0xAA});
    const auto once = disk_.Read(range.disk_offset, first);
    const auto twice = disk_.Read(range.disk_offset, second);
    Expect(once.has_value() == twice.has_value(), "a read fails once and for ever");
    if (!once) return std::unexpected(once.error());
    Expect(first == second, "two reads give the same");
    return first;
  }

  Disk& disk_;
};

void TryTree(MemoryFileSystem& files, const std::optional<Inspection>& top) {
  const auto tree = FindImageTree(files, {kFolder});
  Expect(tree.has_value(), "a folder of broken images is a tree of broken images");
  for (const ImageNode& node : *tree) {
    Expect(!node.parent || *node.parent < tree->size(), "a parent is a node of the tree");
    Expect(node.parent.has_value() == (node.link == ImageNode::Link::kOk),
           "a link is right if the parent is there");
    if (node.path == kPaths[0]) {
      Expect(node.error.has_value() == !top.has_value(), "an image in a tree is what it is alone");
    }
  }
}

void TryImages(MemoryFileSystem& files) {
  const auto inspection = ImageTrial(files, kPaths[0]).Run();
  const auto report = Check(files, kPaths[0]);
  auto disk = Disk::Open(files, kPaths[0]);

  if (report && inspection == std::nullopt) {
    Expect(report->corruption_count > 0 || report->verdict == CheckVerdict::kNotVhdx,
           "what cannot be opened has an error");
  }
  // A search for parents may fail in ways that a report has no rule for.
  if (!report) ExpectHonest(report.error());
  if (disk) {
    Expect(inspection.has_value(), "a disk that opens can be inspected");
    Expect((*disk)->size_bytes() == inspection->image.parameters.virtual_disk_size_bytes,
           "a disk is as large as its image says");
    Expect(((*disk)->chain_length() > 1) == inspection->image.parameters.has_parent,
           "a differencing image has a parent");
    DiskTrial(**disk).Run();
  } else {
    ExpectHonest(disk.error());
    const bool stands_alone = inspection && !inspection->image.parameters.has_parent;
    Expect(!stands_alone, "an image without parent that can be inspected opens");
  }
  if (report) {
    const bool sound =
        report->verdict == CheckVerdict::kClean || report->verdict == CheckVerdict::kWarnings;
    Expect(!sound || disk.has_value(), "what a check finds sound opens");
    if (sound) {
      const uint64_t size = (*disk)->size_bytes();
      const auto extents = (*disk)->Extents({0, size}, kMaxVisits);
      Expect(extents && (extents->size() == kMaxVisits || extents->back().range.end() == size),
             "no block of a sound disk is broken");
      Expect((*disk)->RefuseSharedSpace().has_value(),
             "no blocks of a sound disk are in one place");
    }
    Expect(inspection || report->verdict >= CheckVerdict::kCorrupt,
           "what cannot be opened is not sound");
  }
  TryTree(files, inspection);
}

int TryInput(Input input) {
  const auto placed = PlaceFiles(input.rest());
  if (placed == nullptr) return -1;
  std::vector<std::shared_ptr<testing::MemoryContents>> before;
  for (const auto& contents : placed->contents) before.push_back(contents->Copy());
  TryImages(placed->files);
  for (size_t i = 0; i < before.size(); ++i) {
    Expect(placed->contents[i]->HasBytesOf(*before[i]), "reading changes nothing");
  }
  return 0;
}

}  // namespace
}  // namespace vhdx::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return vhdx::fuzz::TryInput(vhdx::fuzz::Input(data, size));
}
