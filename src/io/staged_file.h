// StagedFile: a new file that appears under its name only when it is complete.
//
// It is written under a temporary name in the same directory, and renamed by Commit. If it is
// destroyed uncommitted, because of an error or a cancellation, the temporary file is removed.

#ifndef VHDXKIT_IO_STAGED_FILE_H_
#define VHDXKIT_IO_STAGED_FILE_H_

#include <vhdxkit/file.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace vhdx {

enum class Durability : uint8_t {
  kNone,  ///< as cp does: a power cut soon afterwards may leave an empty or partial file
  kSync,  ///< contents and name are durable when Commit returns
};

struct StagedFileOptions {
  bool direct = false;  ///< O_DIRECT
  /// The path of a file whose permissions the new one gets, and which its owner may write in any
  /// case; empty: those of what exists under the name.
  std::string_view access_of = {};
};

class StagedFile {
 public:
  /// How the error of a Commit begins after which the file exists.
  static constexpr std::string_view kNameNotDurable =
      "the file is complete, but a power cut may undo its new name: ";

  /// Creates an empty, writable file that Commit will rename to `path`, locked for its writer where
  /// there are locks. It gets the permissions of a file that exists there, or of options.access_of.
  /// Removes temporary files for the same `path` that a killed process has left. Errors: those of
  /// FileSystem::Open.
  static Result<std::unique_ptr<StagedFile>> Create(FileSystem& files, const std::string& path,
                                                    const StagedFileOptions& options = {});

  /// Whether a file of that name is one that is being made, or that a killed process has left.
  static bool IsTemporaryName(std::string_view name);

  StagedFile(const StagedFile&) = delete;
  StagedFile& operator=(const StagedFile&) = delete;
  ~StagedFile();

  /// The file, to be filled. Its name() is that of `path`.
  File& file() { return *file_; }
  /// The same after Commit, with its lock, for whoever goes on with it.
  std::unique_ptr<File> TakeFile() { return std::move(file_); }
  /// Whether it has its final name.
  bool is_committed() const { return state_ == State::kRenamed; }
  const std::string& temporary_path() const { return temporary_path_; }

  /// Renames the file to its final name. Errors: kExists (kRefuseExisting, and the name is taken);
  /// those of Sync and Rename, after which the destructor removes the file; those of SyncFolder,
  /// after which it stays under its final name, because what it replaced is gone.
  Result<void> Commit(RenameMode mode, Durability durability);

 private:
  enum class State : uint8_t { kNothing, kTemporary, kRenamed };

  StagedFile(FileSystem& files, std::string path, std::string temporary_path);
  /// Creates the temporary file and locks it. False: the name is taken, or another process has
  /// taken the file for abandoned. Errors: those of FileSystem::Open.
  Result<bool> CreateFile(const StagedFileOptions& options);

  FileSystem& files_;
  const std::string path_;
  const std::string temporary_path_;
  std::unique_ptr<File> file_;
  State state_ = State::kNothing;  ///< of the file
};

}  // namespace vhdx

#endif  // VHDXKIT_IO_STAGED_FILE_H_
