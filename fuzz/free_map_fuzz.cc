// The map of free space, and the check of what it says. Input: the text, for a volume of 1 MiB.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "bytes/arithmetic.h"
#include "fuzz/expect.h"
#include "fuzz/input.h"
#include "guest/free_map.h"

namespace vhdx::fuzz {
namespace {

using guest::FreeSpace;

constexpr uint64_t kVolumeBytes = 1 * kMiB;
constexpr DiskRange kSuperblock{1 * kKiB, 1 * kKiB};

void ExpectWhatIsPrintedIsParsed(const guest::FreeSpaceAnswer& answer) {
  std::string text;
  const auto printed = guest::PrintFreeMap(answer, kVolumeBytes, [&](std::string_view piece) {
    text += piece;
    return Result<void>{};
  });
  Expect(printed.has_value(), "a map can be printed");
  const auto again = guest::ParseFreeMap(text);
  Expect(again.has_value() && again->index() == answer.index(), "what is printed can be parsed");
  const auto* space = std::get_if<FreeSpace>(&answer);
  Expect(space == nullptr || std::get<FreeSpace>(*again).free == space->free,
         "ranges come back as they were");
}

void ExpectSafe(const FreeSpace& space) {
  uint64_t end = 0;
  for (const DiskRange& range : space.free) {
    Expect(range.disk_offset >= end && range.length_bytes != 0, "free ranges are in order");
    Expect(FitsInside(range.disk_offset, range.length_bytes, kVolumeBytes),
           "a free range is inside of the volume");
    Expect(range.end() <= kSuperblock.disk_offset || range.disk_offset >= kSuperblock.end(),
           "a superblock is never free");
    end = range.end();
  }
}

void TryMap(std::span<const std::byte> bytes) {
  // Characters are bytes.
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const auto answer = guest::ParseFreeMap(text);
  if (!answer) return ExpectHonest(answer.error());
  const auto* space = std::get_if<FreeSpace>(&*answer);
  // A map of others has no unit, and its own form none without one.
  if (space == nullptr || space->unit_bytes != 0) ExpectWhatIsPrintedIsParsed(*answer);
  if (space == nullptr) return;
  const auto verified = guest::VerifyFreeSpace(*space, kVolumeBytes, std::span(&kSuperblock, 1));
  if (verified) {
    ExpectSafe(*space);
  } else {
    ExpectHonest(verified.error());
  }
}

}  // namespace
}  // namespace vhdx::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  vhdx::fuzz::TryMap(vhdx::fuzz::Input(data, size).rest());
  return 0;
}
