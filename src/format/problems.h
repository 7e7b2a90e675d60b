// Where a reader that continues after an error collects what is wrong: with each structure, and
// with the file as a whole, in the order in which it was found.

#ifndef VHDXKIT_FORMAT_PROBLEMS_H_
#define VHDXKIT_FORMAT_PROBLEMS_H_

#include <vhdxkit/error.h>
#include <vhdxkit/structures.h>

#include <optional>
#include <string>

#include "format/findings.h"

namespace vhdx {

class Problems {
 public:
  /// What does not keep the file from being opened.
  void Add(StructureVerdict& of, const Rule& rule, const Place& place, std::string found = {},
           std::string expected = {});
  void Add(StructureVerdict& of, const Findings& findings);

  /// What does. The first error is the one that opening fails with; later ones are findings. Memory
  /// that ran out says nothing about a file: kNoMemory is thrown as std::bad_alloc.
  void Refuse(StructureVerdict& of, Error error);
  void Refuse(StructureVerdict& of, const Rule& rule, const Place& place, std::string found = {},
              std::string expected = {});
  /// One error that two structures have together.
  void RefuseBoth(StructureVerdict& first, StructureVerdict& second, const Error& error);

  const std::optional<Error>& refusal() const { return refusal_; }
  /// All findings, and all errors after the first.
  const Findings& findings() const { return findings_; }

  /// The refusal as a result.
  Result<void> result() const;

 private:
  void Refuse(Error error);

  std::optional<Error> refusal_;
  Findings findings_;
};

}  // namespace vhdx

#endif  // VHDXKIT_FORMAT_PROBLEMS_H_
