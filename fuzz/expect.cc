#include "fuzz/expect.h"

#include <cstdio>
#include <cstdlib>
#include <string>

namespace vhdx::fuzz {

void Broken(std::string_view property, const std::source_location& where) {
  const std::string text(property);
  std::fprintf(stderr, "%s:%u: broken: %s\n", where.file_name(), where.line(), text.c_str());
  std::abort();
}

void ExpectHonest(const Error& error, const std::source_location& where) {
  Expect(!error.sentence.empty(), "an error has a sentence", where);
  if (error.code == ErrorCode::kInternal) {
    Broken("no file makes the library blame itself: " + ToString(error), where);
  }
}

}  // namespace vhdx::fuzz
