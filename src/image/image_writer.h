// Writing into one image: what becomes of each block that a write, a zeroing or a trim touches
// (docs/format.md, section 9.5).
//
// Ranges are multiples of the logical sector. Threads: any number. Requests to an allocated block
// run side by side, each holding a reference to it; a request that allocates or frees a block holds
// the only one. A reader that must be safe from that holds a reference too.

#ifndef VHDXKIT_IMAGE_IMAGE_WRITER_H_
#define VHDXKIT_IMAGE_IMAGE_WRITER_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/counters.h>
#include <vhdxkit/error.h>
#include <vhdxkit/file.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "bytes/mutex.h"
#include "format/transitions.h"
#include "image/block_references.h"
#include "image/journal.h"

namespace vhdx {

class ImageWriter {
 public:
  ImageWriter(const WrittenImage& image, const WriteLimits& limits, uint64_t file_length);

  /// Before anything else. Errors: those of Journal::Prepare.
  Result<void> Prepare() { return journal_.Prepare(); }

  /// Errors: kNoSpace, kIo, kCorrupt, kPoisoned.
  // Most writes go to one block that is in the file. They take one lookup and one call of the file,
  // inline: returning from a system call, a processor that guards against speculation
  // mispredicts every return.
  Result<void> Write(DiskRange range, std::span<const ByteSpan> buffers) {
    const uint64_t within = geometry_.OffsetInBlock(range.disk_offset);
    const uint64_t length = range.length_bytes;
    if (within + length <= geometry_.block_size() && length > 0 && journal_.IsOpen()) {
      const uint64_t block = geometry_.BlockOf(range.disk_offset);
      const BlockReference reference = Share(block);
      if (const uint64_t start = block_map_.OffsetIfPresent(block); start != 0) {
        payload_bytes_.fetch_add(length, std::memory_order_relaxed);
        auto written = file_.WriteAt(start + within, buffers);
        journal_.NoteWrite();
        return written;
      }
    }
    return Change(range, {.buffers = buffers});
  }
  /// Replaces bytes inside one sector, of which `read` gives the rest. Nobody else changes the
  /// sector between that and the writing: what another request wrote to the rest of it stays.
  Result<void> WriteWithin(
      DiskRange range, std::span<const ByteSpan> buffers,
      const std::function<Result<void>(uint64_t disk_offset, MutableByteSpan sector)>& read);
  /// Both read as zeros afterwards; a trim gives back what space it can.
  Result<void> WriteZeroes(DiskRange range);
  Result<void> Trim(DiskRange range);
  /// Shares bytes of `source`; kUnsupported where the host cannot.
  Result<void> Clone(uint64_t disk_offset, BlockDevice& source, DiskRange source_range);
  Result<void> Flush() { return journal_.Flush(); }
  Result<void> Close() { return journal_.Close(); }
  Result<void> Rest() { return journal_.Rest(); }
  const HeaderInfo& header() const { return journal_.header(); }

  /// For whoever changes the structures of an image that nobody else uses.
  Journal& journal() { return journal_; }
  /// The container itself.
  File& file() { return file_; }
  /// Punches holes where freed blocks were, merged and in order, and lets the space be used again
  /// once what freed it is durable. Errors: kIo, kPoisoned.
  Result<void> GiveBack(std::vector<FileRange>& freed);

  /// While it is held, the block is neither moved nor freed.
  BlockReference Share(uint64_t block) { return references_->Share(block); }
  BlockReference TryShare(uint64_t block) { return references_->TryShare(block); }
  void CountInto(EngineCounters& counters) const;

 private:
  // A part of one block.
  struct Part {
    uint64_t block = 0;
    uint64_t within = 0;  // bytes from the start of the block
    uint64_t length_bytes = 0;
  };
  // What a part is to contain: puts it at an offset of the file.
  struct Contents {
    enum class Kind : uint8_t { kBytes, kClone, kZeroes, kTrim };
    Kind kind = Kind::kBytes;
    std::span<const ByteSpan> buffers = {};  // kBytes
    BlockDevice* source = nullptr;           // kClone
    uint64_t source_offset = 0;              // kClone
    bool zeros() const { return kind == Kind::kZeroes || kind == Kind::kTrim; }
    format::BlockRequest request() const {
      return kind == Kind::kZeroes ? format::BlockRequest::kZeroes
             : kind == Kind::kTrim ? format::BlockRequest::kTrim
                                   : format::BlockRequest::kWrite;
    }
  };

  // Space of freed blocks: punched when enough of it has accumulated, in as few calls as possible.
  using FreedSpace = std::vector<FileRange>;

  Result<void> Change(DiskRange range, const Contents& contents);
  Result<void> ChangeParts(DiskRange range, const Contents& contents, FreedSpace& freed);
  Result<void> ChangePart(const Part& part, const Contents& contents, FreedSpace& freed);
  const format::Transition& TransitionFor(const Part& part, const Contents& contents,
                                          format::BatEntry entry) const;
  /// What the transition says. The caller holds a reference to the block: the only one, unless that
  /// is to do something in place or nothing.
  Result<void> ApplyTransition(const Part& part, const Contents& contents, format::BatEntry entry,
                               FreedSpace& freed);
  Result<void> ChangeInPlace(const Part& part, const Contents& contents, format::BatEntry entry,
                             const format::Transition& transition);
  Result<void> AllocateBlock(const Part& part, const Contents& contents, format::BatEntry entry,
                             const format::Transition& transition);
  Result<void> FillAllocation(const Part& part, const Contents& contents,
                              const Space::Allocation& allocation, bool partial);
  Result<void> FreeBlock(const Part& part, format::BatEntry entry,
                         const format::Transition& transition, FreedSpace& freed);
  Result<void> ApplyBits(const Part& part, format::BatEntry entry);
  Result<void> EnsureBitmap(uint64_t chunk);
  Result<void> Put(const Part& part, const Contents& contents, uint64_t file_offset);
  Result<void> Pad(FileRange range);
  Result<bool> IsWholeInFile(const Part& part);

  bool IsWhole(const Part& part) const;
  bool keeps_blocks() const { return subformat_ == Subformat::kFixed; }
  DiskRange RangeOf(const Part& part) const;

  File& file_;
  BlockMap& block_map_;
  SectorBitmaps& sector_bitmaps_;
  const format::BatGeometry& geometry_;
  const Subformat subformat_;
  Journal journal_;
  std::unique_ptr<BlockReferences> references_;
  Mutex bitmap_mutex_;  // held while a sector bitmap is allocated
  std::atomic<uint64_t> payload_bytes_ = 0;
  std::atomic<uint64_t> padding_bytes_ = 0;
  std::atomic<uint64_t> punches_ = 0;
};

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_IMAGE_WRITER_H_
