// What all other headers include first: the check of the language, and VHDXKIT_EXPORT.

#ifndef VHDXKIT_EXPORT_H_
#define VHDXKIT_EXPORT_H_

#include <version>

#ifndef __cpp_lib_expected
#error "vhdxkit needs C++23: compile with -std=c++23, and with g++ 12, clang++ 19, or later"
// There is no such file, which ends the compilation. Otherwise compilers would continue after the
// message above, and report pages of errors that follow from it.
#include <vhdxkit needs C++23>
#endif

/// Marks the classes and functions of the API. The library is compiled with -fvisibility=hidden, so
/// libvhdxkit.so exports nothing else.
#define VHDXKIT_EXPORT [[gnu::visibility("default")]]
/// Marks a class inside an exported class that is not part of the API.
#define VHDXKIT_HIDDEN [[gnu::visibility("hidden")]]

#endif  // VHDXKIT_EXPORT_H_
