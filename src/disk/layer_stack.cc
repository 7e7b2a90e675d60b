#include "disk/layer_stack.h"

#include <vhdxkit/forwarding_file.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/buffer_cursor.h"
#include "bytes/try.h"
#include "disk/open_image.h"
#include "format/rules.h"
#include "io/holes.h"

namespace vhdx {
namespace {

bool IsForReadingOnly(const ChainOptions& chain) {
  return !chain.parents.empty() || chain.ignore_parent_id || chain.images.ignore_log;
}

// Opens what the host's page cache is not to hold.
class DirectFiles final : public ForwardingFileSystem {
 public:
  using ForwardingFileSystem::ForwardingFileSystem;

  Result<std::unique_ptr<File>> Open(const std::string& path,
                                     const OpenFileOptions& options) override {
    OpenFileOptions direct = options;
    direct.direct = true;
    return base().Open(path, direct);
  }
};

}  // namespace

Result<std::unique_ptr<LayerStack>> LayerStack::Open(FileSystem& files, const std::string& path,
                                                     const OpenOptions& options) {
  const ChainOptions& chain = options.chain;
  if (options.access == DiskAccess::kReadWrite && IsForReadingOnly(chain)) {
    return Fail(ErrorCode::kInvalidArgument,
                "a disk whose parents or log were overridden can only be read", path);
  }
  DirectFiles direct_files(files);
  FileSystem& opener = options.direct ? direct_files : files;
  std::vector<std::shared_ptr<Image>> layers;
  std::vector<FileIdentity> identities;
  Findings findings;
  auto image = OpenTopImage(opener, path, options.access, chain.images, findings);
  for (;;) {
    if (!image) return std::unexpected(std::move(image.error()));
    const FileIdentity identity = (*image)->file().identity();
    const Place place{(*image)->info().filename, 0};
    if (std::ranges::find(identities, identity) != identities.end()) {
      return Corrupt(rules::kParentLoop, place);
    }
    identities.push_back(identity);
    layers.push_back(*std::move(image));
    if (!layers.back()->info().parameters.has_parent) break;
    if (layers.size() >= chain.max_chain_depth) {
      return Corrupt(rules::kParentDepth, place, std::to_string(layers.size()) + " images and more",
                     "at most " + std::to_string(chain.max_chain_depth));
    }
    Findings parent_findings;
    image = OpenParent(opener, *layers.back(), layers.size() - 1, chain, parent_findings);
  }
  VHDX_TRY(RefuseUnusedParents(*layers.back(), layers.size(), chain));
  return std::unique_ptr<LayerStack>(new LayerStack(std::move(layers)));
}

std::unique_ptr<LayerStack> LayerStack::WithChild(std::unique_ptr<Image> child) const {
  std::vector<std::shared_ptr<Image>> layers;
  layers.reserve(layers_.size() + 1);
  layers.push_back(std::move(child));
  std::ranges::copy(layers_, std::back_inserter(layers));
  return std::unique_ptr<LayerStack>(new LayerStack(std::move(layers)));
}

// Whether one read, or one range of zeros, can be both. What is empty is followed by everything.
bool LayerStack::Follows(const Piece& before, const Piece& after) {
  if (before.length_bytes == 0) return true;
  const bool is_data = before.kind == ExtentKind::kData;
  if (is_data != (after.kind == ExtentKind::kData)) return false;
  return !is_data || (before.depth == after.depth &&
                      before.file_offset + before.length_bytes == after.file_offset);
}

template <typename FindBlocks>
Result<LayerStack::Piece> LayerStack::Resolve(uint64_t offset, uint64_t length,
                                              FindBlocks&& find_blocks) {
  for (uint32_t depth = 0;; ++depth) {
    Image& image = *layers_[depth];
    const format::BatGeometry& geometry = image.geometry();
    // A shorter parent reads as zeros behind its end.
    if (offset >= geometry.virtual_disk_size()) {
      return Piece{.kind = ExtentKind::kHole, .depth = depth, .length_bytes = length};
    }
    length = std::min(length, geometry.virtual_disk_size() - offset);
    const uint64_t within = geometry.OffsetInBlock(offset);
    const uint64_t block = geometry.BlockOf(offset);
    auto run =
        VHDX_TRY(find_blocks(depth, block, geometry.BlockOf(offset + length - 1) - block + 1));
    length = std::min(length, run.count * geometry.block_size() - within);
    switch (run.block.kind) {
      case Block::Kind::kPresent:
        return Piece{ExtentKind::kData, depth, length, run.block.file_offset + within};
      case Block::Kind::kZero:
        return Piece{.kind = ExtentKind::kZero, .depth = depth, .length_bytes = length};
      case Block::Kind::kPartial: {
        auto sectors = VHDX_TRY(image.sector_bitmaps().RunAt(offset, length));
        length = sectors.length_bytes;
        if (sectors.in_this_file) {
          return Piece{ExtentKind::kData, depth, length, run.block.file_offset + within};
        }
        break;
      }
      case Block::Kind::kNotPresent:
        break;
    }
    if (depth + 1 == layers_.size()) {
      return Piece{.kind = ExtentKind::kHole, .depth = depth, .length_bytes = length};
    }
  }
}

// Parents are not written, and their host reads ahead as it does. A block that moves meanwhile is
// read in vain.
void LayerStack::StartReadAhead(DiskRange read) {
  const DiskRange ahead = read_ahead_->Note(read);
  Image& image = *layers_[0];
  for (uint64_t at = ahead.disk_offset; at < ahead.end();) {
    const uint64_t within = image.geometry().OffsetInBlock(at);
    const uint64_t length =
        std::min({ReadAhead::kPiece, ahead.end() - at, image.geometry().block_size() - within});
    const auto block = image.block_map().PayloadBlock(image.geometry().BlockOf(at));
    if (block && (block->kind == Block::Kind::kPresent || block->kind == Block::Kind::kPartial)) {
      image.file().ReadAhead({block->file_offset + within, length});
    }
    at += length;
  }
}

template <typename Hold, typename Use>
Result<void> LayerStack::ForEachPart(DiskRange range, Hold&& hold, Use&& use) {
  if (writer_ == nullptr) return use(range);
  const format::BatGeometry& geometry = layers_[0]->geometry();
  for (uint64_t at = range.disk_offset; at < range.end();) {
    const uint64_t left = geometry.block_size() - geometry.OffsetInBlock(at);
    const DiskRange part{at, std::min(left, range.end() - at)};
    const BlockReference reference = hold(geometry.BlockOf(at));
    if (!reference) {
      return Fail(ErrorCode::kUnsupported, "the block is being changed", layers_[0]->file().name());
    }
    VHDX_TRY(use(part));
    at = part.end();
  }
  return {};
}

Result<LayerStack::Piece> LayerStack::PieceAt(uint64_t offset, uint64_t length) {
  return Resolve(offset, length,
                 [this](uint32_t depth, uint64_t block, uint64_t) -> Result<BatCursor::Run> {
                   auto found = VHDX_TRY(layers_[depth]->block_map().PayloadBlock(block));
                   return BatCursor::Run{found, 1};
                 });
}

template <typename Use>
Result<void> LayerStack::ForEachPiece(DiskRange range, Use&& use) {
  Piece gathered;
  uint64_t start = range.disk_offset;  // of `gathered`
  for (uint64_t position = start; position < range.end();) {
    auto piece = VHDX_TRY(PieceAt(position, range.end() - position));
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
    return layers_[0]->file().ReadExactAt(place, buffers, range.length_bytes);
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
      auto piece = VHDX_TRY(PieceAt(at, part.end() - at));
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
  VHDX_TRY(layers_[0]->EnableWriting(files, limits));
  writer_ = layers_[0]->writer();
  // One never goes without the other: a cold sequential read would be twenty times slower.
  if (page_cache == PageCache::kForServing && layers_[0]->file().AdviseRandomAccess()) {
    read_ahead_ = std::make_unique<ReadAhead>(layers_[0]->geometry().virtual_disk_size());
  }
  return {};
}

LayerStack::Sectors LayerStack::Split(DiskRange range) const {
  const uint64_t sector = layers_[0]->geometry().logical_sector_size();
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
  std::vector<BatCursor> cursors;
  cursors.reserve(layers_.size());
  for (const auto& layer : layers_) cursors.emplace_back(layer->block_map());
  const auto find_blocks = [&](uint32_t depth, uint64_t block, uint64_t max_count) {
    return cursors[depth].RunAt(block, max_count);
  };
  std::vector<Extent> extents;
  uint64_t position = range.disk_offset;
  while (position < range.end()) {
    auto piece = Resolve(position, range.end() - position, find_blocks);
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
