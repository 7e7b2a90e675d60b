// Standard output as a File that is written front to back: where `vhdx convert SRC -` puts a disk.

#ifndef VHDXKIT_CLI_STANDARD_OUTPUT_FILE_H_
#define VHDXKIT_CLI_STANDARD_OUTPUT_FILE_H_

#include <vhdxkit/file.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cli/stream_write.h"

namespace vhdx::cli {

/// Where it is a regular file that ends where we begin to write, zeros become holes; everywhere
/// else every byte is written. Only what writing needs works; all else is kUnsupported.
class StandardOutputFile final : public File {
 public:
  /// Errors: kInvalidArgument (a terminal), kIo.
  static Result<std::unique_ptr<StandardOutputFile>> Open(const Stream& stream);

  const std::string& name() const override { return name_; }
  FileIdentity identity() const override { return identity_; }
  const FileCapabilities& capabilities() const override { return capabilities_; }

  using File::ReadAt;
  using File::WriteAt;
  Result<size_t> ReadAt(uint64_t file_offset, std::span<const MutableByteSpan> buffers) override;
  /// Each write begins where the one before it ended.
  Result<void> WriteAt(uint64_t file_offset, std::span<const ByteSpan> buffers) override;
  /// Also gives a file that ends with a hole its length.
  Result<void> Sync() override;
  /// Only the length: what must be done behind the last write.
  Result<void> Finish();

  Result<uint64_t> Size() override;

 private:
  StandardOutputFile(const Stream& stream, FileIdentity identity, bool may_leave_holes);
  Result<void> WriteBuffer(ByteSpan buffer);

  Stream stream_;
  FileIdentity identity_;
  bool may_leave_holes_;
  FileCapabilities capabilities_;
  std::string name_;
  uint64_t position_ = 0;  // bytes taken so far
  bool ends_with_hole_ = false;
};

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_STANDARD_OUTPUT_FILE_H_
