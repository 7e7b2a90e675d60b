// Logs of every form, legal or not: entries anywhere in the ring, with any fields, torn, stale, or
// holding pages that would otherwise be in place.

#ifndef VHDXKIT_TESTING_LOG_SPEC_H_
#define VHDXKIT_TESTING_LOG_SPEC_H_

#include <vhdxkit/file.h>
#include <vhdxkit/guid.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "bytes/arithmetic.h"
#include "testing/patch.h"

namespace vhdx::testing {

/// One descriptor of an entry, with its data sector.
struct LogWrite {
  enum class Kind : uint8_t {
    kData,       ///< writes `sector`
    kZero,       ///< zeros `zero_length` bytes
    kMovedPage,  ///< writes what the image has there, which then holds `stale` bytes in place
  };
  Kind kind = Kind::kData;
  uint64_t file_offset = 0;
  std::vector<std::byte> sector = {};  ///< 4096 bytes
  uint64_t zero_length = 0;
  std::byte stale = std::byte{0};
};

LogWrite DataWrite(uint64_t file_offset, std::vector<std::byte> sector);
LogWrite ZeroWrite(FileRange range);
/// A sector of the log in which every byte is `value`.
std::vector<std::byte> SectorOf(uint8_t value);
LogWrite MovedPage(uint64_t file_offset, std::byte stale = std::byte{0});
/// All pages of a range.
std::vector<LogWrite> MovedPages(FileRange range, std::byte stale = std::byte{0});

/// One entry. What is not given makes it a legal continuation of the entry before.
struct LogEntrySpec {
  std::vector<LogWrite> writes = {};
  std::optional<uint64_t> log_offset = {};       ///< default: behind the entry before, wrapping
  std::optional<uint32_t> tail = {};             ///< default: its own offset
  std::optional<uint64_t> sequence_number = {};  ///< default: one more than the entry before, or 1
  std::optional<Guid> log_guid = {};             ///< default: that of the log
  std::optional<uint64_t> flushed_file_offset = {};  ///< default: the file's size, rounded down
  std::optional<uint64_t> last_file_offset = {};     ///< default: the file's size, rounded up
  /// Changes to the entry's bytes, counted from its start; the checksum is computed after them ...
  std::vector<Patch> patches = {};
  uint32_t checksum_xor = 0;  ///< ... and then changed by this
  /// Sectors of the entry, counted from its start, that never reached the file.
  std::vector<uint64_t> torn_sectors = {};
};

struct LogSpec {
  uint64_t file_offset = kMiB;
  uint64_t length_bytes = kMiB;
  Guid log_guid = {};  ///< what the headers say; zero: the log is empty
  std::vector<LogEntrySpec> entries = {};
};

/// Where an entry came to stand.
struct PlacedLogEntry {
  uint64_t log_offset = 0;
  uint64_t length_bytes = 0;
  uint64_t sequence_number = 0;
};

/// The bytes of one entry that stands at log_offset; defaults that need an entry before it or the
/// file's size count as 1 and 0.
std::vector<std::byte> EncodeLogEntry(const LogEntrySpec& spec, const Guid& log_guid);

/// Writes the entries of a log, and the stale bytes of moved pages. Everything else of the image
/// stands already. Errors: those of the file.
Result<std::vector<PlacedLogEntry>> WriteLog(const LogSpec& spec, File& file);

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_LOG_SPEC_H_
