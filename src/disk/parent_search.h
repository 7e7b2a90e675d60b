// Looking for the parent of a differencing image ([MS-VHDX] 2.6.2.6.3), only where the user allows.
//
// The paths in a locator are untrusted. A file counts if its real path lies in or below an allowed
// folder, it opens as VHDX, and its current header carries the DataWriteGuid that the child names;
// the very file that was checked is the one that is returned. Order: relative_path; volume_path and
// absolute_win32_path by their longest suffix below an allowed folder; the file's name in each
// allowed folder; then the identity of every image in those.

#ifndef VHDXKIT_DISK_PARENT_SEARCH_H_
#define VHDXKIT_DISK_PARENT_SEARCH_H_

#include <vhdxkit/disk.h>
#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/image_info.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace vhdx {

/// Where parents may lie.
struct AllowedFolders {
  std::vector<std::string> folders;  ///< real paths; the child's own first
  bool anywhere = false;

  bool Allow(std::string_view real_path) const;
};

class ParentSearch {
 public:
  /// The child's file tells where it lies. Errors: kNotFound for a folder of the options that is
  /// not there.
  static Result<ParentSearch> Start(FileSystem& files, File& child, const OpenOptions& options);

  /// The parent, or null: attempts() then says where it was looked for.
  Result<std::unique_ptr<File>> Find(const ParentLocatorInfo& locator);

  const std::vector<ParentAttempt>& attempts() const { return attempts_; }
  /// Whether a file was found in the right place that has another identity.
  bool found_stranger() const { return found_stranger_; }

 private:
  ParentSearch(FileSystem& files, AllowedFolders allowed, const File& child);

  std::unique_ptr<File> FindByPath(const ParentLocatorInfo& locator);
  std::unique_ptr<File> FindBySuffix(const std::vector<std::string>& components,
                                     const ParentLocatorInfo& locator);
  std::unique_ptr<File> FindByName(const std::vector<std::string>& names,
                                   const ParentLocatorInfo& locator);
  std::unique_ptr<File> FindByIdentity(const ParentLocatorInfo& locator);
  std::unique_ptr<File> TryComponents(const std::string& folder,
                                      const std::vector<std::string>& components,
                                      const ParentLocatorInfo& locator);
  std::unique_ptr<File> TryFile(const std::string& real_path, const ParentLocatorInfo& locator);
  std::optional<std::string> ResolveName(const std::string& folder, const std::string& name);
  const std::vector<std::string>& NamesIn(const std::string& folder);
  void Note(std::string path, std::string outcome);

  FileSystem* files_;
  AllowedFolders allowed_;
  FileIdentity child_;
  bool child_is_device_;
  std::map<std::string, std::vector<std::string>> names_;  // by folder
  std::set<std::string> tried_;                            // real paths
  std::vector<ParentAttempt> attempts_;
  bool found_stranger_ = false;
};

/// The error for a parent that was not found: which, by name and by GUID, where it was looked for,
/// and which folder to allow if it was refused only for where it lies. `child` is the child's file
/// name.
Error ParentNotFound(const std::string& child, const ParentLocatorInfo& locator,
                     const ParentSearch& search);

}  // namespace vhdx

#endif  // VHDXKIT_DISK_PARENT_SEARCH_H_
