#include "disk/open_image.h"

#include <utility>

#include "bytes/formatting.h"
#include "bytes/try.h"
#include "disk/parent_search.h"
#include "format/rules.h"

namespace vhdx {

namespace {

// Reading goes on where the host has no locks; writing does not.
Result<void> LockFor(DiskAccess access, File& file, LockPolicy policy, Findings& findings) {
  if (policy == LockPolicy::kIgnore) return {};
  const bool writes = access == DiskAccess::kReadWrite;
  auto locked = file.Lock(writes ? LockMode::kExclusive : LockMode::kShared);
  if (locked || writes || locked.error().code != ErrorCode::kUnsupported) return locked;
  findings.Add(rules::kHostNoLocks, {file.name(), 0});
  return {};
}

LogUse LogUseFor(const ImageOptions& options) {
  return options.ignore_log ? LogUse::kIgnore : LogUse::kReplay;
}

}  // namespace

Result<Structures> OpenStructures(FileSystem& files, const std::string& path,
                                  const ImageOptions& options, Findings& findings) {
  auto file = VHDX_TRY(files.Open(path, {}));
  return OpenStructures(std::move(file), options, findings);
}

Result<Structures> OpenStructures(std::unique_ptr<File> file, const ImageOptions& options,
                                  Findings& findings) {
  VHDX_TRY(LockFor(DiskAccess::kReadOnly, *file, options.lock, findings));
  return ReadStructures(std::move(file), LogUseFor(options));
}

Result<std::unique_ptr<Image>> OpenImage(FileSystem& files, const std::string& path,
                                         const ImageOptions& options, Findings& findings) {
  auto structures = VHDX_TRY(OpenStructures(files, path, options, findings));
  return Image::FromStructures(std::move(structures), findings);
}

Result<std::unique_ptr<Image>> OpenImage(std::unique_ptr<File> file, const ImageOptions& options,
                                         Findings& findings) {
  auto structures = VHDX_TRY(OpenStructures(std::move(file), options, findings));
  return Image::FromStructures(std::move(structures), findings);
}

Result<std::unique_ptr<Image>> OpenTopImage(FileSystem& files, const std::string& path,
                                            DiskAccess access, const ImageOptions& options,
                                            Findings& findings) {
  const bool writes = access == DiskAccess::kReadWrite;
  auto file = VHDX_TRY(
      files.Open(path, {.access = writes ? FileAccess::kReadWrite : FileAccess::kReadOnly}));
  VHDX_TRY(LockFor(access, *file, options.lock, findings));
  return Image::FromStructures(ReadStructures(std::move(file), LogUseFor(options)), findings);
}

Result<std::unique_ptr<File>> FindParent(FileSystem& files, Image& child, size_t depth,
                                         const ChainOptions& options, Findings& findings) {
  const ParentLocatorInfo& locator = *child.info().parent_locator;
  const bool is_named = depth < options.parents.size();
  auto search = VHDX_TRY(ParentSearch::Start(files, child.file(), options.search));
  auto file =
      VHDX_TRY(is_named ? search.Open(options.parents[depth], locator) : search.Find(locator));
  if (file != nullptr) {
    if (!search.duplicates().empty()) {
      findings.Add(rules::kParentAmbiguous, {file->name(), 0},
                   file->name() + ", " + Join(search.duplicates(), ", "));
    }
    return file;
  }
  if (search.mismatch() == nullptr || !options.ignore_parent_id) {
    return std::unexpected(ParentNotFound(child.info().filename, locator, search));
  }
  file = search.TakeMismatch();
  findings.Add(rules::kParentIdIgnored, {file->name(), 0},
               "DataWriteGuid " + search.mismatch_guid().ToString(), WantedGuids(locator));
  return file;
}

Result<std::unique_ptr<Image>> OpenParent(FileSystem& files, Image& child, size_t depth,
                                          const ChainOptions& options, Findings& findings) {
  auto file = VHDX_TRY(FindParent(files, child, depth, options, findings));
  auto parent = VHDX_TRY(OpenImage(std::move(file), options.images, findings));
  VHDX_TRY(CheckSectorSizes(child, *parent));
  return parent;
}

Result<void> CheckSectorSizes(Image& child, Image& parent) {
  const uint32_t wanted = child.geometry().logical_sector_size();
  const uint32_t found = parent.geometry().logical_sector_size();
  if (found == wanted) return {};
  return Corrupt(rules::kParentSectorSize,
                 {parent.info().filename, parent.info().metadata_region.file_offset},
                 std::to_string(found), std::to_string(wanted));
}

Result<void> RefuseUnusedParents(const Image& bottom, size_t chain_length,
                                 const ChainOptions& options) {
  if (options.parents.size() < chain_length) return {};
  return Fail(ErrorCode::kInvalidArgument,
              "the image has no parent, but " + options.parents[chain_length - 1] +
                  " was named as its parent",
              bottom.info().filename);
}

}  // namespace vhdx
