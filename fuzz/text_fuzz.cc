// The small texts of the format: UTF-16, GUIDs, paths of Windows. Input: the text.

#include <vhdxkit/guid.h>

#include <string>
#include <string_view>

#include "bytes/utf16.h"
#include "disk/windows_path.h"
#include "fuzz/expect.h"
#include "fuzz/input.h"

namespace vhdx::fuzz {
namespace {

void TryUtf16(std::span<const std::byte> bytes) {
  const std::string shown = DisplayableUtf8FromUtf16(bytes);
  Expect(Utf16FromUtf8(shown).has_value(), "what is displayed is UTF-8");
  const auto text = Utf8FromUtf16(bytes);
  if (!text) return;
  Expect(*text == shown, "text is displayed as it is");
  const auto again = Utf16FromUtf8(*text);
  Expect(again && std::ranges::equal(*again, bytes), "UTF-16 text comes back as it was");
}

void TryUtf8(std::string_view text) {
  const auto utf16 = Utf16FromUtf8(text);
  if (!utf16) return;
  const auto again = Utf8FromUtf16(*utf16);
  const bool has_nul = text.find('\0') != std::string_view::npos;
  Expect(again.has_value() != has_nul, "UTF-8 text but a NUL has a UTF-16 form that can be read");
  if (again) Expect(*again == text, "UTF-8 text comes back as it was");
}

void TryGuid(std::string_view text) {
  const auto guid = Guid::Parse(text);
  if (!guid) return;
  Expect(text.size() == 36 || text.size() == 38, "a GUID is 36 characters, braces aside");
  Expect(Guid::Parse(guid->ToString()) == guid, "a GUID comes back as it was");
  Expect(SameNameIgnoringCase(guid->ToString(), text.size() == 38 ? text.substr(1, 36) : text),
         "its text is what was read");
}

void TryPath(std::string_view text) {
  (void)IsImageName(text);
  Expect(SameNameIgnoringCase(text, text), "a name is the same as itself");
  const auto names = SplitPath(text);
  for (const std::string& name : names) {
    Expect(!name.empty() && name != "." && name.find_first_of("\\/") == std::string::npos,
           "a name of a path is one name");
  }
  const auto below_root = SplitAbsolutePath(text);
  Expect(below_root.size() <= names.size() &&
             std::equal(below_root.rbegin(), below_root.rend(), names.rbegin()),
         "what lies below the root is the end of the path");
}

void TryText(std::span<const std::byte> bytes) {
  // Characters are bytes.
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  TryUtf16(bytes);
  TryUtf8(text);
  TryGuid(text);
  TryPath(text);
}

}  // namespace
}  // namespace vhdx::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  vhdx::fuzz::TryText(vhdx::fuzz::Input(data, size).rest());
  return 0;
}
