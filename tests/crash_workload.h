// A guest at work on a disk of the crash tests: random writes, zeroes, trims and flushes from one
// thread or several, every step written into a DiskHistory.

#ifndef VHDXKIT_TESTS_CRASH_WORKLOAD_H_
#define VHDXKIT_TESTS_CRASH_WORKLOAD_H_

#include <vhdxkit/disk.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "testing/crash_store.h"
#include "testing/disk_history.h"
#include "tests/crash_disk.h"

namespace vhdx::tests {

/// A disk, the store below it, and the history of what is done to it.
struct CrashSession {
  CrashDisk& disk;
  Disk& device;
  testing::CrashStore& store;
  testing::DiskHistory& history;
};

/// One step, with its begin and end in the history.
Result<void> WriteStep(CrashSession& session, DiskRange range);
Result<void> ZeroStep(CrashSession& session, DiskRange range);
Result<void> TrimStep(CrashSession& session, DiskRange range);
Result<void> FlushStep(CrashSession& session);

struct CrashWorkload {
  unsigned threads = 1;
  int steps = 24;        ///< of each thread
  double flushes = 0.3;  ///< of all steps
  double trims = 0.15;
  double zeroes = 0.1;
  size_t blocks = SIZE_MAX;   ///< only the first so many are used
  bool whole_blocks = false;  ///< more writes and trims of whole blocks than usual
  bool in_order = false;      ///< one block after the other, so that each commit has a new one

  static CrashWorkload Random(std::mt19937_64& random);
};

/// Runs it; returns the first error of any step. A thread stops at its first error.
Result<void> Run(const CrashWorkload& workload, CrashSession& session, uint64_t seed);

}  // namespace vhdx::tests

#endif  // VHDXKIT_TESTS_CRASH_WORKLOAD_H_
