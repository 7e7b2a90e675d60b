#include "corpus.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "command.h"

namespace vhdx::tests {
namespace {

std::vector<std::string> SplitRow(const std::string& line) {
  std::vector<std::string> fields;
  std::istringstream stream(line);
  for (std::string field; std::getline(stream, field, '\t');) fields.push_back(field);
  return fields;
}

void Report(const std::string& line) {
  if (const char* path = std::getenv("VHDXKIT_CORPUS_REPORT")) {
    std::ofstream(path, std::ios::app) << line << '\n';
  }
}

}  // namespace

std::string CorpusFolder() {
  const char* folder = std::getenv("VHDXKIT_CORPUS");
  if (folder != nullptr && *folder != '\0') return folder;
  return VHDXKIT_SOURCE_DIR "/../shared/corpus";
}

std::vector<CorpusImage> CorpusImages() {
  std::ifstream manifest(CorpusFolder() + "/MANIFEST.tsv");
  std::string line;
  if (!std::getline(manifest, line)) return {};
  const std::vector<std::string> columns = SplitRow(line);
  std::vector<CorpusImage> images;
  while (std::getline(manifest, line)) {
    const std::vector<std::string> fields = SplitRow(line);
    std::map<std::string, std::string> row;
    for (size_t i = 0; i < fields.size() && i < columns.size(); ++i) row[columns[i]] = fields[i];
    images.push_back({.file = row["file"],
                      .producer = row["producer"],
                      .type = row["type"],
                      .virtual_size = std::stoull(row["virtual_size"]),
                      .block_size = std::stoull(row["block_size"]),
                      .logical_sector = static_cast<uint32_t>(std::stoul(row["logical_sector"])),
                      .physical_sector = static_cast<uint32_t>(std::stoul(row["physical_sector"])),
                      .dirty = row["log_state"] == "DIRTY",
                      .file_size = std::stoull(row["file_size"]),
                      .file_sha256 = row["file_sha256"],
                      .content_sha256 = row["content_sha256"]});
  }
  return images;
}

std::string Unpack(const CorpusImage& image, const std::string& folder) {
  const std::string target = folder + "/" + image.file;
  std::error_code failed;
  std::filesystem::copy_file(CorpusFolder() + "/" + image.file, target, failed);
  if (failed || RunCommand({"xz", "--decompress", "--force", target}).exit_status != 0) return "";
  return target.substr(0, target.size() - std::string(".xz").size());
}

void ReportCorpusTestRan(const std::string& name) { Report("ran " + name); }

void ReportCorpusTestSkipped(const std::string& name, const std::string& why) {
  Report("skipped " + name + ": " + why);
}

}  // namespace vhdx::tests
