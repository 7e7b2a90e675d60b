#include "cli/batch.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "bytes/border.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "json/error_json.h"

namespace vhdx::cli {
namespace {

constexpr uint64_t kMostJobs = 256;

// From the worst to the best.
constexpr auto kByGravity =
    std::to_array({ExitStatus::kInterrupted, ExitStatus::kCorrupt, ExitStatus::kFailed,
                   ExitStatus::kNotVhdx, ExitStatus::kWarnings, ExitStatus::kDone});

ExitStatus Worse(ExitStatus a, ExitStatus b) {
  return std::ranges::find(kByGravity, a) < std::ranges::find(kByGravity, b) ? a : b;
}

void AdviseOnFolder(FileSystem& files, const std::string& path, Error& error) {
  if (const auto is_folder = files.IsFolder(path); is_folder && *is_folder) {
    error.sentence += "; -r takes the images in it and below it";
  }
}

// The files themselves; a directory that cannot be taken apart is in the list, and fails later.
std::vector<std::string> FilesOf(const Invocation& invocation,
                                 const std::vector<std::string>& names, bool recursive) {
  if (!recursive) return names;
  std::vector<std::string> files;
  for (const std::string& name : names) {
    const auto is_folder = invocation.files.IsFolder(name);
    if (!is_folder || !*is_folder) {
      files.push_back(name);
      continue;
    }
    for (const std::string& folder : FoldersBelow(invocation.files, name)) {
      auto images = ImagesIn(invocation.files, folder);
      if (images) {
        files.insert(files.end(), images->begin(), images->end());
      } else {
        files.push_back(folder);
      }
    }
  }
  return files;
}

class Batch {
 public:
  Batch(const Invocation& invocation, const BatchArguments& arguments, const WorkOnFile& work,
        std::vector<std::string> files, const std::vector<std::string>& headings)
      : invocation_(invocation),
        json_lines_(arguments.json_lines),
        work_(work),
        files_(std::move(files)),
        table_(headings),
        results_(files_.size()) {}

  Result<ExitStatus> Run(uint64_t jobs) {
    if (is_array()) invocation_.out.Write("[");
    {
      std::vector<std::jthread> threads;
      const uint64_t count = std::min<uint64_t>(jobs, files_.size());
      for (uint64_t i = 1; i < count; ++i) threads.emplace_back([this] { WorkOnSome(); });
      WorkOnSome();
    }
    if (is_array()) invocation_.out.Write(printed_ == 0 ? "]\n" : "\n]\n");
    if (is_text()) PrintTable();
    if (invocation_.interrupted) return Fail(ErrorCode::kCancelled, "interrupted");
    return status_;
  }

 private:
  bool is_array() const { return invocation_.options.json && !json_lines_; }
  bool is_text() const { return !invocation_.options.json && !invocation_.options.quiet; }

  void WorkOnSome() {
    for (size_t i = next_++; i < files_.size() && !invocation_.interrupted; i = next_++) {
      End(i, WorkOn(files_[i]));
    }
  }

  // What is to be printed is the text of the result.
  FileResult WorkOn(const std::string& path) {
    // Its own messages: warnings belong to its document.
    const Messages messages(invocation_.error_fd,
                            {.json = invocation_.options.json, .quiet = invocation_.options.quiet});
    const Invocation alone{.command = invocation_.command,
                           .options = invocation_.options,
                           .files = invocation_.files,
                           .out = invocation_.out,
                           .messages = messages,
                           .interrupted = invocation_.interrupted,
                           .error_fd = invocation_.error_fd};
    auto result = [&]() -> Result<FileResult> {
      try {
        return work_(alone, path);
      } catch (...) {
        return CaughtException();
      }
    }();
    if (!result) {
      AdviseOnFolder(invocation_.files, path, result.error());
      result.error() = WithAdvice(invocation_.command, std::move(result.error()));
      invocation_.messages.Report(result.error());
      const ExitStatus status = result.error().code == ErrorCode::kCancelled
                                    ? ExitStatus::kInterrupted
                                    : ExitStatus::kFailed;
      Json json = {{"filename", path}, {"exit-status", static_cast<int>(status)}};
      json.update(ErrorToJson(result.error()));
      return {.status = status,
              .text = json_lines_  ? ToLine(json)
                      : is_array() ? ToDocument(json)
                                   : "",
              .row = {.remark = std::string(Sentence(result.error()))}};
    }
    result->json = messages.WithWarnings(std::move(result->json));
    if (json_lines_) {
      const Json json = {{"filename", path},
                         {"exit-status", static_cast<int>(result->status)},
                         {"document", std::move(result->json)}};
      return {.status = result->status, .text = ToLine(json)};
    }
    if (is_array()) return {.status = result->status, .text = ToDocument(result->json)};
    return *std::move(result);
  }

  // Prints what is next in the order of the names; lines, as they come.
  void End(size_t index, FileResult result) {
    const std::lock_guard lock(mutex_);
    status_ = Worse(status_, result.status);
    if (json_lines_) {
      invocation_.out.Write(result.text + "\n");
      return;
    }
    results_[index] = std::move(result);
    for (; next_to_print_ < results_.size() && results_[next_to_print_]; ++next_to_print_) {
      FileResult next = std::exchange(*results_[next_to_print_], {});
      Print(next.TextFor(advised_));
      table_.Add(files_[next_to_print_], std::move(next.row));
    }
  }

  void Print(std::string text) {
    if (text.empty()) return;
    if (is_array()) {
      text.pop_back();  // the line feed of a document
      invocation_.out.Write(printed_ == 0 ? "\n" : ",\n");
    } else if (printed_ > 0) {
      invocation_.out.Write("\n");
    }
    ++printed_;
    invocation_.out.Write(text);
  }

  void PrintTable() {
    const std::string table = table_.ToText();
    if (table.empty()) return;
    if (printed_ > 0) invocation_.out.Write("\n");
    invocation_.out.Write(table);
  }

  const Invocation& invocation_;
  const bool json_lines_;
  const WorkOnFile& work_;
  const std::vector<std::string> files_;
  std::atomic<size_t> next_ = 0;
  std::mutex mutex_;  // guards what follows
  BatchTable table_;
  std::vector<std::optional<FileResult>> results_;
  size_t next_to_print_ = 0;
  size_t printed_ = 0;
  bool advised_ = false;
  ExitStatus status_ = ExitStatus::kDone;
};

Result<ExitStatus> RunOnOne(const Invocation& invocation, const std::string& path,
                            const WorkOnFile& work) {
  auto result = work(invocation, path);
  if (!result) {
    AdviseOnFolder(invocation.files, path, result.error());
    return std::unexpected(std::move(result.error()));
  }
  const Json document = invocation.messages.WithWarnings(std::move(result->json));
  bool advised = false;
  invocation.out.Write(invocation.options.json ? ToDocument(document) : result->TextFor(advised));
  return result->status;
}

}  // namespace

void AddBatch(CLI::App& app, const std::string& name, BatchArguments& arguments,
              const std::string& help) {
  AddFileList(app, name, arguments.files, help);
  AddCount(app, "--jobs", arguments.jobs, {.least = 1, .most = kMostJobs},
           "number of files to process in parallel (default: 1)");
  AddFlag(app, "--json-lines", arguments.json_lines,
          "print one JSON object per file, on one line, as each file is done");
}

Result<ExitStatus> RunBatch(const Invocation& invocation, const BatchArguments& arguments,
                            const WorkOnFile& work, const std::vector<std::string>& headings) {
  const FileListArguments& list = arguments.files;
  if (!list.is_list() && !arguments.json_lines) {
    return RunOnOne(invocation, list.names.front(), work);
  }
  const auto names = VHDX_TRY(ReadNames(list, invocation.interrupted));
  Invocation each = invocation;
  each.options.json = invocation.options.json || arguments.json_lines;
  // An image that is found in a tree may have its parent elsewhere in that tree.
  for (const std::string& name : names) {
    const auto is_folder = invocation.files.IsFolder(name);
    if (list.recursive && is_folder && *is_folder) each.options.search.folders.push_back(name);
  }
  // Bars of several files would overwrite each other.
  if (arguments.jobs > 1) each.options.progress = ProgressMode::kNone;
  const Messages messages(invocation.error_fd,
                          {.json = each.options.json, .quiet = invocation.options.quiet});
  const Invocation lines{.command = each.command,
                         .options = each.options,
                         .files = each.files,
                         .out = each.out,
                         .messages = messages,
                         .interrupted = each.interrupted,
                         .error_fd = each.error_fd};
  auto files = FilesOf(invocation, names, list.recursive);
  if (files.empty()) {
    messages.Note(Join(names, ", "), "no *.vhdx or *.avhdx in it or below it");
  }
  return Batch(lines, arguments, work, std::move(files), headings).Run(arguments.jobs);
}

}  // namespace vhdx::cli
