// The metadata of LVM. Input: one sparse file, the physical volume, which is tried as it is and
// with the checksums of its label and metadata made right.

#include <cstddef>
#include <cstdint>
#include <span>
#include <variant>
#include <vector>

#include "bytes/arithmetic.h"
#include "fuzz/expect.h"
#include "fuzz/free_space.h"
#include "testing/guest_disk.h"
#include "testing/lvm_volume.h"
#include "tools/free_space/free_space.h"
#include "tools/free_space/lvm.h"
#include "tools/free_space/mapped_volume.h"

namespace vhdx::fuzz {
namespace {

void ExpectReadable(const free_space::LvmLinearVolume& linear, BlockDevice& device) {
  uint64_t end = 0;
  for (const free_space::MappedSegment& segment : linear.segments) {
    Expect(segment.volume_offset == end && segment.length_bytes != 0, "segments leave no gaps");
    Expect(FitsInside(segment.device_offset, segment.length_bytes, device.size_bytes()),
           "a segment is inside the physical volume");
    end = segment.volume_end();
  }
  free_space::MappedVolume volume(device, linear.segments, linear.name);
  Expect(volume.size_bytes() == linear.size_bytes, "a volume has the size of its segments");
  std::vector<std::byte> sector(512);
  Expect(volume.Read(end - sector.size(), sector).has_value(), "a volume can be read");
}

void ExpectDescription(const testing::GuestDisk& disk) {
  const auto device = disk.Open();
  const auto answer = free_space::ReadLvmPhysicalVolume(*device);
  Expect(answer.has_value(), "a volume that can be read has an answer");
  if (const auto* left = std::get_if<free_space::LeftAlone>(&*answer)) {
    Expect(!left->reason.empty(), "there is a reason");
    return;
  }
  const auto& described = std::get<free_space::LvmPhysicalVolume>(*answer);
  if (const auto* space = std::get_if<free_space::FreeSpace>(&described.free_extents)) {
    ExpectSound(*space, device->size_bytes());
  }
  for (const free_space::LvmLinearVolume& linear : described.linear) {
    ExpectReadable(linear, *device);
  }
  for (const free_space::LvmOtherVolume& other : described.others) {
    Expect(!other.reason.empty(), "there is a reason");
  }
}

void TryLvm(std::span<const std::byte> input) {
  const testing::GuestDisk disk = VolumeOf(input);
  ExpectDescription(disk);
  testing::FixLvmChecksums(*disk.contents());
  ExpectDescription(disk);
}

}  // namespace
}  // namespace vhdx::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  vhdx::fuzz::TryLvm(std::as_bytes(std::span(data, size)));
  return 0;
}
