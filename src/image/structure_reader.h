// What the readers of structures (image/header_reader.h, image/region_reader.h) have in common: the
// file, what was found in it so far, and where problems are reported.

#ifndef VHDXKIT_IMAGE_STRUCTURE_READER_H_
#define VHDXKIT_IMAGE_STRUCTURE_READER_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/finding.h>
#include <vhdxkit/image_info.h>
#include <vhdxkit/structures.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "format/findings.h"
#include "format/problems.h"

namespace vhdx {

/// The header that says where the log is: the current one or, if neither is, one that has fields.
/// Null if there is none.
const HeaderInfo* HeaderInUse(const ImageStructures& found);

class StructureReader {
 public:
  StructureReader(File& file, ImageStructures& found, Problems& problems)
      : file_(file), found_(found), problems_(&problems) {}
  StructureReader(const StructureReader&) = delete;
  StructureReader& operator=(const StructureReader&) = delete;

  /// Of the file as it is now: before replay, or after it.
  void ReadSize();
  uint64_t file_size() const { return file_size_; }

 protected:
  using Copy = std::vector<std::byte>;

  ~StructureReader() = default;

  File& file() { return file_; }
  ImageStructures& found() { return found_; }
  const ImageStructures& found() const { return found_; }
  Problems& problems() { return *problems_; }
  Place At(uint64_t file_offset) const { return {file_.name(), file_offset}; }

  /// From now on, what is read is where a guess says that it is: it is shown, and what is wrong
  /// with it is not a problem of the image.
  void BeginToGuess() { problems_ = &guesses_; }

  Result<Copy> Read(uint64_t file_offset, uint64_t length);
  /// One of two copies; empty if it cannot be read. If the host fails to read both, `host_error`
  /// says why; one of them is reported as `unreadable`.
  Copy ReadCopy(const Place& place, uint64_t length, const Rule& unreadable, StructureVerdict& of,
                std::optional<Error>& host_error);
  /// The error of a file that ends before `end`.
  Error CutBefore(uint64_t end) const;
  /// A structure that could not be read. That the file is cut off is one problem, however much was
  /// in the part that is missing: it is reported once.
  void RefuseUnread(StructureVerdict& of, FileRange range, Error error, bool is_known_to_be_cut);
  std::optional<FileRange> UsableLogRange() const;

 private:
  File& file_;
  ImageStructures& found_;
  Problems* problems_;
  Problems guesses_;
  uint64_t file_size_ = std::numeric_limits<uint64_t>::max();  // or unknown: ends nothing
};

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_STRUCTURE_READER_H_
