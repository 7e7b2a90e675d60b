#include "disk/layer_stack.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/buffer_cursor.h"
#include "bytes/try.h"
#include "io/holes.h"

namespace vhdx {

LayerStack::LayerStack(std::vector<std::shared_ptr<Layer>> layers)
    : layers_(std::move(layers)),
      top_image_(layers_[0]->image()),
      size_bytes_(layers_[0]->size_bytes()) {}

std::unique_ptr<LayerStack> LayerStack::WithChild(std::unique_ptr<Layer> child) const {
  std::vector<std::shared_ptr<Layer>> layers;
  layers.reserve(layers_.size() + 1);
  layers.push_back(std::move(child));
  std::ranges::copy(layers_, std::back_inserter(layers));
  return std::make_unique<LayerStack>(std::move(layers));
}

// Whether one read, or one range of zeros, can be both. What is empty is followed by everything.
bool LayerStack::Follows(const Piece& before, const Piece& after) {
  if (before.length_bytes == 0) return true;
  const bool is_data = before.kind == ExtentKind::kData;
  if (is_data != (after.kind == ExtentKind::kData)) return false;
  return !is_data || (before.depth == after.depth &&
                      before.file_offset + before.length_bytes == after.file_offset);
}

template <typename Find>
Result<LayerStack::Piece> LayerStack::Resolve(DiskRange range, Find&& find) {
  using Where = Layer::Piece::Where;
  for (uint32_t depth = 0;; ++depth) {
    const uint64_t end = layers_[depth]->size_bytes();
    // A shorter parent reads as zeros past its end.
    if (range.disk_offset >= end) {
      return Piece{.kind = ExtentKind::kHole, .depth = depth, .length_bytes = range.length_bytes};
    }
    range.length_bytes = std::min(range.length_bytes, end - range.disk_offset);
    const Layer::Piece found = VHDX_TRY(find(depth, range));
    range.length_bytes = found.length_bytes;
    if (found.where == Where::kHere) {
      return Piece{ExtentKind::kData, depth, found.length_bytes, found.file_offset};
    }
    if (found.where == Where::kZero) {
      return Piece{.kind = ExtentKind::kZero, .depth = depth, .length_bytes = found.length_bytes};
    }
    if (depth + 1 == layers_.size()) {
      return Piece{.kind = ExtentKind::kHole, .depth = depth, .length_bytes = found.length_bytes};
    }
  }
}

Result<LayerStack::Piece> LayerStack::PieceAt(DiskRange range) {
  return Resolve(range,
                 [this](uint32_t depth, DiskRange part) { return layers_[depth]->Find(part); });
}

// Of every layer: a parent may have been the top one before a snapshot. If a block moves meanwhile,
// the wrong bytes are read ahead, and nothing else.
void LayerStack::StartReadAhead(DiskRange read) {
  const DiskRange ahead = read_ahead_->Note(read);
  for (uint64_t at = ahead.disk_offset; at < ahead.end();) {
    const auto piece = PieceAt({at, std::min(ReadAhead::kPiece, ahead.end() - at)});
    if (!piece) return;
    if (piece->kind == ExtentKind::kData) {
      layers_[piece->depth]->file().ReadAhead({piece->file_offset, piece->length_bytes});
    }
    at += piece->length_bytes;
  }
}

template <typename Hold, typename Use>
Result<void> LayerStack::ForEachPart(DiskRange range, Hold&& hold, Use&& use) {
  if (writer_ == nullptr) return use(range);
  const format::BatGeometry& geometry = top_image_->geometry();
  for (uint64_t at = range.disk_offset; at < range.end();) {
    const uint64_t left = geometry.block_size() - geometry.OffsetInBlock(at);
    const DiskRange part{at, std::min(left, range.end() - at)};
    const BlockReference reference = hold(geometry.BlockOf(at));
    if (!reference) {
      return Fail(ErrorCode::kUnsupported, "the block is being changed", top_image_->file().name());
    }
    VHDX_TRY(use(part));
    at = part.end();
  }
  return {};
}

template <typename Use>
Result<void> LayerStack::ForEachPiece(DiskRange range, Use&& use) {
  Piece gathered;
  uint64_t start = range.disk_offset;  // of `gathered`
  for (uint64_t position = start; position < range.end();) {
    auto piece = VHDX_TRY(PieceAt({position, range.end() - position}));
    if (!Follows(gathered, piece)) {
      VHDX_TRY(use(gathered, start));
      start = position;
      gathered = piece;
    } else if (gathered.length_bytes == 0) {
      gathered = piece;
    } else {
      gathered.length_bytes += piece.length_bytes;
    }
    position += piece.length_bytes;
  }
  return gathered.length_bytes > 0 ? use(gathered, start) : Result<void>{};
}

Result<void> LayerStack::ReadSlowly(DiskRange range, std::span<const MutableByteSpan> buffers) {
  BufferCursor<MutableByteSpan> cursor(buffers);
  return ForEachPart(range, Sharing(), [&](DiskRange part) {
    return ReadUnlocked(part, cursor.Take(part.length_bytes));
  });
}

Result<void> LayerStack::ReadUnlocked(DiskRange range, std::span<const MutableByteSpan> buffers) {
  if (const uint64_t place = PlaceIfInOneBlock(range); place != 0) {
    return top_image_->file().ReadExactAt(place, buffers, range.length_bytes);
  }
  return ReadPieces(range, buffers);
}

Result<void> LayerStack::ReadPieces(DiskRange range, std::span<const MutableByteSpan> buffers) {
  BufferCursor<MutableByteSpan> cursor(buffers);
  return ForEachPiece(range, [&](const Piece& piece, uint64_t) -> Result<void> {
    const auto targets = cursor.Take(piece.length_bytes);
    if (piece.kind == ExtentKind::kData) {
      return layers_[piece.depth]->file().ReadExactAt(piece.file_offset, targets,
                                                      piece.length_bytes);
    }
    for (const MutableByteSpan target : targets) std::ranges::fill(target, std::byte{0});
    return {};
  });
}

Result<uint64_t> LayerStack::NextData(DiskRange range) {
  uint64_t at = range.disk_offset;
  bool found = false;
  VHDX_TRY(ForEachPart(range, Sharing(), [&](DiskRange part) -> Result<void> {
    while (at < part.end() && !found) {
      auto piece = VHDX_TRY(PieceAt({at, part.end() - at}));
      uint64_t zeros = piece.length_bytes;
      if (piece.kind == ExtentKind::kData) {
        auto data = VHDX_TRY(layers_[piece.depth]->file().NextData(piece.file_offset));
        zeros = std::min(zeros, data - piece.file_offset);
      }
      found = zeros < piece.length_bytes;
      at += zeros;
    }
    return {};
  }));
  return at;
}

Result<void> LayerStack::CloneTo(DiskRange range, File& target, uint64_t file_offset) {
  // Whoever copies may hold a block of another disk, which is being copied from this one.
  const auto hold = [this](uint64_t block) { return writer_->TryShare(block); };
  return ForEachPart(range, hold, [&](DiskRange part) {
    return ForEachPiece(part, [&](const Piece& piece, uint64_t disk_offset) {
      const uint64_t to = file_offset + (disk_offset - range.disk_offset);
      const uint64_t length = piece.length_bytes;
      if (piece.kind != ExtentKind::kData) return PunchOrZero(target, {to, length});
      return target.CloneRange(to, layers_[piece.depth]->file(), {piece.file_offset, length});
    });
  });
}

// -- Writing --

Result<void> LayerStack::SyncParents() {
  for (size_t depth = 1; depth < layers_.size(); ++depth) {
    VHDX_TRY(layers_[depth]->file().Sync());
  }
  return {};
}

Result<void> LayerStack::EnableWriting(FileSystem& files, const WriteLimits& limits,
                                       PageCache page_cache) {
  VHDX_TRY(top_image_->EnableWriting(files, limits));
  writer_ = top_image_->writer();
  // One never goes without the other: a cold sequential read would be twenty times slower.
  if (page_cache == PageCache::kForServing && top_image_->file().AdviseRandomAccess()) {
    read_ahead_ = std::make_unique<ReadAhead>(size_bytes_);
  }
  return {};
}

LayerStack::Sectors LayerStack::Split(DiskRange range) const {
  const uint64_t sector = top_image_->geometry().logical_sector_size();
  const uint64_t first = AlignUp(range.disk_offset, sector);
  const uint64_t end = AlignDown(range.end(), sector);
  // Inside of one sector there is only a head.
  if (first > end) return {.head = range, .whole = {}, .tail = {}};
  return {.head = {range.disk_offset, first - range.disk_offset},
          .whole = {first, end - first},
          .tail = {end, range.end() - end}};
}

Result<void> LayerStack::WriteEdge(uint64_t disk_offset, std::span<const ByteSpan> buffers) {
  const DiskRange range{disk_offset, TotalBytes(buffers)};
  if (range.length_bytes == 0) return {};
  return writer_->WriteWithin(range, buffers,
                              [this](uint64_t sector_offset, MutableByteSpan sector) {
                                return ReadUnlocked({sector_offset, sector.size()}, {&sector, 1});
                              });
}

Result<void> LayerStack::WriteUnaligned(DiskRange range, std::span<const ByteSpan> buffers) {
  const Sectors sectors = Split(range);
  BufferCursor<ByteSpan> cursor(buffers);
  auto done = WriteEdge(sectors.head.disk_offset, cursor.Take(sectors.head.length_bytes));
  if (done && sectors.whole.length_bytes > 0) {
    done = writer_->Write(sectors.whole, cursor.Take(sectors.whole.length_bytes));
  }
  if (!done) return done;
  return WriteEdge(sectors.tail.disk_offset, cursor.Take(sectors.tail.length_bytes));
}

Result<void> LayerStack::Zero(DiskRange range, ZeroHow how) {
  const Sectors sectors = Split(range);
  const std::vector<std::byte> zeros(
      std::max(sectors.head.length_bytes, sectors.tail.length_bytes));
  const ByteSpan head = ByteSpan(zeros).first(sectors.head.length_bytes);
  VHDX_TRY(WriteEdge(sectors.head.disk_offset, {&head, 1}));
  if (sectors.whole.length_bytes > 0) {
    VHDX_TRY(how == ZeroHow::kTrim ? writer_->Trim(sectors.whole)
                                   : writer_->WriteZeroes(sectors.whole));
  }
  const ByteSpan tail = ByteSpan(zeros).first(sectors.tail.length_bytes);
  return WriteEdge(sectors.tail.disk_offset, {&tail, 1});
}

Result<std::vector<Extent>> LayerStack::Extents(DiskRange range, size_t max_extents) {
  std::vector<std::unique_ptr<Layer::Walk>> walks;
  walks.reserve(layers_.size());
  for (const auto& layer : layers_) walks.push_back(layer->NewWalk());
  const auto find = [&](uint32_t depth, DiskRange part) { return walks[depth]->Find(part); };
  std::vector<Extent> extents;
  uint64_t position = range.disk_offset;
  while (position < range.end()) {
    auto piece = Resolve({position, range.end() - position}, find);
    if (!piece) {
      if (!extents.empty()) break;  // what is known is worth having
      return std::unexpected(std::move(piece.error()));
    }
    Extent next{.range = {position, piece->length_bytes},
                .kind = piece->kind,
                .present = piece->kind != ExtentKind::kHole,
                .depth = piece->depth};
    if (next.kind == ExtentKind::kData) {
      next.place = {layers_[piece->depth]->file().identity(), piece->file_offset};
    }
    position += piece->length_bytes;
    if (!extents.empty()) {
      Extent& last = extents.back();
      const bool same_source =
          last.kind == next.kind && last.present == next.present && last.depth == next.depth;
      const bool follows =
          next.kind != ExtentKind::kData ||
          last.place->file_offset + last.range.length_bytes == next.place->file_offset;
      if (same_source && follows) {
        last.range.length_bytes += next.range.length_bytes;
        continue;
      }
      if (extents.size() == max_extents) break;
    }
    extents.push_back(next);
  }
  return extents;
}

}  // namespace vhdx
