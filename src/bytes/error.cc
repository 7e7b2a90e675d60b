#include <vhdxkit/error.h>

#include <utility>

namespace vhdx {

std::string_view ErrorCodeName(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return "invalid-argument";
    case ErrorCode::kNotFound:
      return "not-found";
    case ErrorCode::kExists:
      return "exists";
    case ErrorCode::kPermission:
      return "permission";
    case ErrorCode::kReadOnly:
      return "read-only";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kCorrupt:
      return "corrupt";
    case ErrorCode::kNoSpace:
      return "no-space";
    case ErrorCode::kNoMemory:
      return "no-memory";
    case ErrorCode::kIo:
      return "io";
    case ErrorCode::kBusy:
      return "busy";
    case ErrorCode::kPoisoned:
      return "poisoned";
    case ErrorCode::kCancelled:
      return "cancelled";
    case ErrorCode::kInternal:
      return "internal";
  }
  return "internal";
}

std::string_view Sentence(const Error& error) {
  if (error.sentence.empty() && error.code == ErrorCode::kNoMemory) {
    return "the process ran out of memory";
  }
  return error.sentence;
}

std::string ToString(const Error& error) {
  std::string text = error.file.empty() ? "" : error.file + ": ";
  return text += Sentence(error);
}

std::unexpected<Error> Fail(ErrorCode code, std::string sentence, std::string file) {
  return std::unexpected(Error{
      .code = code, .file = std::move(file), .file_offset = {}, .sentence = std::move(sentence)});
}

}  // namespace vhdx
