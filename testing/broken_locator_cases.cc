// Parent locators, legal ones of every form and broken ones.

#include <algorithm>

#include "format/layout.h"
#include "format/metadata.h"
#include "format/parent_locator.h"
#include "format/rules.h"
#include "testing/broken_cases.h"
#include "testing/hex.h"

namespace vhdx::testing::broken_locator {
namespace {

constexpr uint64_t kHeaderSize = 20;
constexpr uint64_t kEntrySize = 12;

ImageSpec Child(LocatorSpec locator) {
  ImageSpec spec = TwinChild();
  spec.locator = std::move(locator);
  return spec;
}

LocatorSpec TwoKeys() { return *TwinChild().locator; }
LocatorSpec WithKey(std::string_view key, std::string_view value) {
  LocatorSpec locator = TwoKeys();
  locator.entries.push_back(LocatorEntry(key, value));
  return locator;
}

std::string AtItem(const Rule& rule, uint64_t field = 0) {
  return At(rule, PlanLayout(TwinChild()).ItemOffset(format::kParentLocatorGuid) + field);
}
std::string AtEntry(const Rule& rule, size_t index) {
  return AtItem(rule, kHeaderSize + index * kEntrySize);
}

// A child over the twin.
BrokenCase OpensChild(const std::string& name, ImageSpec child,
                      std::vector<std::string> findings = {}) {
  BrokenCase result = Opens("locator/" + name, std::move(child), std::move(findings));
  result.files.push_back({.path = "/vm/base.vhdx", .spec = TwinImage()});
  result.chain_length = 2;
  return result;
}
BrokenCase OpensChild(const std::string& name, LocatorSpec locator,
                      std::vector<std::string> findings = {}) {
  return OpensChild(name, Child(std::move(locator)), std::move(findings));
}
BrokenCase RefusesChild(const std::string& name, LocatorSpec locator, std::string outcome,
                        std::vector<std::string> findings = {}) {
  BrokenCase result = OpensChild(name, std::move(locator), std::move(findings));
  result.refused = std::move(outcome);
  return result;
}

void AddForms(std::vector<BrokenCase>& cases) {
  const Guid parent = TwinImage().data_write_guid;
  const HyperVPaths paths{.absolute_win32_path = "C:\\vm\\base.vhdx",
                          .relative_path = ".\\base.vhdx",
                          .volume_path = "\\\\?\\Volume{00112233}\\vm\\base.vhdx"};
  cases.push_back(OpensChild("two keys", TwoKeys()));
  cases.push_back(OpensChild("Hyper-V's five keys", HyperVLocator(parent, paths)));
  LocatorSpec reversed = HyperVLocator(parent, paths);
  std::ranges::reverse(reversed.entries);
  cases.push_back(OpensChild("five keys in reverse", reversed));
  cases.push_back(OpensChild("a key that nobody knows", WithKey("x", "y")));
  std::string upper = LinkageText(parent);
  for (char& letter : upper) {
    if (letter >= 'a' && letter <= 'f') letter = static_cast<char>(letter - 'a' + 'A');
  }
  LocatorSpec loud = TwoKeys();
  loud.entries[0] = LocatorEntry(format::kParentLinkageKey, upper);
  cases.push_back(OpensChild("linkage in upper case", loud));
  loud.entries[0] = LocatorEntry(format::kParentLinkageKey, parent.ToString());
  cases.push_back(OpensChild("linkage without braces", loud));
  cases.push_back(
      OpensChild("linkage2 of zeros", WithKey(format::kParentLinkage2Key, LinkageText(Guid{}))));
  cases.push_back(
      OpensChild("linkage2 that is no GUID", WithKey(format::kParentLinkage2Key, "none")));
  cases.push_back(OpensChild("linkage2 of something else",
                             WithKey(format::kParentLinkage2Key, LinkageText(TestGuid(90)))));
  LocatorSpec merging = TwoKeyLocator(TestGuid(90), ".\\base.vhdx");
  merging.entries.push_back(LocatorEntry(format::kParentLinkage2Key, LinkageText(parent)));
  cases.push_back(OpensChild("linkage2 alone is right", merging));
  // Strings at odd places, and one shared by two entries.
  LocatorSpec shared = TwoKeys();
  shared.entries.push_back(LocatorEntry("x", "y"));
  shared.entries[2].value_offset = 20 + 3 * 12;  // the first key
  shared.entries[2].value_length = 28;
  cases.push_back(OpensChild("strings that are shared", shared));
  LocatorSpec keys = TwoKeys();
  for (int i = 0; i < 254; ++i) keys.entries.push_back(LocatorEntry("k" + std::to_string(i), "v"));
  cases.push_back(OpensChild("256 keys", keys));
  LocatorSpec reserved = TwoKeys();
  reserved.reserved = 0x8000;
  cases.push_back(OpensChild("reserved field", reserved, {AtItem(rules::kLocatorReserved, 16)}));
  for (const uint32_t flags : {0U, 2U, 6U}) {
    ImageSpec child = TwinChild();
    child.metadata_items = BasicMetadataItems(child);
    child.metadata_items->back().flags = flags;
    cases.push_back(
        OpensChild("flags " + std::to_string(flags), child,
                   {At(rules::kMetadataItemFlags,
                       PlanLayout(child).MetadataEntryOffset(format::kParentLocatorGuid) + 24)}));
  }
}

void AddPresence(std::vector<BrokenCase>& cases) {
  ImageSpec missing = TwinChild();
  missing.locator.reset();
  BrokenCase no_locator = OpensChild("missing", missing);
  no_locator.refused = At(rules::kLocatorMissing, PlanLayout(missing).metadata.file_offset);
  cases.push_back(no_locator);
  ImageSpec unexpected = TwinImage();
  unexpected.locator = TwoKeys();
  cases.push_back(Opens("locator/in a file without a parent", unexpected,
                        {At(rules::kLocatorUnexpected,
                            PlanLayout(unexpected).ItemOffset(format::kParentLocatorGuid))}));
  // HasParent decides alone: nonsense in the locator of a file without a parent is not read.
  unexpected.locator->type = TestGuid(91);
  cases.push_back(Opens("locator/nonsense in a file without a parent", unexpected,
                        {At(rules::kLocatorUnexpected,
                            PlanLayout(unexpected).ItemOffset(format::kParentLocatorGuid))}));
  LocatorSpec type = TwoKeys();
  type.type = TestGuid(91);
  cases.push_back(RefusesChild("unknown type", type, AtItem(rules::kLocatorType)));
  ImageSpec brief = TwinChild();
  brief.metadata_items = BasicMetadataItems(brief);
  brief.metadata_items->back().data.resize(19);
  BrokenCase short_item = OpensChild("of 19 bytes", brief);
  short_item.refused = AtItem(rules::kMetadataItemLength);
  cases.push_back(short_item);
  // Leaving blocks allocated means nothing in a differencing file.
  ImageSpec both = TwinChild();
  both.parameters.leave_blocks_allocated = true;
  cases.push_back(OpensChild("of a fixed file with a parent", both));
}

void AddStrings(std::vector<BrokenCase>& cases) {
  const auto broken = [&](const std::string& name, auto&& change, size_t entry = 0) {
    LocatorSpec locator = TwoKeys();
    change(locator.entries[entry]);
    cases.push_back(RefusesChild(name, locator, AtEntry(rules::kLocatorString, entry)));
  };
  using Entry = LocatorEntrySpec;
  broken("key at 0", [](Entry& e) { e.key_offset = 0; });
  broken("value at 0", [](Entry& e) { e.value_offset = 0; }, 1);
  broken("key behind the end", [](Entry& e) { e.key_offset = 4096; });
  broken("key far behind the end", [](Entry& e) { e.key_offset = 0xFFFFFFFF; });
  broken("value behind the end", [](Entry& e) { e.value_offset = 0xFFFFFFF0; }, 1);
  broken("key across the end", [](Entry& e) { e.key_length = 1000; });
  broken("value across the end", [](Entry& e) { e.value_length = 0xFFFE; }, 1);
  broken("key of no length", [](Entry& e) { e.key_length = 0; });
  broken("value of no length", [](Entry& e) { e.value_length = 0; }, 1);
  broken("key of odd length", [](Entry& e) { e.key_length = 27; });
  broken("value of odd length", [](Entry& e) { e.value_length = 75; });
  broken("NUL at the end of a value", [](Entry& e) {
    e.value.push_back(std::byte{0});
    e.value.push_back(std::byte{0});
  });
  broken("NUL in a key", [](Entry& e) { e.key[4] = std::byte{0}; });
  broken("lone surrogate in a value", [](Entry& e) { e.value[1] = std::byte{0xD8}; }, 1);
}

void AddCountsOfEntries(std::vector<BrokenCase>& cases) {
  LocatorSpec many = TwoKeys();
  many.key_value_count = 0xFFFF;
  cases.push_back(RefusesChild("more entries than it holds", many, AtItem(rules::kLocatorString)));
  LocatorSpec one_more = TwoKeys();
  one_more.key_value_count = 3;  // the third is made of characters
  cases.push_back(RefusesChild("one entry more than there is", one_more,
                               AtEntry(rules::kLocatorString, 2),
                               {AtEntry(rules::kLocatorString, 2)}));
  // 65,535 entries over one string of 64 KiB: gigabytes of text out of 1 MiB.
  LocatorSpec bomb;
  bomb.entries.resize(
      65535,
      {.key_offset = 800000, .value_offset = 800000, .key_length = 65534, .value_length = 65534});
  bomb.entries.back().value.resize(200000, std::byte{'a'});
  cases.push_back(
      RefusesChild("entries over one long string", bomb, AtItem(rules::kLocatorString)));
}

void AddMeaning(std::vector<BrokenCase>& cases) {
  LocatorSpec none = TwoKeys();
  none.key_value_count = 0;
  cases.push_back(RefusesChild("no entries", none, AtItem(rules::kLocatorLinkage),
                               {AtItem(rules::kLocatorPath)}));
  cases.push_back(RefusesChild("key twice", WithKey(format::kRelativePathKey, "x"),
                               AtItem(rules::kLocatorDuplicateKey)));
  cases.push_back(RefusesChild(
      "unknown key twice",
      [] {
        LocatorSpec locator = WithKey("x", "1");
        locator.entries.push_back(LocatorEntry("x", "2"));
        return locator;
      }(),
      AtItem(rules::kLocatorDuplicateKey)));
  LocatorSpec no_linkage = TwoKeys();
  no_linkage.entries.erase(no_linkage.entries.begin());
  cases.push_back(RefusesChild("no linkage", no_linkage, AtItem(rules::kLocatorLinkage)));
  LocatorSpec wrong_case = TwoKeys();
  wrong_case.entries[0] = LocatorEntry("Parent_Linkage", LinkageText(TestGuid(3)));
  cases.push_back(RefusesChild("linkage under a key in upper case", wrong_case,
                               AtItem(rules::kLocatorLinkage)));
  for (const char* text : {"{}", "{7e570000-0000-4000-8000-00000000000}", "base.vhdx"}) {
    LocatorSpec bad = TwoKeys();
    bad.entries[0] = LocatorEntry(format::kParentLinkageKey, text);
    cases.push_back(
        RefusesChild("linkage " + std::string(text), bad, AtItem(rules::kLocatorLinkage)));
  }
  LocatorSpec no_path = TwoKeys();
  no_path.entries.pop_back();
  cases.push_back(RefusesChild("no path", no_path, AtItem(rules::kLocatorPath)));
  no_path.entries.push_back(LocatorEntry("absolute_path", "C:\\vm\\base.vhdx"));
  cases.push_back(RefusesChild("path under another key", no_path, AtItem(rules::kLocatorPath)));
}

}  // namespace

std::vector<BrokenCase> Cases() {
  std::vector<BrokenCase> cases;
  AddForms(cases);
  AddPresence(cases);
  AddStrings(cases);
  AddCountsOfEntries(cases);
  AddMeaning(cases);
  return cases;
}

}  // namespace vhdx::testing::broken_locator
