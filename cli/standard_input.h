// Standard input as a disk that can only be read once, front to back.

#ifndef VHDXKIT_CLI_STANDARD_INPUT_H_
#define VHDXKIT_CLI_STANDARD_INPUT_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/image_format.h>

#include <atomic>
#include <cstddef>
#include <string_view>
#include <vector>

namespace vhdx::cli {

inline constexpr std::string_view kStandardInputName = "standard input";

class StandardInput {
 public:
  StandardInput(int fd, const std::atomic<bool>& interrupted)
      : fd_(fd), interrupted_(interrupted) {}

  /// What its first bytes look like, or null; they are given again by Read. Errors: as Read.
  Result<const ImageFormat*> Recognize();

  /// The next bytes: fewer than asked only at the end. Errors: kInvalidArgument (a terminal), kIo,
  /// kCancelled.
  Result<size_t> Read(MutableByteSpan buffer);

 private:
  Result<size_t> ReadFresh(MutableByteSpan buffer);

  const int fd_;
  const std::atomic<bool>& interrupted_;
  std::vector<std::byte> looked_at_;  // read by Recognize, not yet given
};

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_STANDARD_INPUT_H_
