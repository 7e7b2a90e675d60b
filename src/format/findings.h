// Where the rules that an image breaks are collected: as errors that end a function, and as
// findings that do not.

#ifndef VHDXKIT_FORMAT_FINDINGS_H_
#define VHDXKIT_FORMAT_FINDINGS_H_

#include <vhdxkit/error.h>
#include <vhdxkit/finding.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace vhdx {

/// Where something is: a file by name, and bytes from its start.
struct Place {
  std::string file;
  uint64_t file_offset = 0;

  Place Plus(uint64_t bytes) const { return {file, file_offset + bytes}; }
};

/// "Meaning at offset N: found X, expected Y; what to do."
Finding MakeFinding(const Rule& rule, const Place& place, std::string found = {},
                    std::string expected = {});

/// The same as an Error (kCorrupt).
Error ErrorFor(Finding finding);
Error CorruptError(const Rule& rule, const Place& place, std::string found = {},
                   std::string expected = {});
std::unexpected<Error> Corrupt(const Rule& rule, const Place& place, std::string found = {},
                               std::string expected = {});

/// Collects findings. A hostile file can break one rule millions of times: of each rule so many are
/// kept, and all are counted.
class Findings {
 public:
  static constexpr uint64_t kKeptPerRule = 256;

  void Add(const Rule& rule, const Place& place, std::string found = {}, std::string expected = {});
  void Add(const Finding& finding);
  /// A failure as a finding, if it names a rule; says whether it did.
  bool Add(const Error& error);

  /// Why a structure is refused: the rule that it breaks or, if the error names none, that the host
  /// failed to read it (file.unreadable).
  void AddRefusal(const Error& error);

  /// All of another's, kept or not.
  void Add(const Findings& other);

  /// So many more of that rule, of which nothing is kept.
  void CountMore(const Rule& rule, uint64_t count);

  /// Whether another finding of that rule would be kept, so that its words are worth making.
  bool Keeps(const Rule& rule) const;

  const std::vector<Finding>& kept() const { return kept_; }
  /// How often each rule was broken, kept or not.
  const std::map<const Rule*, uint64_t>& counts() const { return counts_; }
  /// Whether anything found is as severe as that, or more so.
  bool HasAtLeast(Severity severity) const;

 private:
  bool Count(const Rule& rule);

  std::vector<Finding> kept_;
  std::map<const Rule*, uint64_t> counts_;
};

/// The rule with that id, or null.
const Rule* FindRule(std::string_view id);

/// "0x1f" for messages.
std::string Hex(uint64_t value);

}  // namespace vhdx

#endif  // VHDXKIT_FORMAT_FINDINGS_H_
