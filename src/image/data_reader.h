// Reads what is not a hole of a range of a file, in order and in pieces. Of a long range the next
// pieces are read by a thread of its own while one is being used: copying them out of the host's
// cache takes as long as looking at them.

#ifndef VHDXKIT_IMAGE_DATA_READER_H_
#define VHDXKIT_IMAGE_DATA_READER_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>

#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "bytes/aligned_buffer.h"
#include "bytes/mutex.h"

namespace vhdx {

class DataReader {
 public:
  /// The file outlives the reader. Pieces begin at multiples of 4096 bytes, if the range does.
  DataReader(File& file, FileRange range);
  /// Waits for a read that is under way.
  ~DataReader();
  DataReader(const DataReader&) = delete;
  DataReader& operator=(const DataReader&) = delete;

  struct Piece {
    uint64_t file_offset = 0;
    std::span<const std::byte> bytes;  ///< until the next call of Next
  };
  /// The next piece; nothing at the end of the range, or where the file has only a hole up to
  /// there. Errors: those of File::NextData and File::ReadExactAt.
  Result<std::optional<Piece>> Next() VHDX_EXCLUDES(mutex_);

 private:
  // One is used, one is ready, one is being filled.
  static constexpr size_t kSlots = 3;
  // The slots are filled and used in turn.
  struct Slot {
    Result<std::optional<Piece>> piece = std::nullopt;
    bool is_filled = false;
  };

  Result<std::optional<Piece>> Read(size_t slot);
  void ReadAhead() noexcept VHDX_EXCLUDES(mutex_);
  bool WaitUntilFree(size_t slot) VHDX_EXCLUDES(mutex_);

  File& file_;
  uint64_t position_;  // of the thread that reads
  const uint64_t end_;
  const size_t piece_bytes_;
  std::vector<AlignedBuffer> buffers_;  // of the slots

  Mutex mutex_;
  std::condition_variable changed_;
  std::array<Slot, kSlots> slots_ VHDX_GUARDED_BY(mutex_);
  size_t next_ VHDX_GUARDED_BY(mutex_) = 0;       // the slot to be used
  bool is_used_ VHDX_GUARDED_BY(mutex_) = false;  // the one before it, by the caller
  bool stops_ VHDX_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // not joinable: whoever calls Next reads
};

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_DATA_READER_H_
