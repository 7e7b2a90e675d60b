// An LVM physical volume with metadata that a test writes by hand: for tests, and as a seed of the
// fuzzer. Checksums are right.

#ifndef VHDXKIT_TESTING_LVM_VOLUME_H_
#define VHDXKIT_TESTING_LVM_VOLUME_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "testing/guest_disk.h"
#include "testing/memory_contents.h"

namespace vhdx::testing {

/// A text in a metadata area.
struct LvmTextSpec {
  std::string text;
  /// From the start of the area. A text that reaches the end of the area goes on after its header.
  uint64_t offset = 512;
  bool ignored = false;
  bool unfinished = false;  ///< another text is being written
};

/// The physical volume: 15 extents of 1 MiB from 1 MiB on.
inline constexpr uint64_t kLvmBytes = uint64_t{16} << 20;
inline constexpr uint64_t kLvmExtentBytes = uint64_t{1} << 20;
inline constexpr uint64_t kLvmFirstExtent = uint64_t{1} << 20;
inline constexpr uint64_t kLvmLabelSector = 1;
/// Of the metadata areas, of which there can be two before the first extent.
inline constexpr uint64_t kLvmAreaBytes = uint64_t{32} << 10;
inline constexpr std::array<uint64_t, 2> kLvmAreas = {4096, 4096 + kLvmAreaBytes};

GuestDisk MakeLvmVolume(const std::vector<LvmTextSpec>& areas);

/// The metadata of the group "vg0": the physical volume is "pv0", and "pv1" another one.
struct LvmGroupSpec {
  uint64_t seqno = 5;
  std::string status = R"("RESIZEABLE", "READ", "WRITE")";
  std::string flags_of_pv1 = "";
  std::string volumes = "";  ///< the logical volumes, one after another
};
std::string LvmGroupText(const LvmGroupSpec& spec);

/// A logical volume out of segments, each of which is the text of its settings but for its place.
struct LvmSegmentSpec {
  uint64_t extents = 1;
  std::string text = "";
};
std::string LvmVolumeText(const std::string& name, const std::vector<LvmSegmentSpec>& segments,
                          const std::string& status = R"("READ", "WRITE", "VISIBLE")");
/// A segment of one stripe.
LvmSegmentSpec LvmLinear(uint64_t extents, uint64_t first_extent, const std::string& on = "pv0");

/// Makes the checksums right of the label, of the headers of the areas, and of the texts.
void FixLvmChecksums(MemoryContents& contents);

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_LVM_VOLUME_H_
