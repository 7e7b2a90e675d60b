// A parent locator. Input: the item.

#include <algorithm>

#include "bytes/arithmetic.h"
#include "format/parent_locator.h"
#include "fuzz/expect.h"
#include "fuzz/input.h"

namespace vhdx::fuzz {
namespace {

const Place kPlace{"fuzz.vhdx", 2 * kMiB};

bool Same(const ParentLocatorInfo& a, const ParentLocatorInfo& b) {
  return a.entries == b.entries && a.parent_linkage == b.parent_linkage &&
         a.parent_linkage2 == b.parent_linkage2 && a.relative_path == b.relative_path &&
         a.volume_path == b.volume_path && a.absolute_win32_path == b.absolute_win32_path;
}

void TryLocator(std::span<const std::byte> item) {
  Problems problems;
  const LocatorStructure locator = format::ParseParentLocator(item, kPlace, problems);
  const auto& parsed = locator.meaning;
  Expect(parsed.has_value() == !problems.refusal(), "a locator means something, or is refused");
  if (!parsed) return ExpectHonest(*problems.refusal());
  Expect(!parsed->relative_path.empty() || !parsed->volume_path.empty() ||
             !parsed->absolute_win32_path.empty(),
         "a locator names a parent");
  Expect(!parsed->parent_linkage2 || !parsed->parent_linkage2->IsZero(),
         "a linkage2 of zeros is none");

  const auto encoded = format::EncodeParentLocator(parsed->entries);
  Expect(encoded.has_value(), "a locator that was accepted can be written");
  Problems clean;
  const auto again = format::ParseParentLocator(*encoded, kPlace, clean).meaning;
  Expect(again && clean.findings().kept().empty() && Same(*again, *parsed),
         "it comes back as it was written");
}

}  // namespace
}  // namespace vhdx::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  vhdx::fuzz::TryLocator(vhdx::fuzz::Input(data, size).rest());
  return 0;
}
