#include "io/host_error.h"

#include <cerrno>
#include <system_error>
#include <utility>

#include "bytes/formatting.h"

namespace vhdx {

ErrorCode CodeOfErrno(int sys_errno) {
  switch (sys_errno) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return ErrorCode::kNoSpace;
    case EACCES:
    case EPERM:
      return ErrorCode::kPermission;
    case EROFS:
      return ErrorCode::kReadOnly;
    case ENOENT:
    case ENOTDIR:
      return ErrorCode::kNotFound;
    case EEXIST:
      return ErrorCode::kExists;
    case EBUSY:
    case ETXTBSY:
      return ErrorCode::kBusy;
    case EOPNOTSUPP:
    case ENOSYS:
      return ErrorCode::kUnsupported;
    default:
      return ErrorCode::kIo;
  }
}

bool MeansUnsupported(int sys_errno) {
  return sys_errno == EOPNOTSUPP || sys_errno == ENOSYS || sys_errno == ENOTTY;
}

Error HostError(int sys_errno, std::string_view action, std::string file,
                std::optional<uint64_t> file_offset) {
  return Error{
      .code = CodeOfErrno(sys_errno),
      .sys_errno = sys_errno,
      .file = std::move(file),
      .file_offset = file_offset,
      .sentence = Format("cannot {}: {}", action, std::generic_category().message(sys_errno))};
}

std::unexpected<Error> HostFailure(int sys_errno, std::string_view action, std::string file,
                                   std::optional<uint64_t> file_offset) {
  return std::unexpected(HostError(sys_errno, action, std::move(file), file_offset));
}

}  // namespace vhdx
