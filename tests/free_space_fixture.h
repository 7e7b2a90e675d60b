// Disks with file systems on them, made by their own programs, and what is free of them: by a
// provider in this process, by vhdx-free-space, and by partclone.

#ifndef VHDXKIT_TESTS_FREE_SPACE_FIXTURE_H_
#define VHDXKIT_TESTS_FREE_SPACE_FIXTURE_H_

#include <gtest/gtest.h>
#include <vhdxkit/raw_device.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "command.h"
#include "guest/free_map.h"
#include "testing/host_folder.h"

namespace vhdx::tests {

class FreeSpaceTest : public testing::HostFolderTest {
 protected:
  using Provider = Result<guest::FreeSpaceAnswer> (*)(BlockDevice& volume);

  void MakeDisk(uint64_t size_bytes) {
    auto file = New("disk");
    ASSERT_TRUE(file->Resize(size_bytes));
  }

  /// Runs the program with the disk in the place of "DISK", and a file of the folder in that of a
  /// word that begins with "@".
  CommandResult Run(std::vector<std::string> words) {
    for (std::string& word : words) {
      if (word == "DISK") word = PathOf("disk");
      if (word.starts_with('@')) word = PathOf(word.substr(1));
    }
    CommandResult done = RunCommand(words);
    EXPECT_EQ(done.exit_status, 0) << words[0] << ": " << done.out << done.err;
    return done;
  }

  /// A file of the folder, for a program to copy.
  void WriteText(const std::string& name, const std::string& text) {
    std::ofstream(PathOf(name), std::ios::binary) << text;
  }
  std::string ReadText(const std::string& name) {
    std::ifstream stream(PathOf(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }

  /// Changes bytes of the disk.
  void Patch(uint64_t offset, std::span<const std::byte> bytes) {
    auto file = Open("disk", {.access = FileAccess::kReadWrite});
    ASSERT_TRUE(file->WriteAt(offset, bytes));
  }
  std::vector<std::byte> ReadDisk(uint64_t offset, size_t length) {
    std::vector<std::byte> bytes(length);
    EXPECT_TRUE(Open("disk")->ReadExactAt(offset, bytes));
    return bytes;
  }

  guest::FreeSpaceAnswer Ask(Provider provider) {
    auto disk = RawDevice::Open(Open("disk"));
    EXPECT_TRUE(disk) << ToString(disk.error());
    auto answer = provider(**disk);
    EXPECT_TRUE(answer) << ToString(answer.error());
    return *std::move(answer);
  }
  /// Why the volume is left alone, or "".
  std::string ReasonOf(Provider provider) {
    const auto answer = Ask(provider);
    const auto* left = std::get_if<guest::LeftAlone>(&answer);
    return left == nullptr ? "" : left->reason;
  }

  /// Verifies the answer as a command does; empty if it is believed.
  std::string WhyNotBelieved(const guest::FreeSpace& space) {
    auto disk = RawDevice::Open(Open("disk"));
    EXPECT_TRUE(disk) << ToString(disk.error());
    const auto superblocks = guest::ReadSuperblocks(**disk, {0, (*disk)->size_bytes()});
    EXPECT_TRUE(superblocks);
    std::vector<DiskRange> ranges;
    for (const guest::Superblock& superblock : *superblocks) {
      const auto more = guest::SuperblockRanges(superblock, (*disk)->size_bytes());
      ranges.insert(ranges.end(), more.begin(), more.end());
    }
    const auto verified = guest::VerifyFreeSpace(space, (*disk)->size_bytes(), ranges);
    return verified ? "" : verified.error().sentence;
  }

  /// The lines of a map that say what is free.
  static std::string FreeLines(const std::string& map) {
    std::string lines;
    std::istringstream stream(map);
    std::string line;
    bool has_status = false;
    while (std::getline(stream, line)) {
      if (line.starts_with('#')) continue;
      if (has_status && line.ends_with('?')) lines += line + "\n";
      has_status = true;
    }
    return lines;
  }
  std::string FreeLinesOfPartclone(const std::string& program) {
    Run({program, "-D", "-q", "-s", "DISK", "-O", "@partclone.map", "-L", "@partclone.log"});
    return FreeLines(ReadText("partclone.map"));
  }
  std::string MapOf(const guest::FreeSpaceAnswer& answer) {
    std::string text;
    const uint64_t size = Open("disk")->Size().value();
    EXPECT_TRUE(guest::PrintFreeMap(answer, size, [&](std::string_view piece) {
      text += piece;
      return Result<void>{};
    }));
    return text;
  }

  /// The provider's answer, which must be one that is believed.
  guest::FreeSpace Believed(Provider provider) {
    auto answer = Ask(provider);
    if (const auto* left = std::get_if<guest::LeftAlone>(&answer)) {
      ADD_FAILURE() << left->reason;
      return {};
    }
    auto& space = std::get<guest::FreeSpace>(answer);
    EXPECT_EQ(WhyNotBelieved(space), "");
    EXPECT_FALSE(space.free.empty());
    EXPECT_FALSE(space.metadata.empty());
    return std::move(space);
  }

  /// The provider's map is believed, and is partclone's.
  void ExpectAsPartclone(Provider provider, const std::string& program) {
    const std::string lines = FreeLines(MapOf(Believed(provider)));
    EXPECT_EQ(lines, FreeLinesOfPartclone(program));
  }

  /// Changes bytes of the disk at random, mostly where its metadata is, and expects of each answer
  /// that what is believed lies inside and outside of what it must.
  void ExpectHarmlessWhenDamaged(Provider provider, uint64_t rounds) {
    rounds = std::max<uint64_t>(rounds, 60);  // fewer could all be harmless
    const auto whole = std::get<guest::FreeSpace>(Ask(provider));
    std::mt19937_64 random(7);
    uint64_t answered = 0;
    for (uint64_t round = 0; round < rounds; ++round) {
      std::vector<std::pair<uint64_t, std::vector<std::byte>>> before;
      for (uint64_t change = 0; change <= random() % 3; ++change) {
        const DiskRange& range = whole.metadata[random() % whole.metadata.size()];
        const uint64_t length = std::min<uint64_t>(range.length_bytes, 4096);
        const uint64_t offset = range.disk_offset + random() % length;
        before.emplace_back(offset, ReadDisk(offset, 1));
        Patch(offset, std::array{static_cast<std::byte>(random())});
      }
      const auto answer = Ask(provider);
      if (const auto* space = std::get_if<guest::FreeSpace>(&answer)) {
        ++answered;
        if (WhyNotBelieved(*space).empty()) ExpectInside(*space);
      }
      std::ranges::reverse(before);
      for (const auto& [offset, bytes] : before) Patch(offset, bytes);
    }
    EXPECT_GT(answered, 0U) << "no change was small enough to be survived";
    EXPECT_LT(answered, rounds) << "no change was found";
    EXPECT_EQ(std::get<guest::FreeSpace>(Ask(provider)).free, whole.free);
  }

 private:
  void ExpectInside(const guest::FreeSpace& space) {
    const uint64_t size = Open("disk")->Size().value();
    uint64_t end = 0;
    for (const DiskRange& range : space.free) {
      EXPECT_GE(range.disk_offset, end);
      EXPECT_GT(range.length_bytes, 0U);
      end = range.end();
    }
    EXPECT_LE(end, size);
  }
};

}  // namespace vhdx::tests

#endif  // VHDXKIT_TESTS_FREE_SPACE_FIXTURE_H_
