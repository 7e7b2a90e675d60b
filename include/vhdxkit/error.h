// Results and errors of vhdxkit.
//
// Every function that can fail returns Result<T>. The library reports errors in no other way: it
// does not print or exit, and what is thrown while such a function runs (on a thread that it
// started, too) becomes an Error: std::bad_alloc is kNoMemory. Only what returns or copies a string
// may throw std::bad_alloc, and says so. An Error says what went wrong, where (file and offset),
// which rule of the format was broken, what was found and what was expected, and has one sentence
// for users. Errors are values: they own their text and may be kept, copied (which may throw) and
// passed between threads.

#ifndef VHDXKIT_ERROR_H_
#define VHDXKIT_ERROR_H_

#include <vhdxkit/export.h>

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace vhdx {

/// The class of a failure, for programs. Users read Error::sentence.
enum class ErrorCode : uint8_t {
  kInvalidArgument,  ///< the caller asked for something impossible
  kNotFound,         ///< a file, or the parent of a disk, does not exist
  kExists,           ///< the target exists
  kPermission,       ///< the host denies access
  kReadOnly,         ///< a write to something that was opened read-only
  kUnsupported,      ///< valid, but not supported by this library, file or host
  kCorrupt,          ///< the file breaks a rule of the format; Error::rule names it
  kNoSpace,          ///< the host has no space left
  kNoMemory,         ///< the process ran out of memory; all strings of the Error are empty
  kIo,               ///< a read, write or sync failed on the host
  kBusy,             ///< another program uses the file, or it has children
  kPoisoned,         ///< an earlier failure makes further writes unsafe; reopen the disk
  kCancelled,        ///< the caller cancelled the operation
  kInternal,         ///< a defect in this library
};

/// The stable lower-case name of a code, such as "corrupt" or "no-space", as `vhdx --json` prints
/// it.
VHDXKIT_EXPORT
std::string_view ErrorCodeName(ErrorCode code);

struct VHDXKIT_EXPORT Error {
  ErrorCode code = ErrorCode::kInternal;
  int sys_errno = 0;      ///< the host's errno, or 0
  std::string rule = {};  ///< stable id of the broken rule, such as "header.checksum", or empty
  std::string file = {};  ///< name of the file, or empty
  std::optional<uint64_t> file_offset = {};  ///< bytes from the start of that file
  std::string found = {};                    ///< what was found, or empty
  std::string expected = {};                 ///< what was expected, or empty
  /// The message for users, without the name of the file. Where it gives advice, it names options
  /// of the command `vhdx`; those of the library have the same meaning.
  std::string sentence = {};
};

/// The message for users, without the name of the file: Error::sentence, or, where that is empty
/// because memory ran out, words that say so.
VHDXKIT_EXPORT
std::string_view Sentence(const Error& error);

/// "FILE: SENTENCE", or the sentence alone: one line for a terminal or a log. May throw
/// std::bad_alloc.
VHDXKIT_EXPORT
std::string ToString(const Error& error);

template <typename T>
using Result = std::expected<T, Error>;

/// Shorthand for returning an error without a rule. It throws nothing; making its arguments may.
VHDXKIT_EXPORT
std::unexpected<Error> Fail(ErrorCode code, std::string sentence, std::string file = {});

}  // namespace vhdx

#endif  // VHDXKIT_ERROR_H_
