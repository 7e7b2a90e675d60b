// A folder on the host that is empty at the start of each test and gone at its end.

#ifndef VHDXKIT_TESTING_HOST_FOLDER_H_
#define VHDXKIT_TESTING_HOST_FOLDER_H_

#include <gtest/gtest.h>
#include <vhdxkit/file.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace vhdx::testing {

/// A fixture; TEST_TMPDIR, which GoogleTest obeys, chooses the file system.
class HostFolderTest : public ::testing::Test {
 protected:
  HostFolderTest() : folder_(::testing::TempDir() + "vhdxkit-XXXXXX") {
    if (::mkdtemp(folder_.data()) == nullptr) ADD_FAILURE() << "cannot make " << folder_;
  }
  ~HostFolderTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  const std::string& folder() const { return folder_; }
  std::string PathOf(const std::string& name) const { return folder_ + "/" + name; }
  HostFileSystem& files() { return files_; }

  std::unique_ptr<File> Open(const std::string& name, const OpenFileOptions& options = {}) {
    auto file = files_.Open(PathOf(name), options);
    EXPECT_TRUE(file) << ToString(file.error());
    return file ? std::move(*file) : nullptr;
  }
  std::unique_ptr<File> New(const std::string& name) {
    return Open(name, {.access = FileAccess::kReadWrite, .creation = FileCreation::kNew});
  }

 private:
  std::string folder_;
  HostFileSystem files_;
};

/// All bytes of the file.
inline std::vector<std::byte> ReadAll(File& file) {
  std::vector<std::byte> bytes(file.Size().value());
  const Result<void> read = file.ReadExactAt(0, bytes);
  EXPECT_TRUE(read) << ToString(read.error());
  return bytes;
}

/// `length` bytes, none of them zero, that repeat only after 255; another seed gives others.
inline std::vector<std::byte> PatternBytes(size_t length, size_t seed = 0) {
  std::vector<std::byte> bytes(length);
  for (size_t i = 0; i < length; ++i) bytes[i] = static_cast<std::byte>(1 + (i * 13 + seed) % 255);
  return bytes;
}

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_HOST_FOLDER_H_
