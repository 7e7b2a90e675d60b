// The rules of the format, and findings: places where an image breaks a rule.
//
// Rule ids are stable: scripts may rely on them, and Error::rule carries the same ids. The table in
// docs/format.md, section 19, lists them all, each with the section of [MS-VHDX] it is based on.

#ifndef VHDXKIT_FINDING_H_
#define VHDXKIT_FINDING_H_

#include <vhdxkit/export.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace vhdx {

enum class Severity : uint8_t {
  kRefuse,    ///< the file, or the block concerned, is not read
  kReadOnly,  ///< read, but the file is not written until it is repaired
  kTolerate,  ///< unusual but harmless: a warning
  kNote,      ///< normal; for information
};

/// The word that `vhdx check --json` prints: error (kRefuse, kReadOnly), warning or note.
VHDXKIT_EXPORT
std::string_view SeverityName(Severity severity);

struct Rule {
  std::string_view id;  ///< such as "bat.entry.overlap"
  Severity severity;
  std::string_view meaning;  ///< what is wrong if it is broken, as the start of a sentence
  std::string_view basis;    ///< the section of [MS-VHDX] it comes from, or "ours" and the reason
  std::string_view repair;   ///< how to fix it, or empty
};

/// All rules, in the order of the structures in a file.
VHDXKIT_EXPORT
std::span<const Rule* const> AllRules();

/// One place where an image breaks a rule.
struct Finding {
  const Rule* rule = nullptr;  ///< never null in a report; points to static data
  std::string file = {};
  std::optional<uint64_t> file_offset = {};  ///< bytes from the start of `file`
  std::string found = {};                    ///< what was found, or empty
  std::string expected = {};                 ///< what was expected, or empty
  std::string sentence = {};                 ///< the message for users, without the file's name
};

}  // namespace vhdx

#endif  // VHDXKIT_FINDING_H_
