#include "disk/chain.h"

#include <algorithm>
#include <utility>

#include "bytes/arithmetic.h"
#include "disk/open_image.h"
#include "format/rules.h"

namespace vhdx {

Result<std::unique_ptr<Disk::Chain>> Disk::Chain::Open(FileSystem& files, const std::string& path,
                                                       const OpenOptions& options) {
  const bool overrides = !options.parents.empty() || options.ignore_parent_id || options.ignore_log;
  if (overrides && options.access == DiskAccess::kReadWrite) {
    return Fail(ErrorCode::kInvalidArgument,
                "a disk whose parents or log were overridden can only be read", path);
  }
  std::vector<std::unique_ptr<Image>> layers;
  std::vector<FileIdentity> identities;
  Findings findings;
  OpenOptions parent_options = options;
  parent_options.access = DiskAccess::kReadOnly;
  auto image = OpenImage(files, path, options, findings);
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
    if (layers.size() >= options.max_chain_depth) {
      return Corrupt(rules::kParentDepth, place, std::to_string(layers.size()) + " images and more",
                     "at most " + std::to_string(options.max_chain_depth));
    }
    Findings parent_findings;
    image = OpenParent(files, *layers.back(), layers.size() - 1, parent_options, parent_findings);
  }
  if (auto used = RefuseUnusedParents(*layers.back(), layers.size(), options); !used) {
    return std::unexpected(std::move(used.error()));
  }
  return std::unique_ptr<Chain>(new Chain(std::move(layers)));
}

template <typename FindBlocks>
Result<Disk::Chain::Piece> Disk::Chain::Resolve(uint64_t offset, uint64_t length,
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
    auto run = find_blocks(depth, block, geometry.BlockOf(offset + length - 1) - block + 1);
    if (!run) return std::unexpected(std::move(run.error()));
    length = std::min(length, run->count * geometry.block_size() - within);
    switch (run->block.kind) {
      case Block::Kind::kPresent:
        return Piece{ExtentKind::kData, depth, length, run->block.file_offset + within};
      case Block::Kind::kZero:
        return Piece{.kind = ExtentKind::kZero, .depth = depth, .length_bytes = length};
      case Block::Kind::kPartial: {
        auto sectors = image.sector_bitmaps().RunAt(offset, length);
        if (!sectors) return std::unexpected(std::move(sectors.error()));
        length = sectors->length_bytes;
        if (sectors->in_this_file) {
          return Piece{ExtentKind::kData, depth, length, run->block.file_offset + within};
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
void Disk::Chain::StartReadAhead(DiskRange read) {
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

// Where the top image is being written, a block's place is not given to another while it is read.
Result<void> Disk::Chain::ReadSlowly(uint64_t disk_offset, MutableByteSpan buffer) {
  ImageWriter* const writer = layers_[0]->writer();
  if (writer == nullptr) return ReadPieces(disk_offset, buffer);
  const format::BatGeometry& geometry = layers_[0]->geometry();
  while (!buffer.empty()) {
    const uint64_t left = geometry.block_size() - geometry.OffsetInBlock(disk_offset);
    const MutableByteSpan part = buffer.first(std::min<uint64_t>(left, buffer.size()));
    const SharedLock lock(writer->LockOf(geometry.BlockOf(disk_offset)));
    if (auto read = ReadUnlocked(disk_offset, part); !read) return read;
    disk_offset += part.size();
    buffer = buffer.subspan(part.size());
  }
  return {};
}

Result<void> Disk::Chain::ReadUnlocked(uint64_t disk_offset, MutableByteSpan buffer) {
  if (const uint64_t place = PlaceIfInOneBlock(disk_offset, buffer.size()); place != 0) {
    return layers_[0]->file().ReadExactAt(place, buffer);
  }
  return ReadPieces(disk_offset, buffer);
}

Result<void> Disk::Chain::ReadPieces(uint64_t disk_offset, MutableByteSpan buffer) {
  const auto find_blocks = [this](uint32_t depth, uint64_t block,
                                  uint64_t) -> Result<BatCursor::Run> {
    auto found = layers_[depth]->block_map().PayloadBlock(block);
    if (!found) return std::unexpected(std::move(found.error()));
    return BatCursor::Run{*found, 1};
  };
  // Pieces that follow each other in one file, and pieces of zeros, are gathered and then served at
  // once.
  Piece gathered;
  uint64_t position = disk_offset;
  uint64_t served = 0;
  const auto serve = [&]() -> Result<void> {
    const MutableByteSpan target = buffer.subspan(served, gathered.length_bytes);
    served += gathered.length_bytes;
    if (gathered.kind == ExtentKind::kData) return ReadData(gathered, target);
    std::ranges::fill(target, std::byte{0});
    return {};
  };
  while (position < disk_offset + buffer.size()) {
    auto piece = Resolve(position, disk_offset + buffer.size() - position, find_blocks);
    if (!piece) return std::unexpected(std::move(piece.error()));
    position += piece->length_bytes;
    const bool both_data = gathered.kind == ExtentKind::kData && piece->kind == ExtentKind::kData;
    const bool both_zeros = gathered.kind != ExtentKind::kData && piece->kind != ExtentKind::kData;
    const bool follows = both_data && gathered.depth == piece->depth &&
                         gathered.file_offset + gathered.length_bytes == piece->file_offset;
    if (follows || both_zeros) {
      gathered.length_bytes += piece->length_bytes;
      continue;
    }
    if (gathered.length_bytes > 0) {
      if (auto done = serve(); !done) return done;
    }
    gathered = *piece;
  }
  return gathered.length_bytes > 0 ? serve() : Result<void>{};
}

Result<void> Disk::Chain::ReadData(const Piece& piece, MutableByteSpan buffer) {
  return layers_[piece.depth]->file().ReadExactAt(piece.file_offset, buffer);
}

// -- Writing --

Result<void> Disk::Chain::EnableWriting(FileSystem& files, const WriteLimits& limits,
                                        PageCache page_cache) {
  // What is built on must not be lost: whoever wrote a parent may never have synced it.
  for (size_t depth = 1; depth < layers_.size(); ++depth) {
    if (auto synced = layers_[depth]->file().Sync(); !synced) return synced;
  }
  if (auto enabled = layers_[0]->EnableWriting(files, limits); !enabled) return enabled;
  // One never goes without the other: a cold sequential read would be twenty times slower.
  if (page_cache == PageCache::kForServing && layers_[0]->file().AdviseRandomAccess()) {
    read_ahead_ = std::make_unique<ReadAhead>(layers_[0]->geometry().virtual_disk_size());
  }
  return {};
}

Disk::Chain::Sectors Disk::Chain::Split(DiskRange range) const {
  const uint64_t sector = layers_[0]->geometry().logical_sector_size();
  const uint64_t first = AlignUp(range.disk_offset, sector);
  const uint64_t end = AlignDown(range.end(), sector);
  // Inside of one sector there is only a head.
  if (first > end) return {.head = range, .whole = {}, .tail = {}};
  return {.head = {range.disk_offset, first - range.disk_offset},
          .whole = {first, end - first},
          .tail = {end, range.end() - end}};
}

Result<void> Disk::Chain::WriteEdge(uint64_t disk_offset, ByteSpan bytes) {
  if (bytes.empty()) return {};
  return layers_[0]->writer()->WriteWithin(disk_offset, bytes,
                                           [this](uint64_t sector_offset, MutableByteSpan sector) {
                                             return ReadUnlocked(sector_offset, sector);
                                           });
}

Result<void> Disk::Chain::WriteUnaligned(uint64_t disk_offset, ByteSpan bytes) {
  const Sectors sectors = Split({disk_offset, bytes.size()});
  const auto part = [&](DiskRange range) {
    return bytes.subspan(range.disk_offset - disk_offset, range.length_bytes);
  };
  if (sectors.head.length_bytes > 0) {
    if (auto done = WriteEdge(disk_offset, part(sectors.head)); !done) return done;
  }
  if (sectors.whole.length_bytes > 0) {
    auto done = layers_[0]->writer()->Write(sectors.whole.disk_offset, part(sectors.whole));
    if (!done) return done;
  }
  if (sectors.tail.length_bytes == 0) return {};
  return WriteEdge(sectors.tail.disk_offset, part(sectors.tail));
}

Result<void> Disk::Chain::Zero(DiskRange range, ZeroHow how) {
  const Sectors sectors = Split(range);
  const std::vector<std::byte> zeros(
      std::max(sectors.head.length_bytes, sectors.tail.length_bytes));
  const ByteSpan head = ByteSpan(zeros).first(sectors.head.length_bytes);
  if (auto done = WriteEdge(sectors.head.disk_offset, head); !done) return done;
  if (sectors.whole.length_bytes > 0) {
    ImageWriter& writer = *layers_[0]->writer();
    auto done =
        how == ZeroHow::kTrim ? writer.Trim(sectors.whole) : writer.WriteZeroes(sectors.whole);
    if (!done) return done;
  }
  return WriteEdge(sectors.tail.disk_offset, ByteSpan(zeros).first(sectors.tail.length_bytes));
}

Result<std::vector<Extent>> Disk::Chain::Extents(DiskRange range, size_t max_extents) {
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
      next.file = &layers_[piece->depth]->file();
      next.file_offset = piece->file_offset;
    }
    position += piece->length_bytes;
    if (!extents.empty()) {
      Extent& last = extents.back();
      const bool same_source =
          last.kind == next.kind && last.present == next.present && last.depth == next.depth;
      const bool follows = next.kind != ExtentKind::kData ||
                           last.file_offset + last.range.length_bytes == next.file_offset;
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
