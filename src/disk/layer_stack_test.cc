#include "disk/layer_stack.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "disk/image_layer.h"
#include "disk/layer.h"
#include "format/findings.h"
#include "testing/image_builder.h"
#include "testing/image_spec.h"
#include "testing/memory_file.h"
#include "testing/memory_file_system.h"
#include "testing/outcome.h"

namespace vhdx {
namespace {

using testing::MemoryFile;
using testing::MemoryFileSystem;
using testing::OutcomeOf;
using Where = Layer::Piece::Where;

constexpr uint64_t kPage = 4 * kKiB;

// A layer of no format: a list says where its bytes are. Every byte in its file has the same value.
class ListedLayer final : public Layer {
 public:
  struct Entry {
    DiskRange range;
    Where where = Where::kBelow;
    uint64_t file_offset = 0;
  };

  ListedLayer(uint64_t size_bytes, uint8_t value, std::vector<Entry> entries)
      : file_(std::make_shared<testing::MemoryContents>(),
              {.capabilities = {.writable = true, .punch_hole = true, .clone_range = true}}),
        entries_(std::move(entries)) {
    info_.filename = "listed";
    info_.parameters.virtual_disk_size_bytes = size_bytes;
    EXPECT_TRUE(file_.WriteAt(
        0, ByteSpan(std::vector<std::byte>(2 * size_bytes, static_cast<std::byte>(value)))));
  }

  Result<Piece> Find(DiskRange range) override {
    for (const Entry& entry : entries_) {
      if (range.disk_offset < entry.range.disk_offset || range.disk_offset >= entry.range.end()) {
        continue;
      }
      const uint64_t within = range.disk_offset - entry.range.disk_offset;
      return Piece{entry.where, std::min(range.end(), entry.range.end()) - range.disk_offset,
                   entry.file_offset + within};
    }
    return Fail(ErrorCode::kInternal, "not listed", "listed");
  }
  std::unique_ptr<Walk> NewWalk() override {
    class ListedWalk final : public Walk {
     public:
      explicit ListedWalk(Layer& layer) : layer_(layer) {}
      Result<Piece> Find(DiskRange range) override { return layer_.Find(range); }

     private:
      Layer& layer_;
    };
    return std::make_unique<ListedWalk>(*this);
  }
  Result<void> RefuseSharedSpace() override { return {}; }
  File& file() override { return file_; }
  const ImageInfo& info() const override { return info_; }

 private:
  MemoryFile file_;
  ImageInfo info_;
  const std::vector<Entry> entries_;
};

// The first page is in the top layer, the second is zeros there, and the bottom has one page less.
LayerStack TwoLayers() {
  return LayerStack({std::make_shared<ListedLayer>(
                         5 * kPage, 1,
                         std::vector<ListedLayer::Entry>{{{0, kPage}, Where::kHere, 3 * kPage},
                                                         {{kPage, kPage}, Where::kZero},
                                                         {{2 * kPage, 3 * kPage}, Where::kBelow}}),
                     std::make_shared<ListedLayer>(
                         4 * kPage, 2,
                         std::vector<ListedLayer::Entry>{{{0, 3 * kPage}, Where::kHere, kPage},
                                                         {{3 * kPage, kPage}, Where::kBelow}})});
}

// One digit for each page.
std::string Digits(ByteSpan bytes) {
  std::string digits;
  for (uint64_t at = 0; at < bytes.size(); at += kPage) {
    const ByteSpan page = bytes.subspan(at, kPage);
    const bool all = std::ranges::count(page, page[0]) == static_cast<ptrdiff_t>(kPage);
    digits += all ? static_cast<char>('0' + static_cast<int>(page[0])) : '?';
  }
  return digits;
}

TEST(LayerStackTest, Read_TakesEachByteFromTheFirstLayerThatHasIt) {
  LayerStack stack = TwoLayers();
  EXPECT_EQ(stack.size_bytes(), 5 * kPage);
  std::vector<std::byte> bytes(5 * kPage, std::byte{9});
  const MutableByteSpan buffer(bytes);
  ASSERT_EQ(OutcomeOf(stack.Read({0, bytes.size()}, {&buffer, 1})), "ok");
  EXPECT_EQ(Digits(bytes), "10200");
}

TEST(LayerStackTest, Extents_NameTheLayerAndThePlace) {
  LayerStack stack = TwoLayers();
  const auto extents = stack.Extents({0, stack.size_bytes()}, 10);
  ASSERT_TRUE(extents);
  ASSERT_EQ(extents->size(), 4U);
  EXPECT_EQ((*extents)[0].depth, 0U);
  EXPECT_EQ((*extents)[0].place, (FilePlace{stack.layer(0).file().identity(), 3 * kPage}));
  EXPECT_EQ((*extents)[1].kind, ExtentKind::kZero);
  EXPECT_EQ((*extents)[2].depth, 1U);
  EXPECT_EQ((*extents)[2].place, (FilePlace{stack.layer(1).file().identity(), 3 * kPage}));
  EXPECT_EQ((*extents)[3].kind, ExtentKind::kHole);
  EXPECT_EQ((*extents)[3].range, (DiskRange{3 * kPage, 2 * kPage}));
}

TEST(LayerStackTest, SharedBytes_ComeFromTheFilesOfBothLayers) {
  LayerStack stack = TwoLayers();
  MemoryFile target(std::make_shared<testing::MemoryContents>(),
                    {.capabilities = {.writable = true, .clone_range = true}});
  ASSERT_TRUE(target.Resize(5 * kPage));
  ASSERT_EQ(OutcomeOf(stack.CloneTo({0, stack.size_bytes()}, target, 0)), "ok");
  std::vector<std::byte> bytes(5 * kPage);
  ASSERT_TRUE(target.ReadExactAt(0, bytes));
  EXPECT_EQ(Digits(bytes), "10200");
}

// What a format must do to be the parent of an image is to find its bytes.
TEST(LayerStackTest, ImageOnALayerOfAnotherFormat_IsWritten) {
  MemoryFileSystem files;
  const auto base = testing::DynamicImage({.disk_size = kMiB, .block_size = kMiB});
  ASSERT_TRUE(testing::BuildAt(testing::ChildOf(base, ".\\base", {.block_size = kMiB}), files,
                               "/child.vhdx"));
  Findings findings;
  auto image =
      Image::Open(*files.Open("/child.vhdx", {.access = FileAccess::kReadWrite}), findings);
  ASSERT_TRUE(image) << ToString(image.error());
  LayerStack stack({std::make_shared<ImageLayer>(*std::move(image)),
                    std::make_shared<ListedLayer>(
                        kMiB, 2, std::vector<ListedLayer::Entry>{{{0, kMiB}, Where::kHere, 0}})});
  ASSERT_EQ(OutcomeOf(stack.EnableWriting(files, {}, PageCache::kAsHost)), "ok");
  // A page and a half of a sector: the rest of the sector is the parent's.
  const std::vector<std::byte> written(kPage + 256, std::byte{1});
  const ByteSpan source(written);
  ASSERT_EQ(OutcomeOf(stack.Write({kPage, written.size()}, {&source, 1})), "ok");
  std::vector<std::byte> bytes(4 * kPage);
  const MutableByteSpan buffer(bytes);
  ASSERT_EQ(OutcomeOf(stack.Read({0, bytes.size()}, {&buffer, 1})), "ok");
  EXPECT_EQ(Digits(bytes), "21?2");
  EXPECT_EQ(std::ranges::count(bytes, std::byte{1}), static_cast<ptrdiff_t>(written.size()));
  EXPECT_EQ(OutcomeOf(stack.writer()->Close()), "ok");
}

}  // namespace
}  // namespace vhdx
