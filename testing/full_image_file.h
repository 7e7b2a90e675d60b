// A .vhdx of up to 64 TiB of which every block is present, generated as it is read: nothing of it
// is stored but the first few MiB. For tests of what large disks cost.

#ifndef VHDXKIT_TESTING_FULL_IMAGE_FILE_H_
#define VHDXKIT_TESTING_FULL_IMAGE_FILE_H_

#include <vhdxkit/file.h>

#include <cstdint>
#include <string>

#include "testing/image_layout.h"
#include "testing/image_spec.h"
#include "testing/memory_file.h"

namespace vhdx::testing {

enum class BlockOrder : uint8_t {
  kAscending,   ///< each block behind the one before: one run of the whole disk
  kDescending,  ///< no two neighbours stand together
};

/// Read-only. Its contents are those of a DiskModel of spec(), whose blocks are all fully present.
class FullImageFile final : public File {
 public:
  using File::ReadAt;
  using File::WriteAt;

  explicit FullImageFile(const DiskShape& shape, BlockOrder order = BlockOrder::kAscending);

  /// Without its blocks, which would be too many to list.
  const ImageSpec& spec() const { return spec_; }
  const ImageLayout& layout() const { return layout_; }

  const std::string& name() const override { return name_; }
  Result<std::string> RealPath() const override { return "/" + name_; }
  FileIdentity identity() const override { return {.device = 1, .inode = 1}; }
  const FileCapabilities& capabilities() const override { return capabilities_; }
  Result<size_t> ReadAt(uint64_t file_offset, std::span<const MutableByteSpan> buffers) override;
  Result<void> Sync() override { return {}; }
  Result<uint64_t> Size() override;
  Result<void> Lock(LockMode) override { return {}; }

 private:
  uint64_t block_count() const;
  uint64_t end() const;
  uint64_t PlaceOf(uint64_t block) const;
  uint64_t EntryAt(uint64_t index) const;
  /// Fills a prefix of the buffer that lies in one part of the file; returns its length.
  Result<size_t> FillSome(uint64_t file_offset, MutableByteSpan buffer);
  void FillBat(uint64_t region_offset, MutableByteSpan buffer) const;

  std::string name_ = "full.vhdx";
  FileCapabilities capabilities_;
  ImageSpec spec_;
  BlockOrder order_;
  MemoryFile stored_;  ///< all but BAT and blocks
  ImageLayout layout_;
};

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_FULL_IMAGE_FILE_H_
