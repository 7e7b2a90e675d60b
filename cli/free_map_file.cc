#include "cli/free_map_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "bytes/formatting.h"
#include "bytes/try.h"
#include "cli/file_descriptor.h"
#include "cli/size_text.h"

namespace vhdx::cli {
namespace {

std::unexpected<Error> CannotRead(const std::string& path) {
  const int sys_errno = errno;
  return std::unexpected(Error{.code = sys_errno == ENOENT   ? ErrorCode::kNotFound
                                       : sys_errno == EACCES ? ErrorCode::kPermission
                                                             : ErrorCode::kIo,
                               .sys_errno = sys_errno,
                               .file = path,
                               .sentence = Format("cannot read the map of free space: {}",
                                                  std::generic_category().message(sys_errno))});
}

}  // namespace

FreeMapArgument FreeMapArgument::Parse(std::string_view text) {
  const size_t at = text.rfind('@');
  if (at != std::string_view::npos && at > 0) {
    if (const auto offset = ParseSize(text.substr(at + 1))) {
      return {.path = std::string(text.substr(0, at)), .disk_offset = *offset};
    }
  }
  return {.path = std::string(text)};
}

Result<guest::FreeSpaceAnswer> ReadFreeMap(const std::string& path,
                                           const std::atomic<bool>& interrupted) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) return CannotRead(path);
  guest::FreeMapParser parser;
  std::array<char, 65536> buffer = {};
  for (;;) {
    if (interrupted) return Fail(ErrorCode::kCancelled, "interrupted");
    const ssize_t count = ::read(file.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return CannotRead(path);
    auto parsed =
        count > 0 ? parser.Add({buffer.data(), static_cast<size_t>(count)}) : Result<void>{};
    if (!parsed) {
      parsed.error().file = path;
      return std::unexpected(std::move(parsed.error()));
    }
    if (count == 0) break;
  }
  auto answer = parser.Finish();
  if (!answer) answer.error().file = path;
  return answer;
}

}  // namespace vhdx::cli
