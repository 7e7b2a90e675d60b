// The disks of the crash tests: small files with blocks on both sides of every border that counts
// (pages of the BAT, chunks), alone or on two parents.

#ifndef VHDXKIT_TESTS_CRASH_DISK_H_
#define VHDXKIT_TESTS_CRASH_DISK_H_

#include <vhdxkit/disk.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "image/write_limits.h"
#include "testing/crash_state.h"
#include "testing/crash_store.h"
#include "testing/disk_contents.h"
#include "testing/disk_model.h"
#include "testing/image_spec.h"
#include "testing/page_image.h"

namespace vhdx::tests {

enum class CrashDiskSize : uint8_t {
  kAny,
  kSmall,  ///< a few MiB, for programs that read all of it
};

struct CrashDiskShape {
  Subformat subformat = Subformat::kDynamic;
  uint32_t sector_size = 512;
  testing::CrashFileKind file = testing::CrashFileKind::kFile;
  CrashDiskSize size = CrashDiskSize::kAny;
};

class CrashDisk {
 public:
  static constexpr uint64_t kBlockBytes = kMiB;

  /// Another disk for every seed.
  CrashDisk(const CrashDiskShape& shape, uint64_t seed);

  const CrashDiskShape& shape() const { return shape_; }
  const std::string& path() const { return path_; }
  /// Its file and those of its parents at first.
  const testing::CrashState& state() const { return state_; }
  /// Its file in another state of them.
  const testing::PageImage& FileIn(const testing::CrashState& state) const {
    return state.file(number_);
  }
  testing::PageImage& FileIn(testing::CrashState& state) const {
    return state.FileForWriting(number_);
  }
  /// What it holds at first.
  const testing::PageImage& initial_bytes() const { return initial_bytes_; }
  const testing::DiskContents& initial_contents() const { return initial_contents_; }
  uint64_t size_bytes() const { return initial_bytes_.size(); }
  /// Where the guest is at work, in order; the last block of the disk may be cut short.
  const std::vector<uint64_t>& blocks() const { return blocks_; }
  const WriteLimits& limits() const { return limits_; }
  /// Of stores of its files.
  const testing::CrashStore::Options& store_options() const { return store_options_; }

  /// Its file as another writer leaves it, the test kit, that gives the disk these contents: with
  /// another identity, everything in another place, some of what its parents have as well stored
  /// again, and perhaps a log that is not replayed. For children.
  testing::PageImage Rewritten(const testing::DiskContents& contents,
                               std::mt19937_64& random) const;

  Result<std::unique_ptr<Disk>> Open(FileSystem& files, DiskAccess access) const;

 private:
  std::vector<testing::ImageSpec> Specs(std::mt19937_64& random);
  testing::ImageSpec Base(std::mt19937_64& random) const;
  void FillDynamic(std::mt19937_64& random, testing::ImageSpec& spec) const;
  void FillChild(std::mt19937_64& random, testing::ImageSpec& spec) const;
  void Build(std::vector<testing::ImageSpec> specs, std::mt19937_64& random);
  /// With these contents, or those of the specification.
  testing::PageImage BuildLeaf(testing::ImageSpec spec, std::mt19937_64& random,
                               const testing::PageImage* contents) const;
  testing::PageImage BytesOf(const testing::DiskContents& contents) const;
  /// What a child needs for those bytes of a block; no entry if its parents have them all.
  std::optional<testing::BlockSpec> BlockWith(uint64_t block, ByteSpan bytes,
                                              std::mt19937_64& random) const;

  const CrashDiskShape shape_;
  const std::string path_ = "/vm/disk.vhdx";
  std::vector<uint64_t> blocks_;
  uint64_t disk_size_ = 0;
  WriteLimits limits_;
  testing::CrashStore::Options store_options_;
  testing::CrashState state_;
  size_t number_ = 0;  // of its file
  testing::ImageSpec leaf_;
  std::optional<testing::DiskModel> parents_;  // of a child
  testing::PageImage initial_bytes_;
  testing::DiskContents initial_contents_;
};

/// "dynamic disk of 512-byte sectors in a file".
std::string Describe(const CrashDiskShape& shape);

}  // namespace vhdx::tests

#endif  // VHDXKIT_TESTS_CRASH_DISK_H_
