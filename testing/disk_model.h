// The reference model: what a guest reads from a chain of images, computed sector by sector from
// their descriptions by the rules of docs/format.md, section 13, without any code of the engine.

#ifndef VHDXKIT_TESTING_DISK_MODEL_H_
#define VHDXKIT_TESTING_DISK_MODEL_H_

#include <vhdxkit/block_device.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "testing/image_layout.h"
#include "testing/image_spec.h"

namespace vhdx::testing {

/// Where the bytes of a sector come from.
struct SectorSource {
  enum class Kind : uint8_t {
    kData,        ///< from the file of the layer at `depth`, at `file_offset`
    kZero,        ///< that layer says that it reads as zeros
    kHole,        ///< no layer has anything: zeros
    kUnreadable,  ///< reading has to fail
  };
  Kind kind = Kind::kHole;
  uint32_t depth = 0;
  uint64_t file_offset = 0;
  friend bool operator==(const SectorSource&, const SectorSource&) = default;
};

class DiskModel {
 public:
  /// The images from the top down. Raw BAT entries and patches are not seen: what they change, a
  /// test has to know. Of several specs of one block the last counts.
  explicit DiskModel(std::vector<ImageSpec> chain);

  uint64_t size_bytes() const;
  SectorSource SourceOf(uint64_t disk_offset) const;

  /// The bytes of a range, which may begin and end anywhere; of unreadable sectors, zeros.
  std::vector<std::byte> ExpectedBytes(DiskRange range) const;
  void Fill(uint64_t disk_offset, MutableByteSpan bytes) const;
  bool IsReadable(DiskRange range) const;
  /// The hash of the whole disk; takes a second for some 200 MiB.
  std::string ContentSha256() const;

  /// Where it is worth to look: the whole of a disk up to 256 MiB; of a larger one all blocks that
  /// any layer has, and both ends of every layer.
  std::vector<DiskRange> InterestingRanges() const;

 private:
  struct Layer {
    ImageSpec spec;
    ImageLayout layout;
    std::map<uint64_t, const BlockSpec*> blocks;  ///< by number; points into spec
  };

  void FillSector(uint64_t disk_offset, MutableByteSpan bytes) const;
  uint32_t sector_size() const { return layers_[0].spec.parameters.logical_sector_size; }

  std::vector<Layer> layers_;  ///< never resized once built: `blocks` points into it
};

/// Reads ranges of a device and holds them against the model; "" if all is equal, else a sentence
/// on the first difference.
std::string CompareWithModel(BlockDevice& device, const DiskModel& model,
                             const std::vector<DiskRange>& ranges);
/// The interesting ranges, and the size.
std::string CompareWithModel(BlockDevice& device, const DiskModel& model);

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_DISK_MODEL_H_
