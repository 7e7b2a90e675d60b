// The plugin's callbacks, called as nbdkit calls them but in this process: its own code runs under
// the sanitizers, on files in memory that can fail. tests/nbd_test.cc has the real nbdkit.

#define NBDKIT_API_VERSION 2
#include <gtest/gtest.h>
#include <nbdkit-plugin.h>
#include <unistd.h>
#include <vhdxkit/create.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/inspect.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "control/control_client.h"
#include "json/json.h"
#include "nbdkit/files.h"
#include "testing/fault_file.h"
#include "testing/image_builder.h"
#include "testing/image_spec.h"
#include "testing/memory_file_system.h"

extern "C" nbdkit_plugin* plugin_init();

// What nbdkit keeps of a reply to a request for extents.
struct nbdkit_extents {
  struct Extent {
    uint64_t offset;
    uint64_t length;
    uint32_t type;
  };
  std::vector<Extent> list;
};

namespace vhdx::nbd {
namespace {

// What the plugin told nbdkit. Requests come from several threads.
class Reports {
 public:
  void Add(std::string sentence) {
    const std::lock_guard lock(mutex_);
    sentences_.push_back(std::move(sentence));
  }
  std::vector<std::string> Take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(sentences_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> sentences_;
};

Reports reports;
std::atomic<int> shutdowns = 0;  // that the plugin asked for
thread_local int error_of_thread = 0;

struct Host {
  testing::MemoryFileSystem memory;
  std::shared_ptr<testing::FaultPlan> plan = std::make_shared<testing::FaultPlan>();
  testing::FaultFileSystem files{memory, plan};
};

std::unique_ptr<Host> host;

}  // namespace

FileSystem& Files() { return host->files; }

namespace {

using Bytes = std::vector<std::byte>;

constexpr uint64_t kDiskSize = 64 * kMiB;
constexpr uint64_t kBlock = 2 * kMiB;

Bytes Filled(size_t length, int value) { return Bytes(length, static_cast<std::byte>(value)); }

class NbdkitPlugin : public ::testing::Test {
 protected:
  void SetUp() override {
    host = std::make_unique<Host>();
    reports.Take();
    plugin_.load();
  }

  void TearDown() override {
    if (ended_) return;
    End();
  }

  void End() {
    plugin_.cleanup();
    plugin_.unload();
    ended_ = true;
  }

  void MakeDisk(const std::string& path, testing::ImageSpec spec) {
    host->memory.AddFile(path);
    auto file = *host->memory.Open(path, {.access = FileAccess::kReadWrite});
    ASSERT_TRUE(testing::Build(spec, *file));
  }

  void MakeDisk() {
    MakeDisk("/disk.vhdx", testing::DynamicImage({.disk_size = kDiskSize, .block_size = kBlock}));
  }

  /// Configures and gets ready; the parameters as on nbdkit's command line.
  int Start(const std::vector<std::pair<std::string, std::string>>& parameters) {
    for (const auto& [key, value] : parameters) {
      if (const int answer = plugin_.config(key.c_str(), value.c_str()); answer != 0) return answer;
    }
    if (const int answer = plugin_.config_complete(); answer != 0) return answer;
    return plugin_.get_ready();
  }

  void* Connect() { return plugin_.open(0); }

  int Write(void* handle, uint64_t offset, const Bytes& bytes) {
    return plugin_.pwrite(handle, bytes.data(), static_cast<uint32_t>(bytes.size()), offset, 0);
  }

  Bytes Read(void* handle, uint64_t offset, size_t length) {
    Bytes bytes = Filled(length, 0xEE);
    if (plugin_.pread(handle, bytes.data(), static_cast<uint32_t>(length), offset, 0) != 0) {
      bytes.clear();
    }
    return bytes;
  }

  nbdkit_plugin& plugin_ = *plugin_init();

 private:
  bool ended_ = false;
};

TEST_F(NbdkitPlugin, DescribesTheDisk) {
  MakeDisk();
  ASSERT_EQ(Start({{"file", "/disk.vhdx"}}), 0);
  void* const disk = Connect();
  ASSERT_NE(disk, nullptr);
  EXPECT_EQ(plugin_.get_size(disk), static_cast<int64_t>(kDiskSize));
  EXPECT_EQ(plugin_.can_write(disk), 1);
  EXPECT_EQ(plugin_.can_flush(disk), 1);
  EXPECT_EQ(plugin_.can_trim(disk), 1);
  EXPECT_EQ(plugin_.can_multi_conn(disk), 1);
  uint32_t minimum = 0;
  uint32_t preferred = 0;
  uint32_t maximum = 0;
  ASSERT_EQ(plugin_.block_size(disk, &minimum, &preferred, &maximum), 0);
  EXPECT_EQ(minimum, 1U);
  EXPECT_EQ(preferred, 4096U);
  EXPECT_EQ(maximum, 64U << 20);
  plugin_.close(disk);
}

TEST_F(NbdkitPlugin, RequestsOfAnyAlignmentReadBack) {
  MakeDisk();
  ASSERT_EQ(Start({{"file", "/disk.vhdx"}}), 0);
  void* const disk = Connect();
  ASSERT_NE(disk, nullptr);
  EXPECT_EQ(Write(disk, kBlock - 7, Filled(1001, 0x5A)), 0);
  EXPECT_EQ(plugin_.flush(disk, 0), 0);
  EXPECT_EQ(Read(disk, kBlock - 7, 1001), Filled(1001, 0x5A));
  EXPECT_EQ(plugin_.trim(disk, 500, kBlock, 0), 0);
  EXPECT_EQ(plugin_.zero(disk, 3, kBlock - 7, 0), 0);
  EXPECT_EQ(plugin_.zero(disk, 4, kBlock - 4, NBDKIT_FLAG_MAY_TRIM), 0);
  EXPECT_EQ(Read(disk, kBlock - 7, 507), Filled(507, 0));
  EXPECT_EQ(Read(disk, kBlock + 500, 494), Filled(494, 0x5A));
  plugin_.close(disk);
}

TEST_F(NbdkitPlugin, WhatIsFlushed_IsInTheFileAfterTheServerEnds) {
  MakeDisk();
  ASSERT_EQ(Start({{"file", "/disk.vhdx"}, {"access", "write"}}), 0);
  void* disk = Connect();
  ASSERT_NE(disk, nullptr);
  EXPECT_EQ(Write(disk, 12345, Filled(777, 3)), 0);
  plugin_.close(disk);
  End();

  plugin_.load();
  ASSERT_EQ(Start({{"file", "/disk.vhdx"}, {"access", "read"}}), 0);
  disk = Connect();
  ASSERT_NE(disk, nullptr);
  EXPECT_EQ(plugin_.can_write(disk), 0);
  EXPECT_EQ(Read(disk, 12345, 777), Filled(777, 3));
  EXPECT_EQ(Write(disk, 0, Filled(512, 1)), -1);
  EXPECT_EQ(error_of_thread, EPERM);
  plugin_.close(disk);
  plugin_.cleanup();
  plugin_.unload();
}

TEST_F(NbdkitPlugin, ConnectionsInParallel_EachReadWhatTheyWrote) {
  MakeDisk();
  ASSERT_EQ(Start({{"file", "/disk.vhdx"}}), 0);
  constexpr int kClients = 4;
  constexpr int kRequests = 60;
  std::vector<std::thread> clients;
  clients.reserve(kClients);
  for (int client = 0; client < kClients; ++client) {
    clients.emplace_back([&, client] {
      void* const disk = Connect();
      ASSERT_NE(disk, nullptr);
      for (int i = 0; i < kRequests; ++i) {
        // Neighbours in the same blocks, so that they meet.
        const uint64_t offset =
            static_cast<uint64_t>(i) * kBlock / 2 + static_cast<uint64_t>(client) * 8192;
        const Bytes bytes = Filled(5000, client * kRequests + i);
        EXPECT_EQ(Write(disk, offset, bytes), 0);
        if (i % 8 == client) {
          EXPECT_EQ(plugin_.flush(disk, 0), 0);
        }
        nbdkit_extents extents;
        EXPECT_EQ(plugin_.extents(disk, kBlock, offset, 0, &extents), 0);
        EXPECT_FALSE(extents.list.empty());
        EXPECT_EQ(Read(disk, offset, bytes.size()), bytes);
        if (i % 5 == 0) {
          EXPECT_EQ(plugin_.trim(disk, 5000, offset, 0), 0);
          EXPECT_EQ(Read(disk, offset, 5000), Filled(5000, 0));
        }
      }
      plugin_.close(disk);
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_TRUE(reports.Take().empty());
}

TEST_F(NbdkitPlugin, Extents_CoverTheRange) {
  testing::ImageSpec spec = testing::DynamicImage({.disk_size = kDiskSize, .block_size = kBlock});
  spec.blocks = {testing::FullBlock(1), testing::ZeroBlock(2)};
  MakeDisk("/disk.vhdx", std::move(spec));
  ASSERT_EQ(Start({{"file", "/disk.vhdx"}}), 0);
  void* const disk = Connect();
  ASSERT_NE(disk, nullptr);
  nbdkit_extents extents;
  ASSERT_EQ(plugin_.extents(disk, static_cast<uint32_t>(4 * kBlock), 0, 0, &extents), 0);
  ASSERT_EQ(extents.list.size(), 3U);
  EXPECT_EQ(extents.list[0].type, uint32_t{NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO});
  EXPECT_EQ(extents.list[1].offset, kBlock);
  EXPECT_EQ(extents.list[1].length, kBlock);
  EXPECT_EQ(extents.list[1].type, 0U);
  EXPECT_EQ(extents.list[2].type, uint32_t{NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO});

  nbdkit_extents one;
  ASSERT_EQ(plugin_.extents(disk, static_cast<uint32_t>(4 * kBlock), 0, NBDKIT_FLAG_REQ_ONE, &one),
            0);
  EXPECT_EQ(one.list.size(), 1U);
  plugin_.close(disk);
}

TEST_F(NbdkitPlugin, UnreadableBlock_IsAllocatedAndItsErrorIsLoggedOnce) {
  testing::ImageSpec spec = testing::DynamicImage({.disk_size = kDiskSize, .block_size = kBlock});
  spec.blocks = testing::FullBlocks(3);
  MakeDisk("/disk.vhdx", std::move(spec));
  ASSERT_EQ(Start({{"file", "/disk.vhdx"}, {"access", "read"}}), 0);
  void* const disk = Connect();
  ASSERT_NE(disk, nullptr);
  host->plan->Add({.call = testing::FileCall::kRead, .length = testing::FaultLength::kFromThen});
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(Read(disk, 0, 4096).empty());
    EXPECT_EQ(error_of_thread, EIO);
  }
  EXPECT_EQ(reports.Take().size(), 1U);
  nbdkit_extents extents;
  ASSERT_EQ(plugin_.extents(disk, 4096, 0, 0, &extents), 0);
  ASSERT_EQ(extents.list.size(), 1U);
  EXPECT_EQ(extents.list[0].type, 0U);
  host->plan->Clear();
  EXPECT_EQ(Read(disk, 0, 4096).size(), 4096U);
  plugin_.close(disk);
}

TEST_F(NbdkitPlugin, NoSpace_IsTheRequestsErrorAndServingContinues) {
  MakeDisk();
  ASSERT_EQ(Start({{"file", "/disk.vhdx"}, {"access", "write"}}), 0);
  void* const disk = Connect();
  ASSERT_NE(disk, nullptr);
  ASSERT_EQ(Write(disk, 0, Filled(4096, 1)), 0);
  ASSERT_EQ(plugin_.flush(disk, 0), 0);
  host->plan->SetSpace(0);
  EXPECT_EQ(Write(disk, 8 * kBlock, Filled(4096, 2)), -1);
  EXPECT_EQ(error_of_thread, ENOSPC);
  host->plan->Clear();
  EXPECT_EQ(Write(disk, 8 * kBlock, Filled(4096, 2)), 0);
  EXPECT_EQ(plugin_.flush(disk, 0), 0);
  EXPECT_EQ(Read(disk, 8 * kBlock, 4096), Filled(4096, 2));
  plugin_.close(disk);
}

TEST_F(NbdkitPlugin, RequestPastTheEnd_IsInvalid) {
  MakeDisk();
  ASSERT_EQ(Start({{"file", "/disk.vhdx"}}), 0);
  void* const disk = Connect();
  ASSERT_NE(disk, nullptr);
  EXPECT_TRUE(Read(disk, kDiskSize - 1, 2).empty());
  EXPECT_EQ(error_of_thread, EINVAL);
  EXPECT_EQ(Write(disk, kDiskSize, Filled(1, 1)), -1);
  EXPECT_EQ(error_of_thread, EINVAL);
  plugin_.close(disk);
}

TEST_F(NbdkitPlugin, Mistakes_AreNamedBeforeAnythingIsServed) {
  MakeDisk();
  const std::array<std::pair<std::vector<std::pair<std::string, std::string>>, const char*>, 6>
      mistakes = {{
          {{}, "file= is missing"},
          {{{"file", "/disk.vhdx"}, {"file", "/disk.vhdx"}}, "file= was given twice"},
          {{{"fil", "/disk.vhdx"}}, "unknown parameter \"fil\""},
          {{{"no-lock", "perhaps"}}, "no-lock= takes true or false"},
          {{{"access", "append"}}, "access= takes read or write"},
          {{{"page-cache", "none"}}, "page-cache= takes serving or host"},
      }};
  for (const auto& [parameters, sentence] : mistakes) {
    EXPECT_EQ(Start(parameters), -1);
    const std::vector<std::string> said = reports.Take();
    ASSERT_EQ(said.size(), 1U) << sentence;
    EXPECT_NE(said[0].find(sentence), std::string::npos) << said[0];
    plugin_.unload();
    plugin_.load();
  }
}

TEST_F(NbdkitPlugin, FileThatIsNotThere_EndsTheStart) {
  EXPECT_EQ(Start({{"file", "/nothing.vhdx"}}), -1);
  EXPECT_EQ(reports.Take().size(), 1U);
}

class NbdkitPluginAccess : public NbdkitPlugin, public ::testing::WithParamInterface<bool> {};

// A page of the BAT that cannot be read costs its own blocks, and not the disk.
TEST_P(NbdkitPluginAccess, UnreadablePageOfTheBat_CostsItsOwnBlocks) {
  testing::ImageSpec spec = testing::DynamicImage({.disk_size = 2 * kGiB, .block_size = kMiB});
  spec.blocks = testing::FullBlocks(1);
  MakeDisk("/disk.vhdx", std::move(spec));
  const uint64_t bat = Inspect(host->files, "/disk.vhdx")->image.bat_region.file_offset;
  host->plan->Add({.call = testing::FileCall::kRead,
                   .range = FileRange{bat + 8192, 4096},
                   .length = testing::FaultLength::kFromThen});
  ::testing::internal::CaptureStderr();
  std::vector<std::pair<std::string, std::string>> parameters = {{"file", "/disk.vhdx"}};
  if (GetParam()) parameters.emplace_back("access", "read");
  EXPECT_EQ(Start(parameters), 0);
  ::testing::internal::GetCapturedStderr();
  void* const disk = Connect();
  ASSERT_NE(disk, nullptr);
  EXPECT_EQ(plugin_.can_write(disk), 0);
  EXPECT_EQ(Read(disk, 0, 4096).size(), 4096U);
  EXPECT_TRUE(Read(disk, 1500 * kMiB, 4096).empty());
  plugin_.close(disk);
}

INSTANTIATE_TEST_SUITE_P(Access, NbdkitPluginAccess, ::testing::Bool());

TEST_F(NbdkitPlugin, ParentOfAnotherImage_IsServedReadOnly) {
  MakeDisk();
  ASSERT_TRUE(Create(host->files, "/child.avhdx",
                     {.subformat = Subformat::kDifferencing, .parent_path = "/disk.vhdx"}));
  ::testing::internal::CaptureStderr();
  ASSERT_EQ(Start({{"file", "/disk.vhdx"}}), 0);
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("child.avhdx"), std::string::npos) << said;
  EXPECT_NE(said.find("read-only"), std::string::npos) << said;
  void* const disk = Connect();
  ASSERT_NE(disk, nullptr);
  EXPECT_EQ(plugin_.can_write(disk), 0);
  plugin_.close(disk);
}

TEST_F(NbdkitPlugin, ParentOfAnotherImage_IsNotOpenedForWriting) {
  MakeDisk();
  ASSERT_TRUE(Create(host->files, "/child.avhdx",
                     {.subformat = Subformat::kDifferencing, .parent_path = "/disk.vhdx"}));
  EXPECT_EQ(Start({{"file", "/disk.vhdx"}, {"access", "write"}}), -1);
  const std::vector<std::string> said = reports.Take();
  ASSERT_EQ(said.size(), 1U);
  EXPECT_NE(said[0].find("orphan-children=true"), std::string::npos) << said[0];

  plugin_.unload();
  plugin_.load();
  ASSERT_EQ(Start({{"file", "/disk.vhdx"}, {"access", "write"}, {"orphan-children", "true"}}), 0);
  void* const disk = Connect();
  ASSERT_NE(disk, nullptr);
  EXPECT_EQ(plugin_.can_write(disk), 1);
  plugin_.close(disk);
}

// The socket is the host's, although the images are not.
class NbdkitPluginWithControl : public NbdkitPlugin {
 protected:
  NbdkitPluginWithControl() : folder_(::testing::TempDir() + "vhdxkit-XXXXXX") {
    EXPECT_NE(::mkdtemp(folder_.data()), nullptr);
  }
  ~NbdkitPluginWithControl() override { EXPECT_EQ(::rmdir(folder_.c_str()), 0); }

  std::string socket() const { return folder_ + "/control"; }
  int StartWithControl() {
    MakeDisk();
    const int answer = Start({{"file", "/disk.vhdx"}, {"access", "write"}, {"control", socket()}});
    return answer == 0 ? plugin_.after_fork() : answer;
  }
  Result<Json> Ask(const Json& request) {
    auto client = control::ControlClient::Connect(socket(), interrupted_);
    if (!client) return std::unexpected(std::move(client.error()));
    return client->Ask(request);
  }

  const std::atomic<bool> interrupted_ = false;

 private:
  std::string folder_;
};

TEST_F(NbdkitPluginWithControl, SnapshotIsTakenBelowAConnection) {
  ASSERT_EQ(StartWithControl(), 0);
  void* const disk = Connect();
  ASSERT_EQ(Write(disk, 0, Filled(4096, 1)), 0);
  const auto reply = Ask({{"execute", "snapshot"}, {"arguments", {{"child", "/child.avhdx"}}}});
  ASSERT_TRUE(reply) << ToString(reply.error());
  EXPECT_EQ((*reply)["parent"], "/disk.vhdx");
  ASSERT_EQ(Write(disk, 0, Filled(4096, 2)), 0);
  EXPECT_EQ(Read(disk, 0, 4096), Filled(4096, 2));
  EXPECT_EQ((*Ask({{"execute", "info"}}))["filename"], "/child.avhdx");
  plugin_.close(disk);
  End();
  auto parent = Disk::Open(host->memory, "/disk.vhdx");
  auto child = Disk::Open(host->memory, "/child.avhdx");
  ASSERT_TRUE(parent && child);
  Bytes bytes(4096);
  ASSERT_TRUE((*parent)->Read(0, bytes));
  EXPECT_EQ(bytes, Filled(4096, 1));
  ASSERT_TRUE((*child)->Read(0, bytes));
  EXPECT_EQ(bytes, Filled(4096, 2));
}

TEST_F(NbdkitPluginWithControl, StopIsPassedOnAndTheSocketIsGoneAtTheEnd) {
  ASSERT_EQ(StartWithControl(), 0);
  shutdowns = 0;
  ASSERT_TRUE(Ask({{"execute", "stop"}}));
  plugin_.cleanup();
  EXPECT_EQ(shutdowns, 1);
  EXPECT_NE(::access(socket().c_str(), F_OK), 0);
}

TEST_F(NbdkitPluginWithControl, ErrorOfASnapshotIsForItsClientAlone) {
  ASSERT_EQ(StartWithControl(), 0);
  EXPECT_FALSE(Ask({{"execute", "snapshot"}, {"arguments", {{"child", "/disk.vhdx"}}}}));
  EXPECT_TRUE(reports.Take().empty());
  EXPECT_TRUE(Ask({{"execute", "flush"}}));
}

TEST_F(NbdkitPluginWithControl, NeedsToKnowHowTheDiskIsOpened) {
  MakeDisk();
  EXPECT_EQ(Start({{"file", "/disk.vhdx"}, {"control", socket()}}), -1);
  EXPECT_NE(reports.Take()[0].find("access="), std::string::npos);
}

TEST_F(NbdkitPlugin, LastFlushThatFails_IsTheServersFailure) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  MakeDisk();
  ASSERT_EQ(Start({{"file", "/disk.vhdx"}, {"access", "write"}}), 0);
  void* const disk = Connect();
  ASSERT_NE(disk, nullptr);
  ASSERT_EQ(Write(disk, 0, Filled(4096, 1)), 0);
  plugin_.close(disk);
  host->plan->Add({.call = testing::FileCall::kSync, .length = testing::FaultLength::kFromThen});
  EXPECT_EXIT(End(), ::testing::ExitedWithCode(EXIT_FAILURE), "");
  host->plan->Clear();
  plugin_.cleanup();
  EXPECT_TRUE(reports.Take().empty());
}

}  // namespace
}  // namespace vhdx::nbd

// -- What nbdkit offers to a plugin --

extern "C" {

void nbdkit_error(const char* format, ...) {
  std::array<char, 4096> sentence;
  std::va_list values;
  va_start(values, format);
  std::vsnprintf(sentence.data(), sentence.size(), format, values);
  va_end(values);
  vhdx::nbd::reports.Add(sentence.data());
}

void nbdkit_shutdown() { ++vhdx::nbd::shutdowns; }

void nbdkit_set_error(int error) { vhdx::nbd::error_of_thread = error; }

char* nbdkit_absolute_path(const char* path) { return ::strdup(path); }

int nbdkit_add_extent(nbdkit_extents* extents, uint64_t offset, uint64_t length, uint32_t type) {
  // As nbdkit does: equal neighbours are one.
  if (!extents->list.empty() && extents->list.back().type == type) {
    extents->list.back().length += length;
  } else {
    extents->list.push_back({offset, length, type});
  }
  return 0;
}

}  // extern "C"
