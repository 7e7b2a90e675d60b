// What a fuzz target believes of the code: a property that does not hold ends the process, which is
// what a fuzzer looks for.

#ifndef VHDXKIT_FUZZ_EXPECT_H_
#define VHDXKIT_FUZZ_EXPECT_H_

#include <vhdxkit/error.h>

#include <source_location>
#include <string_view>

namespace vhdx::fuzz {

/// Says which property is broken, and where, and aborts.
[[noreturn]] void Broken(std::string_view property, const std::source_location& where);

inline void Expect(bool holds, std::string_view property,
                   const std::source_location& where = std::source_location::current()) {
  if (!holds) Broken(property, where);
}

/// An error that a hostile file may cause: it has a sentence, and is none that says that the
/// library itself is at fault.
void ExpectHonest(const Error& error,
                  const std::source_location& where = std::source_location::current());

}  // namespace vhdx::fuzz

#endif  // VHDXKIT_FUZZ_EXPECT_H_
