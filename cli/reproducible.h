// Random bytes that are none: the same input gives the same ones, and any other input gives others.

#ifndef VHDXKIT_CLI_REPRODUCIBLE_H_
#define VHDXKIT_CLI_REPRODUCIBLE_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/operation.h>

#include <functional>
#include <string>

namespace vhdx::cli {

/// Bytes out of a SHA-256 of `input`, each call other ones. One thread.
std::function<Result<void>(MutableByteSpan)> ReproducibleBytes(std::string input);

/// A SHA-256 of the contents of a disk, the same however they are stored. Errors: those of
/// VisitContents.
Result<std::string> DigestOfContents(BlockDevice& disk, const OperationControl& control);

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_REPRODUCIBLE_H_
