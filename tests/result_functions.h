// The functions that a header declares to return a Result.

#ifndef VHDXKIT_TESTS_RESULT_FUNCTIONS_H_
#define VHDXKIT_TESTS_RESULT_FUNCTIONS_H_

#include <set>
#include <string>

namespace vhdx::tests {

/// "Create", "Disk::Open": those of the namespace, and the public and protected ones of its classes
/// that have a body somewhere (a pure virtual function has none).
std::set<std::string> ResultFunctions(const std::string& header_text);

}  // namespace vhdx::tests

#endif  // VHDXKIT_TESTS_RESULT_FUNCTIONS_H_
