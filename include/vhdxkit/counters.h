// What a disk that is open for writing has done so far: for benchmarks, and for those who want to
// see that a promise about syncs is kept.

#ifndef VHDXKIT_COUNTERS_H_
#define VHDXKIT_COUNTERS_H_

#include <cstdint>

namespace vhdx {

/// Everything since the disk was opened; all of it only grows.
struct EngineCounters {
  uint64_t syncs = 0;          ///< of the host file, of whatever cause
  uint64_t flush_rounds = 0;   ///< rounds that wrote metadata or waited for one that did
  uint64_t log_entries = 0;    ///< entries written to the log
  uint64_t log_restarts = 0;   ///< times that the log was full and began again
  uint64_t pages_logged = 0;   ///< 4 KiB pages in these entries
  uint64_t log_bytes = 0;      ///< bytes of these entries
  uint64_t payload_bytes = 0;  ///< bytes of guest data written
  uint64_t padding_bytes = 0;  ///< zeros written around guest data in new blocks
  uint64_t allocations = 0;    ///< payload and sector bitmap blocks given a place
  uint64_t reused_blocks = 0;  ///< of these, in space that was used before
  uint64_t freed_blocks = 0;   ///< blocks whose space was given back
  uint64_t growth_steps = 0;   ///< times that the file was made longer
  uint64_t stalls = 0;         ///< times that a request waited for another one's block or round
};

}  // namespace vhdx

#endif  // VHDXKIT_COUNTERS_H_
