// Statistics about a disk that is open for writing: for benchmarks, and to verify the number of
// syncs.

#ifndef VHDXKIT_COUNTERS_H_
#define VHDXKIT_COUNTERS_H_

#include <vhdxkit/export.h>

#include <cstdint>

namespace vhdx {

/// Totals since the disk was opened.
struct EngineCounters {
  uint64_t syncs = 0;          ///< syncs of the host file, for any reason
  uint64_t group_commits = 0;  ///< group commits that had metadata to log
  uint64_t log_entries = 0;    ///< log entries written
  uint64_t log_restarts = 0;   ///< times that the log was full and a new generation was started
  uint64_t pages_logged = 0;   ///< 4 KiB pages in the log entries
  uint64_t log_bytes = 0;      ///< bytes of the log entries
  uint64_t payload_bytes = 0;  ///< bytes of guest data written
  uint64_t padding_bytes = 0;  ///< bytes around guest data in new blocks that were made zeros
  uint64_t allocations = 0;    ///< payload and sector bitmap blocks allocated, even if in vain
  uint64_t reused_blocks = 0;  ///< allocations in space that was used before
  uint64_t freed_blocks = 0;   ///< blocks whose space was freed
  uint64_t punches = 0;        ///< calls to give freed space back to the host
  uint64_t growth_steps = 0;   ///< times that the file was extended
  uint64_t stalls = 0;         ///< times that a request waited for another request
};

}  // namespace vhdx

#endif  // VHDXKIT_COUNTERS_H_
