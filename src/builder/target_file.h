// The file that an operation is to make: what has its name before, and what a person calls
// it while it has a temporary one.

#ifndef VHDXKIT_BUILDER_TARGET_FILE_H_
#define VHDXKIT_BUILDER_TARGET_FILE_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>

#include <functional>
#include <memory>
#include <string>

#include "io/staged_file.h"

namespace vhdx {

/// Opens what has the target's name before we begin, and locks it, so that nobody begins
/// to use what is going to be replaced for as long as the result lives; null if nothing is there.
/// A file that is not to be replaced is not locked; a device is always written. `is_source` tells
/// of the files that must stay. Errors: kInvalidArgument (it is one of those); kBusy (somebody uses
/// it, and would lose it); those of FileSystem::Open.
Result<std::unique_ptr<File>> LockTarget(FileSystem& files, const std::string& path, bool replaces,
                                         const std::function<bool(const FileIdentity&)>& is_source);

/// The error of an operation on the target: names it if the error names no file and is about what
/// was asked for, which is wrong with the target then.
std::unexpected<Error> AboutTarget(const std::string& path, Error error);

/// The same for one of creating it: says so if its directory does not exist.
std::unexpected<Error> CannotCreateTarget(FileSystem& files, const std::string& path, Error error);

/// A StagedFile whose errors name the target.
Result<std::unique_ptr<StagedFile>> StageTarget(FileSystem& files, const std::string& path,
                                                const StagedFileOptions& options = {});

}  // namespace vhdx

#endif  // VHDXKIT_BUILDER_TARGET_FILE_H_
