// An open file descriptor, and an open folder, that close themselves.

#ifndef VHDXKIT_IO_FILE_DESCRIPTOR_H_
#define VHDXKIT_IO_FILE_DESCRIPTOR_H_

#include <dirent.h>
#include <unistd.h>

#include <memory>
#include <utility>

namespace vhdx {

class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }

  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};
using OpenFolder = std::unique_ptr<DIR, CloseFolder>;

}  // namespace vhdx

#endif  // VHDXKIT_IO_FILE_DESCRIPTOR_H_
