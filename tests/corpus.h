// The real images of the corpus, unpacked, with what its manifest says of each.
//
// The folder is named by VHDXKIT_CORPUS; by default it is ../shared/corpus, seen from the project's
// root. A corpus test says in the file named by VHDXKIT_CORPUS_REPORT whether it ran, so that
// run-tests can count.

#ifndef VHDXKIT_TESTS_CORPUS_H_
#define VHDXKIT_TESTS_CORPUS_H_

#include <cstdint>
#include <string>
#include <vector>

namespace vhdx::tests {

struct CorpusImage {
  std::string file;  ///< name.vhdx.xz
  std::string producer;
  std::string type;
  uint64_t virtual_size = 0;
  uint64_t block_size = 0;
  uint32_t logical_sector = 0;
  uint32_t physical_sector = 0;
  bool dirty = false;
  uint64_t file_size = 0;
  std::string file_sha256;
  std::string content_sha256;

  std::string name() const { return file.substr(0, file.find('.')); }
};

/// The rows of the manifest; none where there is no corpus.
std::vector<CorpusImage> CorpusImages();

/// Where it is looked for.
std::string CorpusFolder();

/// Unpacks an image into a folder; its path there, or empty if that failed.
std::string Unpack(const CorpusImage& image, const std::string& folder);

void ReportCorpusTestRan(const std::string& name);
void ReportCorpusTestSkipped(const std::string& name, const std::string& why);

}  // namespace vhdx::tests

#endif  // VHDXKIT_TESTS_CORPUS_H_
