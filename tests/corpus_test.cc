// Every real image of the corpus: contents by library and by command, facts, checks, and nothing
// changed.

#include "corpus.h"

#include <gtest/gtest.h>
#include <vhdxkit/compare.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/raw_device.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <vector>

#include "bytes/arithmetic.h"
#include "command.h"
#include "testing/scale.h"
#include "testing/sha256.h"

namespace vhdx::tests {
namespace {

// Hashing the zeros of a disk of 127 GiB takes a minute; under sanitizers it would take an hour.
constexpr uint64_t kLargestHashedWhenScaled = 4 * kGiB;

std::string HashOfFile(const std::string& path) {
  HostFileSystem files;
  auto file = files.Open(path, {});
  if (!file) return file.error().sentence;
  testing::Sha256 hash;
  std::vector<std::byte> buffer(kMiB);
  for (uint64_t position = 0;;) {
    auto read = (*file)->ReadAt(position, MutableByteSpan(buffer));
    if (!read || *read == 0) return hash.Finish();
    hash.Update(std::span(buffer).first(*read));
    position += *read;
  }
}

std::string HashOfContents(BlockDevice& disk) {
  testing::Sha256 hash;
  std::vector<std::byte> buffer(kMiB);
  for (uint64_t position = 0; position < disk.size_bytes();) {
    const auto piece =
        std::span(buffer).first(std::min<uint64_t>(buffer.size(), disk.size_bytes() - position));
    if (auto read = disk.Read(position, piece); !read) return ToString(read.error());
    hash.Update(piece);
    position += piece.size();
  }
  return hash.Finish();
}

class Corpus : public ::testing::TestWithParam<CorpusImage> {
 protected:
  void SetUp() override {
    folder_ = ::testing::TempDir() + "vhdxkit-corpus-XXXXXX";  // suites may run side by side
    ASSERT_NE(::mkdtemp(folder_.data()), nullptr);
    path_ = Unpack(GetParam(), folder_);
    ASSERT_FALSE(path_.empty()) << "cannot unpack " << GetParam().file;
  }

  // Whatever a test did, the image is as it was.
  void TearDown() override {
    EXPECT_EQ(HashOfFile(path_), GetParam().file_sha256);
    std::filesystem::remove_all(folder_);
    ReportCorpusTestRan(::testing::UnitTest::GetInstance()->current_test_info()->name());
  }

  std::string folder_;
  std::string path_;
};

TEST_P(Corpus, ContentsByLibraryAndByConvert_HashAsTheManifestSays) {
  HostFileSystem files;
  auto disk = Disk::Open(files, path_);
  ASSERT_TRUE(disk) << ToString(disk.error());
  EXPECT_EQ((*disk)->size_bytes(), GetParam().virtual_size);
  if (testing::Scale() == 1 || GetParam().virtual_size <= kLargestHashedWhenScaled) {
    EXPECT_EQ(HashOfContents(**disk), GetParam().content_sha256);
  }

  // The raw disk is held against the library, extent by extent, which has just been held against
  // the manifest.
  const std::string raw_path = folder_ + "/raw";
  const CommandResult converted = RunVhdx({"convert", "-q", path_, raw_path});
  ASSERT_EQ(converted.exit_status, 0) << converted.err;
  auto raw_file = files.Open(raw_path, {});
  ASSERT_TRUE(raw_file);
  auto raw = RawDevice::Open(*std::move(raw_file));
  ASSERT_TRUE(raw);
  auto compared = Compare(**disk, **raw, {.strict = true});
  ASSERT_TRUE(compared) << ToString(compared.error());
  EXPECT_TRUE(compared->identical);
}

TEST_P(Corpus, Info_AgreesWithTheManifest) {
  const CommandResult result = RunVhdx({"info", "--json", path_});
  ASSERT_EQ(result.exit_status, 0) << result.err;
  const auto info = nlohmann::json::parse(result.out);
  const auto& data = info.at("format-specific").at("data");
  const CorpusImage& expected = GetParam();
  EXPECT_EQ(info.at("format"), "vhdx");
  EXPECT_EQ(info.at("virtual-size"), expected.virtual_size);
  EXPECT_EQ(info.at("cluster-size"), expected.block_size);
  EXPECT_EQ(info.at("dirty-flag"), expected.dirty);
  EXPECT_EQ(data.at("subformat"), expected.type);
  EXPECT_EQ(data.at("creator"), expected.producer);
  EXPECT_EQ(data.at("block-size"), expected.block_size);
  EXPECT_EQ(data.at("logical-sector-size"), expected.logical_sector);
  EXPECT_EQ(data.at("physical-sector-size"), expected.physical_sector);
  EXPECT_EQ(data.at("log").at("state"), expected.dirty ? "dirty" : "clean");
  EXPECT_EQ(data.at("file-size"), expected.file_size);
}

TEST_P(Corpus, Check_IsCleanOrSaysWhatIsOdd) {
  const CommandResult result = RunVhdx({"check", "--json", path_});
  const bool odd = GetParam().file.find("disk2vhd") != std::string::npos;
  EXPECT_EQ(result.exit_status, odd ? 3 : 0) << result.out << result.err;
  std::vector<std::string> warnings;
  const auto report = nlohmann::json::parse(result.out);
  for (const auto& finding : report.at("findings")) {
    if (finding.at("severity") != "note") warnings.push_back(finding.at("rule"));
  }
  EXPECT_EQ(warnings,
            odd ? std::vector<std::string>{"header.sequence.equal"} : std::vector<std::string>{});
}

std::string NameOf(const ::testing::TestParamInfo<CorpusImage>& info) {
  std::string name = info.param.name();
  std::ranges::replace_if(name, [](char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Corpus);
INSTANTIATE_TEST_SUITE_P(Images, Corpus, ::testing::ValuesIn(CorpusImages()), NameOf);

TEST(CorpusFolder, RealImages_AreThere) {
  if (CorpusImages().empty()) {
    ReportCorpusTestSkipped("all", "no MANIFEST.tsv in " + CorpusFolder());
    GTEST_SKIP() << "no corpus in " << CorpusFolder() << "; name its folder with VHDXKIT_CORPUS";
  }
  EXPECT_GE(CorpusImages().size(), 13U);
}

}  // namespace
}  // namespace vhdx::tests
