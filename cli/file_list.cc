#include "cli/file_list.h"

#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <set>
#include <system_error>

#include "bytes/formatting.h"
#include "bytes/try.h"
#include "cli/arguments.h"

namespace vhdx::cli {
namespace {

constexpr size_t kMostInFolder = size_t{1} << 20;

struct SideFileKind {
  std::string_view extension;
  std::string_view description;
};
constexpr auto kSideFiles = std::to_array<SideFileKind>({
    {"rct", "changed blocks, for backups (resilient change tracking)"},
    {"mrt", "changed blocks since the last start (modified region table)"},
    {"vmcx", "configuration of a virtual machine"},
    {"vmrs", "state of a virtual machine"},
    {"vhds", "VHD Set: its disk is in an .avhdx file beside it"},
});

std::string LowerExtension(std::string_view name) {
  const size_t dot = name.rfind('.');
  std::string extension(dot == std::string_view::npos ? "" : name.substr(dot + 1));
  std::ranges::transform(extension, extension.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return extension;
}

std::string PathIn(const std::string& folder, const std::string& name) {
  return folder.ends_with('/') ? folder + name : Format("{}/{}", folder, name);
}

// Not through a FileSystem: a list may come from a pipe, which no image can.
Result<std::string> ReadAll(int fd, const std::string& name, const std::atomic<bool>& interrupted) {
  std::string text;
  std::array<char, 65536> buffer;
  for (;;) {
    const ssize_t count = ::read(fd, buffer.data(), buffer.size());
    if (count > 0) {
      text.append(buffer.data(), static_cast<size_t>(count));
    } else if (count == 0) {
      return text;
    } else if (interrupted) {
      return Fail(ErrorCode::kCancelled, "interrupted");
    } else if (errno != EINTR) {
      return Fail(ErrorCode::kIo,
                  Format("cannot read the list: {}", std::generic_category().message(errno)), name);
    }
  }
}

Result<std::string> ReadList(const std::string& path, const std::atomic<bool>& interrupted,
                             int input_fd) {
  if (path == "-") return ReadAll(input_fd, "standard input", interrupted);
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    const ErrorCode code = errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo;
    return Fail(code, Format("cannot open the list: {}", std::generic_category().message(errno)),
                path);
  }
  auto text = ReadAll(fd, path, interrupted);
  ::close(fd);
  return text;
}

void AddFoldersBelow(FileSystem& files, const std::string& folder, std::set<std::string>& seen,
                     std::vector<std::string>& folders) {
  const auto real_path = files.RealPath(folder);
  if (!real_path || !seen.insert(*real_path).second) return;
  folders.push_back(folder);
  const auto names = files.List(folder, kMostInFolder);
  if (!names) return;  // whoever lists it says so
  for (const std::string& name : *names) {
    const std::string path = PathIn(folder, name);
    if (const auto is_folder = files.IsFolder(path); is_folder && *is_folder) {
      AddFoldersBelow(files, path, seen, folders);
    }
  }
}

}  // namespace

void AddFileList(CLI::App& app, const std::string& name, FileListArguments& arguments,
                 const std::string& help) {
  CLI::Option* const names =
      app.add_option(name, arguments.names, help)->type_name(kFileType)->required();
  AddPath(app, "--files-from", arguments.files_from,
          "read more names from this file, one per line (- for standard input)");
  AddFlag(app, "-0", arguments.null_separated,
          "with --files-from: names end with a NUL byte, as `find -print0` writes them");
  AddFlag(app, "-r,--recursive", arguments.recursive,
          "in directories, process *.vhdx and *.avhdx files recursively");
  AddNeed(app, "-0", "--files-from");
  app.get_option("--files-from")->each([names](const std::string&) { names->required(false); });
}

Result<std::vector<std::string>> ReadNames(const FileListArguments& arguments,
                                           const std::atomic<bool>& interrupted, int input_fd) {
  std::vector<std::string> names = arguments.names;
  if (arguments.files_from.empty()) return names;
  auto text = VHDX_TRY(ReadList(arguments.files_from, interrupted, input_fd));
  const char separator = arguments.null_separated ? '\0' : '\n';
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(separator, at), text.size());
    if (end > at) names.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  if (names.empty()) {
    return Fail(ErrorCode::kInvalidArgument, "the list names no files", arguments.files_from);
  }
  return names;
}

std::vector<std::string> FoldersBelow(FileSystem& files, const std::string& folder) {
  std::set<std::string> seen;
  std::vector<std::string> folders;
  AddFoldersBelow(files, folder, seen, folders);
  return folders;
}

Result<std::vector<std::string>> ImagesIn(FileSystem& files, const std::string& folder) {
  auto names = VHDX_TRY(files.List(folder, kMostInFolder));
  std::vector<std::string> images;
  for (const std::string& name : names) {
    const std::string extension = LowerExtension(name);
    if (extension != "vhdx" && extension != "avhdx") continue;
    const std::string path = PathIn(folder, name);
    if (const auto is_folder = files.IsFolder(path); is_folder && !*is_folder) {
      images.push_back(path);
    }
  }
  return images;
}

std::vector<SideFile> SideFilesIn(FileSystem& files, const std::string& folder) {
  std::vector<SideFile> found;
  const auto names = files.List(folder, kMostInFolder);
  if (!names) return found;
  for (const std::string& name : *names) {
    const auto kind = std::ranges::find(kSideFiles, LowerExtension(name), &SideFileKind::extension);
    if (kind != kSideFiles.end()) found.push_back({PathIn(folder, name), kind->extension});
  }
  return found;
}

std::string_view DescribeSideFile(std::string_view kind) {
  return std::ranges::find(kSideFiles, kind, &SideFileKind::extension)->description;
}

}  // namespace vhdx::cli
