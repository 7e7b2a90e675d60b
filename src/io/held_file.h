// A file that is opened and locked once, and then used under its path by whatever an operation of
// several steps calls, one step after the other.
//
// Without it another program could get the file between two steps: a lock ends when its file is
// closed, and taking it twice is a conflict, also inside of one process.

#ifndef VHDXKIT_IO_HELD_FILE_H_
#define VHDXKIT_IO_HELD_FILE_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/forwarding_file.h>

#include <memory>
#include <string>

namespace vhdx {

/// A file system in which one path opens a file that is held. The rest is that of `base`, which
/// outlives it.
class HeldFileSystem final : public ForwardingFileSystem {
 public:
  /// The caller has locked the file, or decided not to.
  HeldFileSystem(FileSystem& base, std::string path, std::unique_ptr<File> file);

  /// The held file if it is to be opened as it exists, whatever else is asked; closing what this
  /// returns does not close it, and its locks are left as they are.
  Result<std::unique_ptr<File>> Open(const std::string& path,
                                     const OpenFileOptions& options) override;
  std::unique_ptr<File> OpenHeld();
  File& held() { return *file_; }

 private:
  const std::string path_;
  const std::shared_ptr<File> file_;
};

}  // namespace vhdx

#endif  // VHDXKIT_IO_HELD_FILE_H_
