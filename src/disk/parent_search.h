// Looking for the parent of a differencing image ([MS-VHDX] 2.6.2.6.3), only where the user allows.
//
// The paths in a locator are untrusted. A file counts if its real path lies in or below an allowed
// folder, it opens as VHDX, and its current header carries the DataWriteGuid that the child names;
// the very file that was checked is the one that is returned. Order: relative_path; volume_path and
// absolute_win32_path by their longest suffix below an allowed folder; the file's name in each
// allowed folder; then the identity of every image in those.

#ifndef VHDXKIT_DISK_PARENT_SEARCH_H_
#define VHDXKIT_DISK_PARENT_SEARCH_H_

#include <vhdxkit/chain_options.h>
#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/image_info.h>
#include <vhdxkit/inspect.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace vhdx {

/// The real path of a directory. Errors: kNotFound, kInvalidArgument.
Result<std::string> RealFolder(FileSystem& files, const std::string& path);

/// Where parents may lie.
struct AllowedFolders {
  std::vector<std::string> folders;  ///< real paths; the child's own first
  bool anywhere = false;

  bool Allow(std::string_view real_path) const;
};

class ParentSearch {
 public:
  /// The child's file tells where it lies. Errors: those of RealFolder, for a folder of the
  /// options.
  static Result<ParentSearch> Start(FileSystem& files, File& child, const SearchOptions& options);

  /// The parent, or null: attempts() then says where it was looked for.
  Result<std::unique_ptr<File>> Find(const ParentLocatorInfo& locator);
  /// The same, only by the paths and names in the locator, and not by its identity.
  std::unique_ptr<File> FindByPath(const ParentLocatorInfo& locator);
  /// The file at this path, wherever it is, if it is the parent; null if its identity does not
  /// match. Errors: those of FileSystem::Open; kInvalidArgument for the child itself; header.*.
  Result<std::unique_ptr<File>> Open(const std::string& path, const ParentLocatorInfo& locator);

  const std::vector<ParentAttempt>& attempts() const { return attempts_; }
  /// Other files that have the identity of the one that was found, if that was not where it should
  /// be.
  const std::vector<std::string>& duplicates() const { return duplicates_; }
  /// The first file that was found in a right place and has another identity, or null.
  const File* mismatch() const { return mismatch_.get(); }
  std::unique_ptr<File> TakeMismatch() { return std::move(mismatch_); }
  const Guid& mismatch_guid() const { return mismatch_guid_; }
  /// The first file in a right place that could not be read, and why.
  const std::optional<Error>& unreadable() const { return unreadable_; }
  /// The first file in a right place that the allowed folders do not hold, or empty.
  const std::string& outside() const { return outside_; }
  /// The folders that were searched; the child's own first.
  const std::vector<std::string>& folders() const { return allowed_.folders; }

 private:
  ParentSearch(FileSystem& files, AllowedFolders allowed, const File& child);

  std::unique_ptr<File> FindBySuffix(const std::vector<std::string>& components,
                                     const ParentLocatorInfo& locator);
  std::unique_ptr<File> FindByName(const std::vector<std::string>& names,
                                   const ParentLocatorInfo& locator);
  std::unique_ptr<File> FindByIdentity(const ParentLocatorInfo& locator);
  std::unique_ptr<File> TryComponents(const std::string& folder,
                                      const std::vector<std::string>& components,
                                      const ParentLocatorInfo& locator);
  /// Of a file that was opened in a right place: the parent, or null.
  std::unique_ptr<File> Judge(std::unique_ptr<File> file, const HeaderInfo& header,
                              const ParentLocatorInfo& locator);
  void NoteUnreadable(const std::string& path, Error error);
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
  std::vector<std::string> duplicates_;
  std::unique_ptr<File> mismatch_;
  Guid mismatch_guid_;
  std::optional<Error> unreadable_;
  std::string outside_;
};

/// "GUID" or "GUID or GUID": the DataWriteGuids that the parent may have.
std::string WantedGuids(const ParentLocatorInfo& locator);

/// The error for a parent that was not found: one short sentence that says which and why, and what
/// to do. `child` is the child's file name.
Error ParentNotFound(const std::string& child, const ParentLocatorInfo& locator,
                     const ParentSearch& search);

}  // namespace vhdx

#endif  // VHDXKIT_DISK_PARENT_SEARCH_H_
