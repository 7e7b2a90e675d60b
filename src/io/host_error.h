// Errors of the operating system as an Error.

#ifndef VHDXKIT_IO_HOST_ERROR_H_
#define VHDXKIT_IO_HOST_ERROR_H_

#include <vhdxkit/error.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vhdx {

/// The code for an errno; kIo if there is no better one.
ErrorCode CodeOfErrno(int sys_errno);

/// Whether a call failed because this host, file system or file does not support it.
bool MeansUnsupported(int sys_errno);

/// The Error "cannot ACTION: MESSAGE OF THE ERRNO".
Error HostError(int sys_errno, std::string_view action, std::string file,
                std::optional<uint64_t> file_offset = std::nullopt);

/// HostError, for returning.
std::unexpected<Error> HostFailure(int sys_errno, std::string_view action, std::string file,
                                   std::optional<uint64_t> file_offset = std::nullopt);

}  // namespace vhdx

#endif  // VHDXKIT_IO_HOST_ERROR_H_
