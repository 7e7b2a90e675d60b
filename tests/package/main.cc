// A user's program, which needs more of a library than its functions: it derives from an interface,
// casts between classes of the API, and throws an exception through the library.

#include <vhdxkit/disk.h>
#include <vhdxkit/raw_device.h>
#include <vhdxkit/version.h>

#include <cstdio>
#include <expected>
#include <memory>
#include <stdexcept>
#include <string>
#include <typeinfo>
#include <vector>

namespace {

class ThrowingFileSystem final : public vhdx::FileSystem {
 public:
  vhdx::Result<std::unique_ptr<vhdx::File>> Open(const std::string&,
                                                 const vhdx::OpenFileOptions&) override {
    throw std::runtime_error("thrown by the user");
  }
  vhdx::Result<std::string> RealPath(const std::string& path) override { return path; }
  vhdx::Result<std::vector<std::string>> List(const std::string&, size_t) override { return {}; }
  vhdx::Result<bool> IsFolder(const std::string&) override { return false; }
  vhdx::Result<void> Rename(const std::string&, const std::string&, vhdx::RenameMode) override {
    return {};
  }
  vhdx::Result<void> Remove(const std::string&) override { return {}; }
  vhdx::Result<void> SyncFolder(const std::string&) override { return {}; }
};

bool Expect(bool holds, const char* what) {
  if (!holds) std::printf("failed: %s\n", what);
  return holds;
}

bool WhatIsThrownBecomesAnError() {
  ThrowingFileSystem files;
  const auto disk = vhdx::Disk::Open(files, "a.vhdx");
  return Expect(!disk && disk.error().code == vhdx::ErrorCode::kInternal,
                "an exception ends inside");
}

bool TypesOfTheLibraryAreTypesOfTheProgram(const char* path) {
  vhdx::HostFileSystem files;
  auto file = files.Open(path, {});
  if (!file) return Expect(false, "the file opens");
  auto raw = vhdx::RawDevice::Open(std::move(*file));
  if (!raw) return Expect(false, "the device opens");
  vhdx::BlockDevice& device = **raw;
  return Expect(dynamic_cast<vhdx::RawDevice*>(&device) != nullptr, "it is a RawDevice") &&
         Expect(dynamic_cast<vhdx::Disk*>(&device) == nullptr, "it is not a Disk") &&
         Expect(typeid(device) == typeid(vhdx::RawDevice), "its type is that of RawDevice");
}

bool ValueThrowsAnErrorThatCanBeCaught() {
  vhdx::HostFileSystem files;
  try {
    (void)vhdx::Disk::Open(files, "absent.vhdx").value();
  } catch (const std::bad_expected_access<vhdx::Error>& thrown) {
    return Expect(thrown.error().code == vhdx::ErrorCode::kNotFound,
                  "the error says what is wrong");
  }
  return Expect(false, "value() throws");
}

}  // namespace

int main(int, char** argv) {
  const bool passed =
      Expect(vhdx::Version() == VHDXKIT_VERSION, "the version is that of the headers") &&
      WhatIsThrownBecomesAnError() && TypesOfTheLibraryAreTypesOfTheProgram(argv[0]) &&
      ValueThrowsAnErrorThatCanBeCaught();
  std::printf("vhdxkit %s\n", std::string(vhdx::Version()).c_str());
  return passed ? 0 : 1;
}
