#include "fuzz/sparse_mutation.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "format/log_entry.h"
#include "fuzz/input.h"
#include "fuzz/mutation.h"
#include "fuzz/sparse_input.h"

namespace vhdx::fuzz {
namespace {

using format::kLogSectorSize;
using format::LogEntryHeader;

constexpr size_t kMaxPieces = 1024;
// How far one mutation may grow a piece.
constexpr size_t kGrowth = 64;

// The bytes at an offset as the file has them; zeros where no piece stands.
std::vector<std::byte> ReadPieces(const SparseFile& file, uint64_t offset, size_t length) {
  std::vector<std::byte> bytes(length);
  for (const Piece& piece : file.pieces) {
    const uint64_t from = std::max(offset, piece.file_offset);
    const uint64_t to = std::min(offset + length, piece.end());
    if (from >= to) continue;
    std::copy_n(piece.bytes.begin() + static_cast<ptrdiff_t>(from - piece.file_offset), to - from,
                bytes.begin() + static_cast<ptrdiff_t>(from - offset));
  }
  return bytes;
}

// Puts bytes where a piece holds all of that place, else into a piece of their own.
void WritePieces(SparseFile& file, uint64_t offset, std::span<const std::byte> bytes) {
  for (Piece& piece : file.pieces) {
    if (offset < piece.file_offset) continue;
    const uint64_t within = offset - piece.file_offset;
    if (!FitsInside(within, bytes.size(), piece.bytes.size())) continue;
    std::ranges::copy(bytes, piece.bytes.begin() + static_cast<ptrdiff_t>(within));
    return;
  }
  if (file.pieces.size() < kMaxPieces)
    file.pieces.push_back({offset, {bytes.begin(), bytes.end()}});
}

template <OnDisk T>
T ReadAt(const SparseFile& file, uint64_t offset) {
  return LoadFrom<T>(ReadPieces(file, offset, sizeof(T)));
}

template <OnDisk T>
void WriteAt(SparseFile& file, uint64_t offset, const T& value) {
  WritePieces(file, offset, std::as_bytes(std::span(&value, 1)));
}

// Where log entries start, or what looks like them.
std::vector<uint64_t> EntriesOf(const SparseFile& file) {
  std::vector<uint64_t> offsets;
  for (const Piece& piece : file.pieces) {
    const uint64_t past_sector_start = piece.file_offset % kLogSectorSize;
    for (uint64_t at = (kLogSectorSize - past_sector_start) % kLogSectorSize;
         at + sizeof(LogEntryHeader) <= piece.bytes.size(); at += kLogSectorSize) {
      if (std::memcmp(piece.bytes.data() + at, format::kLogEntrySignature.data(), 4) == 0) {
        offsets.push_back(piece.file_offset + at);
      }
    }
  }
  return offsets;
}

// An entry's number stands in each descriptor and each data sector too.
void Renumber(SparseFile& file, uint64_t entry, uint64_t sequence_number) {
  const auto header = ReadAt<LogEntryHeader>(file, entry);
  WriteAt(file, entry + offsetof(LogEntryHeader, sequence_number), le64(sequence_number));
  constexpr uint64_t kMost = 512;  // sectors and descriptors that are worth it
  const uint64_t descriptors = std::min<uint64_t>(header.descriptor_count, kMost);
  for (uint64_t i = 0; i < descriptors; ++i) {
    WriteAt(file,
            entry + sizeof(LogEntryHeader) + i * format::kDescriptorSize +
                offsetof(format::DataDescriptor, sequence_number),
            le64(sequence_number));
  }
  const uint64_t sectors = std::min<uint64_t>(header.entry_length / kLogSectorSize, kMost);
  for (uint64_t i = format::DescriptorSectorCount(descriptors); i < sectors; ++i) {
    const uint64_t sector = entry + i * kLogSectorSize;
    WriteAt(file, sector + offsetof(format::DataSector, sequence_high),
            le32(static_cast<uint32_t>(sequence_number >> 32)));
    WriteAt(file, sector + offsetof(format::DataSector, sequence_low),
            le32(static_cast<uint32_t>(sequence_number)));
  }
}

class FilesMutator {
 public:
  FilesMutator(std::vector<SparseFile>& files, Choices& choices)
      : files_(files), choices_(choices) {}

  void MutateOnce() {
    SparseFile& file = files_[choices_.Below(files_.size())];
    if (file.pieces.empty()) return AddPiece(file);
    switch (choices_.Below(16)) {
      case 0:
        file.length_bytes = Border();
        break;
      case 1:
        AddPiece(file);
        break;
      case 2:
        file.pieces.erase(file.pieces.begin() +
                          static_cast<ptrdiff_t>(choices_.Below(file.pieces.size())));
        break;
      case 3:
        PickPiece(file).file_offset = NearBy(PickPiece(file).file_offset);
        break;
      case 4:
        DuplicatePiece(file);
        break;
      case 5:
        files_[choices_.Below(files_.size())] = SparseFile(file);
        break;
      case 6:
      case 7:
        CopyField(file);
        break;
      case 8:
      case 9:
        MutateLog(file);
        break;
      case 10:
      case 11:
      case 12:
        SetField(PickPiece(file));
        break;
      default:
        MutatePiece(PickPiece(file));
        break;
    }
  }

 private:
  Piece& PickPiece(SparseFile& file) { return file.pieces[choices_.Below(file.pieces.size())]; }

  // Offsets and lengths that the input itself speaks of, and some of what its bytes say.
  uint64_t Border() {
    std::vector<uint64_t> known;
    for (const SparseFile& file : files_) {
      known.push_back(file.length_bytes);
      for (int i = 0; i < 8 && !file.pieces.empty(); ++i) {
        const Piece& piece = file.pieces[choices_.Below(file.pieces.size())];
        known.push_back(AlignDown(piece.file_offset, choices_.OneIn(2) ? kMiB : kLogSectorSize));
        if (piece.bytes.size() < sizeof(le64)) continue;
        const size_t at = choices_.Below(piece.bytes.size() / sizeof(le64)) * sizeof(le64);
        if (at + sizeof(le64) <= piece.bytes.size()) {
          known.push_back(LoadFrom<le64>(std::span(piece.bytes).subspan(at)));
        }
      }
    }
    return choices_.Border(known);
  }

  uint64_t NearBy(uint64_t offset) {
    constexpr uint64_t kSteps[] = {1, 8, 32, kLogSectorSize, 65536, kMiB, 2 * kMiB};
    const uint64_t step = kSteps[choices_.Below(std::size(kSteps))] * (1 + choices_.Below(4));
    return choices_.OneIn(2) ? offset + step : offset - step;
  }

  void AddPiece(SparseFile& file) {
    if (file.pieces.size() >= kMaxPieces) return;
    Piece piece{.file_offset = Border(), .bytes = std::vector<std::byte>(8)};
    StoreTo(std::span(piece.bytes), le64(Border()));
    file.pieces.push_back(std::move(piece));
  }

  void DuplicatePiece(SparseFile& file) {
    if (file.pieces.size() >= kMaxPieces) return;
    Piece copy = PickPiece(file);
    copy.file_offset = NearBy(copy.file_offset);
    file.pieces.push_back(std::move(copy));
  }

  // A place in the piece that is aligned in the file, with room for `length` bytes.
  std::optional<size_t> PickPlace(const Piece& piece, size_t alignment, size_t length) {
    if (piece.bytes.size() < length) return std::nullopt;
    const size_t at = choices_.Below(piece.bytes.size() - length + 1);
    const size_t lead = static_cast<size_t>((piece.file_offset + at) % alignment);
    return at < lead ? at : at - lead;
  }

  void SetField(Piece& piece) {
    constexpr size_t kWidths[] = {1, 2, 4, 4, 8, 8, 8};
    const size_t width = kWidths[choices_.Below(std::size(kWidths))];
    const auto at = PickPlace(piece, width, width);
    if (!at) return;
    uint64_t value = Border();
    if (choices_.OneIn(3)) {
      // A BAT entry: a place with a state.
      value = AlignDown(value, kMiB) | choices_.Below(8);
    } else if (choices_.OneIn(2)) {
      value = AlignDown(value, choices_.OneIn(2) ? kMiB : kLogSectorSize);
    }
    const le64 field(choices_.OneIn(8) ? choices_.Below(16) : value);
    std::ranges::copy(std::as_bytes(std::span(&field, 1)).first(width),
                      piece.bytes.begin() + static_cast<ptrdiff_t>(*at));
  }

  // Doubles a GUID, an entry, a descriptor: from any file to this one.
  void CopyField(SparseFile& file) {
    constexpr size_t kLengths[] = {8, 16, 32, 64};
    const size_t length = kLengths[choices_.Below(std::size(kLengths))];
    SparseFile& source_file = files_[choices_.Below(files_.size())];
    if (source_file.pieces.empty()) return;
    const Piece& source = PickPiece(source_file);
    const auto from = PickPlace(source, 8, length);
    Piece& target = PickPiece(file);
    const auto to = PickPlace(target, 8, length);
    if (!from || !to) return;
    const std::vector<std::byte> copied(
        source.bytes.begin() + static_cast<ptrdiff_t>(*from),
        source.bytes.begin() + static_cast<ptrdiff_t>(*from + length));
    std::ranges::copy(copied, target.bytes.begin() + static_cast<ptrdiff_t>(*to));
  }

  void MutatePiece(Piece& piece) {
    Mutate(piece.bytes, std::min(kMaxPieceBytes, piece.bytes.size() + kGrowth));
  }

  void MutateLog(SparseFile& file) {
    const std::vector<uint64_t> entries = EntriesOf(file);
    if (entries.empty()) return SetField(PickPiece(file));
    const uint64_t entry = entries[choices_.Below(entries.size())];
    const uint64_t other = entries[choices_.Below(entries.size())];
    const uint64_t other_number = ReadAt<LogEntryHeader>(file, other).sequence_number;
    switch (choices_.Below(4)) {
      case 0:
        return Renumber(file, entry, choices_.OneIn(4) ? Border() : other_number + 1);
      case 1:
        // Any entry may come out as the tail: offsets in the log are offsets in the file less some
        // MiB.
        return WriteAt(file, entry + offsetof(LogEntryHeader, tail),
                       le32(static_cast<uint32_t>(other % kMiB)));
      case 2:
        return CopyEntryBehind(file, entry, other);
      default:
        return SetDescriptor(file, entry);
    }
  }

  // A copy of `entry` as the continuation of `other`.
  void CopyEntryBehind(SparseFile& file, uint64_t entry, uint64_t other) {
    const auto header = ReadAt<LogEntryHeader>(file, entry);
    const auto before = ReadAt<LogEntryHeader>(file, other);
    constexpr uint64_t kMostBytes = 64 * kKiB;
    if (header.entry_length > kMostBytes || before.entry_length > kMiB) return;
    const uint64_t target = other + before.entry_length;
    const std::vector<Piece> pieces = file.pieces;
    for (const Piece& piece : pieces) {
      if (piece.file_offset < entry || piece.end() > entry + header.entry_length) continue;
      WritePieces(file, target + (piece.file_offset - entry), piece.bytes);
    }
    WriteAt(file, target + offsetof(LogEntryHeader, tail),
            choices_.OneIn(4) ? le32(static_cast<uint32_t>(target % kMiB)) : before.tail);
    Renumber(file, target, before.sequence_number + 1);
  }

  void SetDescriptor(SparseFile& file, uint64_t entry) {
    const auto header = ReadAt<LogEntryHeader>(file, entry);
    const size_t count = std::min<uint32_t>(header.descriptor_count, 64);
    if (count == 0) return;
    const uint64_t descriptor =
        entry + sizeof(LogEntryHeader) + choices_.Below(count) * format::kDescriptorSize;
    const size_t field = choices_.OneIn(3) ? offsetof(format::ZeroDescriptor, zero_length)
                                           : offsetof(format::ZeroDescriptor, file_offset);
    WriteAt(file, descriptor + field, le64(AlignDown(Border(), kLogSectorSize)));
  }

  std::vector<SparseFile>& files_;
  Choices& choices_;
};

// What fits is stored; otherwise the input stays as it was.
size_t Store(const std::vector<SparseFile>& files, size_t old_size, std::span<uint8_t> to) {
  const std::vector<std::byte> bytes = EncodeFiles(files);
  if (bytes.size() > to.size()) return old_size;
  std::memcpy(to.data(), bytes.data(), bytes.size());
  return bytes.size();
}

}  // namespace

size_t MutateFiles(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  Choices choices(seed);
  if (choices.OneIn(64)) size = LLVMFuzzerMutate(data, size, max_size);
  std::vector<SparseFile> files = DecodeFiles(Input(data, size).rest());
  FilesMutator mutator(files, choices);
  for (size_t count = 1 + choices.Below(4); count > 0; --count) mutator.MutateOnce();
  if (!choices.LeavesChecksums()) {
    for (SparseFile& file : files) FixChecksums(file);
  }
  return Store(files, size, {data, max_size});
}

size_t CrossFiles(const uint8_t* data1, size_t size1, const uint8_t* data2, size_t size2,
                  uint8_t* out, size_t max_out_size, unsigned seed) {
  Choices choices(seed);
  std::vector<SparseFile> files = DecodeFiles(Input(data1, size1).rest());
  const std::vector<SparseFile> others = DecodeFiles(Input(data2, size2).rest());
  const SparseFile& other = others[choices.Below(others.size())];
  SparseFile& file = files[choices.Below(files.size())];
  const size_t first = choices.Below(other.pieces.size() + 1);
  const size_t count = std::min(other.pieces.size() - first, 1 + choices.Below(16));
  for (size_t i = first; i < first + count && file.pieces.size() < kMaxPieces; ++i) {
    file.pieces.push_back(other.pieces[i]);
  }
  if (!choices.LeavesChecksums()) {
    for (SparseFile& crossed : files) FixChecksums(crossed);
  }
  const size_t stored = Store(files, 0, {out, max_out_size});
  if (stored != 0) return stored;
  const size_t kept = std::min(size1, max_out_size);
  std::memcpy(out, data1, kept);
  return kept;
}

}  // namespace vhdx::fuzz
