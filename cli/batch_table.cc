#include "cli/batch_table.h"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>

#include "bytes/formatting.h"
#include "cli/printable.h"

namespace vhdx::cli {
namespace {

constexpr std::string_view kGap = "  ";

}  // namespace

void BatchTable::Add(const std::string& path, BatchRow row) {
  row.cells.resize(headings_.size());
  std::string file = Printable(path);
  if (!row.remark.empty()) file += ": " + Printable(row.remark);
  lines_.push_back({.cells = std::move(row.cells), .file = std::move(file)});
}

std::vector<size_t> BatchTable::Widths() const {
  std::vector<size_t> widths;
  for (size_t column = 0; column < headings_.size(); ++column) {
    size_t width = headings_[column].size();
    for (const Line& line : lines_) width = std::max(width, line.cells[column].size());
    widths.push_back(width);
  }
  return widths;
}

std::string BatchTable::ToText() const {
  if (headings_.empty() || lines_.empty()) return {};
  const std::vector<size_t> widths = Widths();
  const auto row = [&](const std::vector<std::string>& cells, const std::string& file) {
    std::string text;
    for (size_t column = 0; column < cells.size(); ++column) {
      text += Format("{:>{}}{}", cells[column], widths[column], kGap);
    }
    return text + file + "\n";
  };
  std::string text = row(headings_, "file");
  for (const Line& line : lines_) text += row(line.cells, line.file);
  return text;
}

}  // namespace vhdx::cli
