// The version of vhdxkit, and what a program that uses it can rely on.
//
// API: versions follow Semantic Versioning. Before 1.0 a new minor version (0.2.0) may change the
// API; a patch version (0.1.1) does not.
//
// ABI: the number in the name libvhdxkit.so.0 is VHDXKIT_ABI_VERSION. It is raised by each version
// that programs must be compiled for again: before 1.0 by every new minor version, and never by a
// patch version. A program that was linked with libvhdxkit.so.0 runs with every version 0.1.x. The
// API has types of the standard library in it, so the program and the library must be compiled with
// the same one (libstdc++ or libc++) and, while its support of C++23 is experimental, the same
// release of it. They may be compiled by different compilers.
//
// Systems: Linux, with glibc (tested) or musl (not tested). Language: C++23; with an earlier one
// the headers end the compilation.

#ifndef VHDXKIT_VERSION_H_
#define VHDXKIT_VERSION_H_

#include <vhdxkit/export.h>

#include <string_view>

// The only place where the version is written; CMake reads it here.
#define VHDXKIT_VERSION_MAJOR 0
#define VHDXKIT_VERSION_MINOR 1
#define VHDXKIT_VERSION_PATCH 0
#define VHDXKIT_ABI_VERSION 0

#define VHDXKIT_JOIN_VERSION_(major, minor, patch) #major "." #minor "." #patch
#define VHDXKIT_JOIN_VERSION(major, minor, patch) VHDXKIT_JOIN_VERSION_(major, minor, patch)
/// The version of these headers, such as "0.1.0".
#define VHDXKIT_VERSION \
  VHDXKIT_JOIN_VERSION(VHDXKIT_VERSION_MAJOR, VHDXKIT_VERSION_MINOR, VHDXKIT_VERSION_PATCH)

namespace vhdx {

/// The version of the library that is running, such as "0.1.0". A program that uses the shared
/// library may run with a later patch version than the VHDXKIT_VERSION that it was compiled with.
VHDXKIT_EXPORT
std::string_view Version() noexcept;

}  // namespace vhdx

#endif  // VHDXKIT_VERSION_H_
