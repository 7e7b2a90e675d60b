// What a disk does with the host's page cache: it advises the host, and reads ahead itself.

#include <gtest/gtest.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/forwarding_file.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "disk/disk_write_fixture.h"
#include "testing/image_builder.h"
#include "testing/outcome.h"

namespace vhdx {
namespace {

using testing::DynamicImage;
using testing::FullBlock;
using testing::ImageSpec;
using testing::OutcomeOf;

class DiskPageCache : public DiskWrite {};

// A file that remembers what it was advised.
class AdvisedFile final : public ForwardingFile {
 public:
  struct Advice {
    bool takes_advice = true;
    int random = 0;
    std::vector<FileRange> ahead = {};
  };
  AdvisedFile(std::unique_ptr<File> file, Advice& advice)
      : ForwardingFile(std::move(file)), advice_(advice) {}
  bool AdviseRandomAccess() override {
    ++advice_.random;
    return advice_.takes_advice;
  }
  void ReadAhead(FileRange range) override { advice_.ahead.push_back(range); }

 private:
  Advice& advice_;
};

class AdvisedFileSystem final : public ForwardingFileSystem {
 public:
  AdvisedFileSystem(FileSystem& files, AdvisedFile::Advice& advice)
      : ForwardingFileSystem(files), advice_(advice) {}
  Result<std::unique_ptr<File>> Open(const std::string& path,
                                     const OpenFileOptions& options) override {
    auto file = ForwardingFileSystem::Open(path, options);
    if (!file) return file;
    return std::make_unique<AdvisedFile>(*std::move(file), advice_);
  }

 private:
  AdvisedFile::Advice& advice_;
};

void ReadInSequence(Disk& disk) {
  std::vector<std::byte> bytes(65536);
  for (uint64_t at = 0; at < 8 * kMiB; at += bytes.size()) {
    EXPECT_EQ(OutcomeOf(disk.Read(at, bytes)), "ok");
  }
}

TEST_F(DiskPageCache, DiskForServing_ReadsAheadOfWhatIsInTheFile) {
  ImageSpec spec = DynamicImage({.disk_size = 8 * kMiB, .block_size = 2 * kMiB});
  spec.blocks = {FullBlock(0), FullBlock(2)};
  Put(kPath, spec);
  AdvisedFile::Advice advice;
  AdvisedFileSystem files(files_, advice);
  auto disk = Disk::Open(files, kPath,
                         {.access = DiskAccess::kReadWrite, .page_cache = PageCache::kForServing});
  ASSERT_TRUE(disk);
  EXPECT_EQ(advice.random, 1);
  ReadInSequence(**disk);
  uint64_t total = 0;
  for (const FileRange& range : advice.ahead) {
    EXPECT_LE(range.length_bytes, 128 * kKiB);
    total += range.length_bytes;
  }
  // All but what was read before it was known to be a sequence; nothing of blocks that are not
  // there.
  EXPECT_GE(total, 4 * kMiB - 256 * kKiB);
  EXPECT_LE(total, 4 * kMiB);
}

// The host does not read ahead in what was the top until a snapshot.
TEST_F(DiskPageCache, DiskWithANewChild_ReadsAheadInItsParents) {
  ImageSpec spec = DynamicImage({.disk_size = 8 * kMiB, .block_size = 2 * kMiB});
  spec.blocks = testing::FullBlocks(4);
  Put(kPath, spec);
  const ImageSpec child = testing::ChildOf(spec, ".\\disk.vhdx");
  Put("/vm/child.avhdx", child);
  AdvisedFile::Advice advice;
  AdvisedFileSystem files(files_, advice);
  auto disk = Disk::Open(files, "/vm/child.avhdx",
                         {.access = DiskAccess::kReadWrite, .page_cache = PageCache::kForServing});
  ASSERT_TRUE(disk);
  ReadInSequence(**disk);
  uint64_t total = 0;
  for (const FileRange& range : advice.ahead) total += range.length_bytes;
  EXPECT_GE(total, 8 * kMiB - 256 * kKiB);
}

TEST_F(DiskPageCache, HostThatTakesNoAdvice_ReadsAheadItself) {
  Put(kPath, DynamicImage({.disk_size = 8 * kMiB}));
  AdvisedFile::Advice advice{.takes_advice = false};
  AdvisedFileSystem files(files_, advice);
  auto disk = Disk::Open(files, kPath,
                         {.access = DiskAccess::kReadWrite, .page_cache = PageCache::kForServing});
  ASSERT_TRUE(disk);
  ReadInSequence(**disk);
  EXPECT_TRUE(advice.ahead.empty());
}

TEST_F(DiskPageCache, PageCache_IsTheHostsUnlessAsked) {
  ImageSpec spec = DynamicImage({.disk_size = 8 * kMiB, .block_size = 2 * kMiB});
  spec.blocks = testing::FullBlocks(4);
  Put(kPath, spec);
  AdvisedFile::Advice advice;
  AdvisedFileSystem files(files_, advice);
  for (const OpenOptions& options : {OpenOptions{.access = DiskAccess::kReadWrite},
                                     OpenOptions{.page_cache = PageCache::kForServing}}) {
    auto disk = Disk::Open(files, kPath, options);
    ASSERT_TRUE(disk);
    ReadInSequence(**disk);
  }
  EXPECT_EQ(advice.random, 0);
  EXPECT_TRUE(advice.ahead.empty());
}

}  // namespace
}  // namespace vhdx
