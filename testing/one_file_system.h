// OneFileSystem: a file system that holds a single file of any kind.

#ifndef VHDXKIT_TESTING_ONE_FILE_SYSTEM_H_
#define VHDXKIT_TESTING_ONE_FILE_SYSTEM_H_

#include <vhdxkit/file.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace vhdx::testing {

/// Every Open of its path makes the file anew, by `make`.
class OneFileSystem final : public FileSystem {
 public:
  using MakeFile = std::function<std::unique_ptr<File>()>;
  OneFileSystem(std::string path, MakeFile make) : path_(std::move(path)), make_(std::move(make)) {}

  Result<std::unique_ptr<File>> Open(const std::string& path,
                                     const OpenFileOptions& options) override;
  Result<std::string> RealPath(const std::string& path) override;
  Result<std::vector<std::string>> List(const std::string& folder, size_t limit) override;
  Result<bool> IsFolder(const std::string& path) override;

 private:
  std::string path_;
  MakeFile make_;
};

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_ONE_FILE_SYSTEM_H_
