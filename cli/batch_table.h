// What a command did to each of many files, one line a file, after all of them are done.

#ifndef VHDXKIT_CLI_BATCH_TABLE_H_
#define VHDXKIT_CLI_BATCH_TABLE_H_

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace vhdx::cli {

/// The line of one file.
struct BatchRow {
  std::vector<std::string> cells = {};  ///< one under each heading, or none
  std::string remark = {};              ///< why nothing, or not everything, was done
};

class BatchTable {
 public:
  /// The headings of the columns before that of the file. Without any there is no table.
  explicit BatchTable(std::vector<std::string> headings) : headings_(std::move(headings)) {}

  void Add(const std::string& path, BatchRow row);
  /// Empty if there is no table, or no line.
  std::string ToText() const;

 private:
  struct Line {
    std::vector<std::string> cells;
    std::string file;  ///< with the remark
  };
  std::vector<size_t> Widths() const;

  const std::vector<std::string> headings_;
  std::vector<Line> lines_;
};

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_BATCH_TABLE_H_
