// The files that a command for many files works on: named one by one, listed in a file, or found
// below directories.

#ifndef VHDXKIT_CLI_FILE_LIST_H_
#define VHDXKIT_CLI_FILE_LIST_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>

#include <atomic>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}  // namespace CLI

namespace vhdx::cli {

struct FileListArguments {
  std::vector<std::string> names;
  std::string files_from;  ///< `--files-from`: a file, or "-"
  bool null_separated = false;
  bool recursive = false;

  /// Whether the result is a list even if it has one element.
  bool is_list() const { return names.size() > 1 || !files_from.empty() || recursive; }
};

/// Adds the positional arguments, called `name` in the help, and --files-from, -0 and -r.
void AddFileList(CLI::App& app, const std::string& name, FileListArguments& arguments,
                 const std::string& help);

/// The names as given, then those of --files-from. Errors: kInvalidArgument if there are none;
/// kCancelled; kIo, kNotFound, kPermission for the list.
Result<std::vector<std::string>> ReadNames(const FileListArguments& arguments,
                                           const std::atomic<bool>& interrupted, int input_fd = 0);

/// A directory and all directories below it, in the order of their names. Symbolic links to
/// directories are followed once. A directory that cannot be read is in the list.
std::vector<std::string> FoldersBelow(FileSystem& files, const std::string& folder);

/// The *.vhdx and *.avhdx files directly in a directory. Errors: those of FileSystem::List.
Result<std::vector<std::string>> ImagesIn(FileSystem& files, const std::string& folder);

/// Files that belong to images or virtual machines and are none themselves.
struct SideFile {
  std::string path;
  std::string_view kind;  ///< "rct", "mrt", "vmcx", "vmrs", "vhds"
};
std::vector<SideFile> SideFilesIn(FileSystem& files, const std::string& folder);
/// What such a file is, for people.
std::string_view DescribeSideFile(std::string_view kind);

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_FILE_LIST_H_
