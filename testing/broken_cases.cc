#include "testing/broken_cases.h"

#include <utility>

#include "testing/image_builder.h"

namespace vhdx::testing {

std::vector<BrokenCase> BrokenCases() {
  std::vector<BrokenCase> all;
  for (const auto& part : {broken_file::Cases(), broken_header::Cases(), broken_log::Cases(),
                           broken_region::Cases(), broken_metadata::Cases(),
                           broken_locator::Cases(), broken_chain::Cases(), broken_bat::Cases()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

Result<void> StageFiles(const BrokenCase& broken_case, MemoryFileSystem& files) {
  for (const CaseFile& file : broken_case.files) {
    if (file.bytes) {
      files.AddFile(file.path, ByteSpan(*file.bytes));
    } else if (auto built = BuildAt(file.spec, files, file.path); !built) {
      return std::unexpected(std::move(built.error()));
    }
  }
  return {};
}

std::string At(const Rule& rule, uint64_t file_offset) {
  return std::string(rule.id) + "@" + std::to_string(file_offset);
}

ImageSpec TwinImage() {
  ImageSpec spec = DynamicImage({.disk_size = 8 * kMiB, .block_size = kMiB});
  spec.blocks = {FullBlock(0), FullBlock(2), ZeroBlock(3), FullBlock(7)};
  return spec;
}

ImageSpec TwinChild() {
  ImageSpec spec = ChildOf(TwinImage(), ".\\base.vhdx");
  spec.blocks = {PartialBlock(0, {{0, 1}, {9, 30}, {2047, 1}}), FullBlock(1), ZeroBlock(2)};
  return spec;
}

BrokenCase Opens(std::string name, ImageSpec spec, std::vector<std::string> findings) {
  return {.name = std::move(name),
          .files = {{.path = "/vm/disk.vhdx", .spec = std::move(spec)}},
          .findings = std::move(findings)};
}

BrokenCase Refused(std::string name, ImageSpec spec, std::string outcome,
                   std::vector<std::string> findings) {
  BrokenCase result = Opens(std::move(name), std::move(spec), std::move(findings));
  result.refused = std::move(outcome);
  return result;
}

ImageSpec Patched(std::vector<Patch> patches) {
  ImageSpec spec = TwinImage();
  spec.patches = std::move(patches);
  return spec;
}

}  // namespace vhdx::testing
