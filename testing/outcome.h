// What came of a call, as short text that a test compares with what it expects.

#ifndef VHDXKIT_TESTING_OUTCOME_H_
#define VHDXKIT_TESTING_OUTCOME_H_

#include <vhdxkit/error.h>
#include <vhdxkit/finding.h>

#include <span>
#include <string>

#include "format/findings.h"

namespace vhdx::testing {

/// "rule@offset" for an error with a rule ("header.none@65536"), else the name of its code.
std::string OutcomeOf(const Error& error);

/// "ok", or what went wrong as above.
template <typename T>
std::string OutcomeOf(const Result<T>& result) {
  return result ? "ok" : OutcomeOf(result.error());
}

/// "rule@offset" of each, in order, with a space between; "" where there is none.
std::string OutcomeOf(std::span<const Finding> findings);
std::string OutcomeOf(const Findings& findings);

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_OUTCOME_H_
