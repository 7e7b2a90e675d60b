// Writing to standard output and standard error, which may be pipes that close, disks that fill, or
// readers that stop reading.

#ifndef VHDXKIT_CLI_STREAM_WRITE_H_
#define VHDXKIT_CLI_STREAM_WRITE_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>

#include <atomic>
#include <string>
#include <string_view>

namespace vhdx::cli {

inline constexpr std::string_view kStandardOutputName = "standard output";

/// Where the bytes go, and what ends the wait for a reader that does not read.
struct Stream {
  int fd;
  const std::atomic<bool>* interrupted;  ///< may be null
};

/// Writes all of it. Errors: kCancelled, kNoSpace, kIo (sys_errno EPIPE: nobody reads any more).
Result<void> WriteAll(const Stream& stream, ByteSpan bytes);

/// What a failed call on standard output says.
std::unexpected<Error> StandardOutputFailure(int sys_errno);

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_STREAM_WRITE_H_
