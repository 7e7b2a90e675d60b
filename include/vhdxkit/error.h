// Results and errors of vhdxkit.
//
// Every function that can fail returns Result<T>; nothing throws across the library's border,
// nothing prints, nothing exits. An Error says what went wrong, where (file and offset), by which
// rule of the format, what was found and what was expected, and carries one sentence for people.
// Errors are values: they own their text and may be kept, copied and passed between threads.

#ifndef VHDXKIT_ERROR_H_
#define VHDXKIT_ERROR_H_

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace vhdx {

/// What kind of failure it was; a program decides by this, a person reads Error::sentence.
enum class ErrorCode : uint8_t {
  kInvalidArgument,  ///< the caller asked for something that cannot be
  kNotFound,         ///< a file, or a parent of a disk, is not there
  kExists,           ///< a target is there already
  kPermission,       ///< the host refuses access
  kReadOnly,         ///< a write to something opened read-only
  kUnsupported,      ///< legal, but not offered by this library, file or host
  kCorrupt,          ///< the file breaks a rule of the format; Error::rule names it
  kNoSpace,          ///< the host has no room
  kIo,               ///< the host failed a read, a write or a sync
  kBusy,             ///< somebody else uses the file
  kPoisoned,         ///< an earlier failure makes every further write unsafe
  kCancelled,        ///< the caller asked to stop
  kInternal,         ///< a defect of this library
};

/// The stable lower-case name of a code ("corrupt", "no-space"), as `vhdx --json` prints it.
std::string_view ErrorCodeName(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  int sys_errno = 0;      ///< the host's errno, or 0
  std::string rule = {};  ///< stable id of the rule, such as "header.checksum"; or empty
  std::string file = {};  ///< name of the file it happened in, or empty
  std::optional<uint64_t> file_offset = {};  ///< bytes from the start of that file
  std::string found = {};                    ///< what was there
  std::string expected = {};                 ///< what should have been there
  std::string sentence = {};  ///< the whole of it for a person, without the file's name
};

/// "FILE: SENTENCE" (or the sentence alone): one line for a terminal or a log.
std::string ToString(const Error& error);

template <typename T>
using Result = std::expected<T, Error>;

/// Shorthand for returning a plain error without a rule.
std::unexpected<Error> Fail(ErrorCode code, std::string sentence, std::string file = {});

}  // namespace vhdx

#endif  // VHDXKIT_ERROR_H_
