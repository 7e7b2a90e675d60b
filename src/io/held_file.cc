#include "io/held_file.h"

#include <utility>

namespace vhdx {
namespace {

// The lock is that of whoever holds the file.
class BorrowedFile final : public ForwardingFile {
 public:
  using ForwardingFile::ForwardingFile;
  Result<void> Lock(LockMode) override { return {}; }
};

}  // namespace

HeldFileSystem::HeldFileSystem(FileSystem& base, std::string path, std::unique_ptr<File> file)
    : ForwardingFileSystem(base), path_(std::move(path)), file_(std::move(file)) {}

Result<std::unique_ptr<File>> HeldFileSystem::Open(const std::string& path,
                                                   const OpenFileOptions& options) {
  if (path == path_ && options.creation == FileCreation::kExisting) return OpenHeld();
  return base().Open(path, options);
}

std::unique_ptr<File> HeldFileSystem::OpenHeld() { return std::make_unique<BorrowedFile>(file_); }

}  // namespace vhdx
