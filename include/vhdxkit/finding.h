// What a look at an image can find: the rules of the format, and the places where an image breaks
// them.
//
// Rule ids are stable: scripts may rely on them, and Error::rule carries the same ids. The table in
// docs/format.md, section 19, lists them all, each with the section of [MS-VHDX] it is based on.

#ifndef VHDXKIT_FINDING_H_
#define VHDXKIT_FINDING_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace vhdx {

enum class Severity : uint8_t {
  kRefuse,    ///< the file, or the block concerned, is not read
  kReadOnly,  ///< read, but not written until repaired
  kTolerate,  ///< odd, harmless: a warning
  kLeak,      ///< space of the file that nothing refers to
  kNote,      ///< normal, worth knowing
};

/// The word that `vhdx check --json` prints: error (kRefuse, kReadOnly), warning, leak or note.
std::string_view SeverityName(Severity severity);

struct Rule {
  std::string_view id;  ///< such as "bat.entry.overlap"
  Severity severity;
  std::string_view meaning;  ///< what is wrong when it is broken, as the start of a sentence
  std::string_view basis;    ///< where it comes from: a section of [MS-VHDX], or why it is ours
  std::string_view repair;   ///< what mends it, or empty
};

/// All rules, in the order of the file.
std::span<const Rule* const> AllRules();

struct Finding {
  const Rule* rule = nullptr;
  std::string file = {};
  std::optional<uint64_t> file_offset = {};
  std::string found = {};
  std::string expected = {};
  std::string sentence = {};
};

}  // namespace vhdx

#endif  // VHDXKIT_FINDING_H_
