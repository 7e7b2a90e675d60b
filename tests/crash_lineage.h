// The life of one disk of the crash tests: sessions of work, the power cut at every point of each,
// recoveries that are cut in turn, processes that are killed and followed by others, and, for a
// child, another writer in between.

#ifndef VHDXKIT_TESTS_CRASH_LINEAGE_H_
#define VHDXKIT_TESTS_CRASH_LINEAGE_H_

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <unordered_set>
#include <vector>

#include "testing/crash_cursor.h"
#include "testing/crash_state.h"
#include "testing/crash_store.h"
#include "testing/disk_contents.h"
#include "testing/disk_history.h"
#include "tests/crash_check.h"
#include "tests/crash_disk.h"
#include "tests/crash_workload.h"

namespace vhdx::tests {

/// What many lineages came to.
struct CrashTally {
  std::unordered_set<uint64_t> states;   ///< hashes of files that lost or tore at least one write
  uint64_t repeated = 0;                 ///< such files that were met before
  uint64_t unharmed = 0;                 ///< files that had lost nothing
  std::array<uint64_t, 3> replays = {};  ///< states by log entries replayed: 0, 1, 2 and more
  uint64_t restarted_logs = 0;
  uint64_t reused_blocks = 0;
  uint64_t recoveries = 0;       ///< states that were written again
  uint64_t recovery_states = 0;  ///< states after a crash inside that
  uint64_t kills = 0;            ///< sessions that found a killed one's page cache
  uint64_t rewrites = 0;         ///< images that the test kit wrote in between
  uint64_t failed_syncs = 0;
  uint64_t lost_headers = 0;
  std::vector<std::string> broken;  ///< promises, with the way to see them broken again
};

std::string Describe(const CrashTally& tally);

class CrashLineage {
 public:
  /// Sees states that kept every promise, e.g. to hold them against another reader.
  using Observer = std::function<void(CrashDisk&, const testing::PageImage&, const CrashedDisk&)>;

  CrashLineage(const CrashDiskShape& shape, uint64_t seed, CrashTally& tally,
               Observer observer = {});

  /// Lives through so many sessions, or until a promise is broken.
  void Run(int sessions);

 private:
  static constexpr int kDeepestRecovery = 2;

  // What was done to a disk before a crash.
  struct Past {
    uint64_t next_write;
    const ContentGuids& guids;
  };

  std::unique_ptr<testing::CrashStore> NewStore(testing::CrashState state);
  bool is_broken() const { return broken_; }
  void Break(const std::string& sentence, const std::string& where);

  void RunSession();
  void Work(Disk& device);
  void CutEverywhere(size_t from);
  void CutAt(const testing::CrashCursor& cursor);
  std::optional<CrashedDisk> Look(const testing::CrashState& state,
                                  const testing::CrashState& uncut,
                                  const testing::AllowedContents& allowed,
                                  const ContentGuids& guids, const std::string& where);
  /// Returns the state as it was, if the disk has lost one.
  std::optional<testing::CrashState> LoseAHeader(testing::CrashState& state);
  void CompareWith(const testing::CrashState& whole, const CrashedDisk& seen,
                   const testing::AllowedContents& allowed, const std::string& where);
  void Recover(const testing::CrashState& state, const CrashedDisk& seen, const Past& past,
               int depth);
  Result<void> WriteAgain(CrashSession& session);
  void CutRecovery(testing::CrashStore& store, const testing::DiskHistory& history,
                   const ContentGuids& guids, int depth);
  void NextProcess();
  void NextMachine();
  void NextWriter(testing::CrashState state, const testing::DiskContents& before);
  bool Chance(double of_one) {
    return std::uniform_real_distribution<double>(0, 1)(random_) < of_one;
  }

  const uint64_t seed_;
  CrashTally& tally_;
  const Observer observer_;
  std::mt19937_64 random_;
  CrashDisk disk_;
  CrashCheck check_;
  std::shared_ptr<testing::CrashStore> store_;
  std::unique_ptr<testing::DiskHistory> history_;
  ContentGuids guids_;
  bool broken_ = false;
  bool sync_failed_ = false;
  size_t session_start_ = 0;  // in the record
  int session_ = 0;
};

}  // namespace vhdx::tests

#endif  // VHDXKIT_TESTS_CRASH_LINEAGE_H_
