// vhdx create and vhdx snapshot: a new, empty disk, or a child of one.

#include <vhdxkit/create.h>
#include <vhdxkit/inspect.h>

#include <memory>
#include <utility>

#include "bytes/formatting.h"
#include "bytes/try.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/disk_size.h"
#include "cli/disk_source.h"
#include "cli/new_image_arguments.h"
#include "cli/printable.h"
#include "cli/size_text.h"
#include "json/json.h"

namespace vhdx::cli {
namespace {

struct CreateArguments {
  std::string path;
  std::optional<uint64_t> size_bytes;
  std::string parent;  // empty: none
  NewImageArguments image;
  bool force = false;
  bool orphan_children = false;
  bool sync = false;
  bool is_snapshot = false;

  Subformat subformat() const {
    if (!parent.empty()) return Subformat::kDifferencing;
    return image.fixed ? Subformat::kFixed : Subformat::kDynamic;
  }
};

Result<void> CheckName(const CreateArguments& arguments) {
  if (!arguments.parent.empty()) return CheckNewName(arguments.path, ".avhdx");
  return CheckNewName(arguments.path, ".vhdx",
                      AdviseOnNewDisk(FormatByName(arguments.path), arguments.path));
}

Result<void> CheckCreateArguments(const CreateArguments& arguments) {
  VHDX_TRY(CheckName(arguments));
  if (arguments.parent.empty() && !arguments.size_bytes) {
    if (ParseSize(arguments.path)) {
      return Fail(ErrorCode::kInvalidArgument,
                  Format("FILE is missing: `vhdx create FILE {}`", arguments.path));
    }
    return Fail(ErrorCode::kInvalidArgument, "SIZE is missing: how large the disk is, such as 40G",
                arguments.path);
  }
  if (arguments.size_bytes) {
    VHDX_TRY(
        CheckDiskSize(*arguments.size_bytes, arguments.image.padded_sector_size(), arguments.path));
  }
  return {};
}

// What a child has of its parent, in words. That the parent can be read is for Create to say.
std::string IdentityOf(const Invocation& invocation, const std::string& parent) {
  if (parent.empty()) return {};
  const auto inspection = Inspect(invocation.files, parent, invocation.ChainFor({}));
  return inspection ? inspection->image.header().data_write_guid.ToString() : "";
}

Json ToJson(const CreateArguments& arguments, const CreateReport& report) {
  Json json = {{"filename", arguments.path},
               {"format", "vhdx"},
               {"subformat", SubformatName(arguments.subformat())},
               {"virtual-size", report.size_bytes},
               {"cluster-size", report.block_size_bytes},
               {"file-size", report.file_size_bytes}};
  if (!arguments.parent.empty()) json["backing-filename"] = arguments.parent;
  return json;
}

std::string ToText(const CreateArguments& arguments, const CreateReport& report) {
  std::string text =
      Format("created {}: {}, {}, {} blocks (file size {})", Printable(arguments.path),
             SubformatName(arguments.subformat()), FormatSize(report.size_bytes),
             FormatSize(report.block_size_bytes), FormatSize(report.file_size_bytes));
  if (!arguments.parent.empty()) {
    text += Format("; its parent is {}, which must not be changed from now on",
                   Printable(arguments.parent));
  }
  return text + "\n";
}

Result<ExitStatus> RunCreate(const Invocation& invocation, const CreateArguments& arguments) {
  if (auto checked = CheckCreateArguments(arguments); !checked) {
    return invocation.Misused(checked.error());
  }
  CreateOptions options = ToCreateOptions(
      arguments.image, arguments.subformat(),
      Format("size {} parent {}", arguments.size_bytes.value_or(0),
             arguments.image.reproducible ? IdentityOf(invocation, arguments.parent) : ""));
  options.size_bytes = arguments.size_bytes.value_or(0);
  options.parent_path = arguments.parent;
  options.search = invocation.options.search;
  options.replace_existing = arguments.force;
  options.orphan_children = arguments.orphan_children;
  options.access_of_parent = arguments.is_snapshot;
  options.sync = arguments.sync;
  Progress progress(invocation.options.progress, invocation.error_fd);
  auto report = Create(invocation.files, arguments.path, options, invocation.control(progress));
  if (!report) {
    return std::unexpected(ExplainWrongFormat(invocation.files, std::move(report.error())));
  }
  if (!arguments.parent.empty()) {
    NoteParentElsewhere(invocation, arguments.path, arguments.parent);
  }
  WarnOfName(invocation, arguments.path, kVhdx);
  const bool json = invocation.options.json;
  if (json || !invocation.options.quiet) {
    invocation.out.Write(
        json ? ToDocument(invocation.messages.WithWarnings(ToJson(arguments, *report)))
             : ToText(arguments, *report));
  }
  return ExitStatus::kDone;
}

void AddTargetOptions(CLI::App& app, CreateArguments& arguments) {
  AddFlag(app, "--force", arguments.force, "replace the file if it exists");
  AddFlag(app, "--orphan-children", arguments.orphan_children,
          "with --force: replace even a parent of other images, which become unreadable");
  AddNeed(app, "--orphan-children", "--force");
  AddFlag(app, "--sync", arguments.sync, "flush the file to stable storage before renaming it");
}

Command CommandFor(CLI::App& app, const std::shared_ptr<CreateArguments>& arguments) {
  return {.app = &app,
          .run = [arguments](
                     const Invocation& invocation) { return RunCreate(invocation, *arguments); },
          .if_parent = "choose another name; --orphan-children replaces it anyway",
          .if_interrupted = [](const Invocation&) { return "the file was not written"; }};
}

}  // namespace

Command AddCreate(CLI::App& root) {
  auto arguments = std::make_shared<CreateArguments>();
  CLI::App& app = AddCommand(
      root, "create",
      "Create a new, empty disk. With --parent, SIZE defaults to the size of the parent.");
  AddFile(app, "FILE", arguments->path, "the image to create");
  AddOptionalSize(app, "SIZE", arguments->size_bytes, "size of the disk, such as 40G",
                  [arguments = arguments.get()](const std::string& text) {
                    // The file is read before the size.
                    return ParseSize(arguments->path)
                               ? Format("the file comes first: `vhdx create {} {}`",
                                        QuoteForShell(text), QuoteForShell(arguments->path))
                               : "";
                  });
  AddPath(app, "--parent", arguments->parent, "create a differencing child of this image");
  AddBaseDiskOptions(app, arguments->image, NewImageRole::kDisk);
  AddConflict(app, "--logical-sector", "--parent");
  AddConflict(app, "--fixed", "--parent");
  AddNewImageOptions(app, arguments->image, NewImageRole::kDisk);
  AddGuid(app, "--disk-id", arguments->image.disk_id,
          "ID of the disk (default: random, or that of the parent)");
  AddTargetOptions(app, *arguments);
  return CommandFor(app, arguments);
}

Command AddSnapshot(CLI::App& root) {
  auto arguments = std::make_shared<CreateArguments>();
  arguments->is_snapshot = true;
  CLI::App& app = AddCommand(
      root, "snapshot",
      "Create a differencing child of an image. The image must not be modified afterwards.");
  AddFile(app, "FILE", arguments->parent, "the image that becomes the parent");
  AddFile(app, "CHILD", arguments->path, "the child to create, which receives all writes");
  AddNewImageOptions(app, arguments->image, NewImageRole::kChild);
  AddTargetOptions(app, *arguments);
  return CommandFor(app, arguments);
}

}  // namespace vhdx::cli
