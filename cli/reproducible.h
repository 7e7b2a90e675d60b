// Random bytes that are none: the same input gives the same ones, and any other input gives others.

#ifndef VHDXKIT_CLI_REPRODUCIBLE_H_
#define VHDXKIT_CLI_REPRODUCIBLE_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>

#include <functional>
#include <string>

namespace vhdx::cli {

/// Bytes out of a SHA-256 of `input`, each call other ones. One thread.
std::function<Result<void>(MutableByteSpan)> ReproducibleBytes(std::string input);

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_REPRODUCIBLE_H_
