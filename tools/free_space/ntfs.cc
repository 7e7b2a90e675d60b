#include "tools/free_space/ntfs.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/border.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
#include "guest/superblock.h"
#include "tools/free_space/bitmap_ranges.h"
#include "tools/free_space/ntfs_library.h"

namespace vhdx::free_space {
namespace {

/// Why the file system is left alone; nothing if it is not.
using NtfsReason = std::optional<std::string>;

class NtfsReader {
 public:
  NtfsReader(ntfs_volume& volume, uint64_t volume_bytes)
      : volume_(volume), volume_bytes_(volume_bytes), cluster_bytes_(volume.cluster_size) {}

  /// Everything, in order; the answer is complete if there is no reason.
  NtfsReason Run() {
    if (NtfsReason reason = CheckVolume()) return reason;
    if (NtfsReason reason = CheckLog()) return reason;
    if (NtfsReason reason = CheckHibernation()) return reason;
    if (NtfsReason reason = ReadBitmap()) return reason;
    return ReadMetadata();
  }

  FreeSpace Take() {
    return {.unit_bytes = cluster_bytes_,
            .free = free_.Take(),
            .counted_free_bytes = free_clusters_ * cluster_bytes_,
            .metadata = Merged(std::move(metadata_))};
  }

 private:
  NtfsReason CheckVolume() const;
  NtfsReason CheckLog();
  NtfsReason CheckHibernation();
  NtfsReason ReadBitmap();
  NtfsReason ReadMetadata();
  NtfsReason AddRunsOf(MFT_REF file);
  bool AddRuns(const runlist_element* run);

  uint64_t cluster_count() const { return static_cast<uint64_t>(volume_.nr_clusters); }

  ntfs_volume& volume_;
  const uint64_t volume_bytes_;
  const uint64_t cluster_bytes_;
  BitmapRanges free_;
  uint64_t free_clusters_ = 0;
  std::vector<DiskRange> metadata_;
};

NtfsReason NtfsReader::CheckVolume() const {
  if (volume_.nr_clusters <= 0 || cluster_bytes_ == 0 ||
      cluster_count() > volume_bytes_ / cluster_bytes_) {
    return "it is larger than the volume that it is on";
  }
  if ((volume_.flags & VOLUME_IS_DIRTY) != 0) return "it is marked as dirty";
  if ((volume_.flags & VOLUME_CHKDSK_UNDERWAY) != 0) return "chkdsk has not finished";
  return std::nullopt;
}

NtfsReason NtfsReader::CheckLog() {
  const NtfsInode file(ntfs_inode_open(&volume_, FILE_LogFile));
  if (file == nullptr) return "its $LogFile cannot be read";
  const NtfsAttribute log(ntfs_attr_open(file.get(), AT_DATA, AT_UNNAMED, 0));
  if (log == nullptr) return "its $LogFile cannot be read";
  RESTART_PAGE_HEADER* found = nullptr;
  const bool is_valid = ntfs_check_logfile(log.get(), &found) != 0;
  const std::unique_ptr<RESTART_PAGE_HEADER, FreeNtfsMemory> restart(found);
  if (!is_valid) return "its $LogFile is damaged";
  if (ntfs_is_logfile_clean(log.get(), restart.get()) != 0) return std::nullopt;
  return "its $LogFile has not been replayed";
}

NtfsReason NtfsReader::CheckHibernation() {
  if (ntfs_volume_check_hiberfile(&volume_, 0) == 0) return std::nullopt;
  return errno == EPERM ? "a hibernated Windows uses it" : "its hiberfil.sys cannot be read";
}

NtfsReason NtfsReader::ReadBitmap() {
  constexpr size_t kPiece = 64 * kKiB;
  std::vector<std::byte> piece(kPiece);
  const uint64_t bytes = DivideRoundingUp<uint64_t>(cluster_count(), 8);
  for (uint64_t done = 0; done < bytes; done += kPiece) {
    const auto wanted = static_cast<s64>(std::min<uint64_t>(kPiece, bytes - done));
    if (ntfs_attr_pread(volume_.lcnbmp_na, static_cast<s64>(done), wanted, piece.data()) !=
        wanted) {
      return "its $Bitmap cannot be read";
    }
    const uint64_t first = done * 8;
    const uint64_t count = std::min<uint64_t>(kPiece * 8, cluster_count() - first);
    free_clusters_ += free_.AddZeroBits(piece, count, first * cluster_bytes_, cluster_bytes_);
  }
  if (free_.too_many()) return "its free space is in too many pieces";
  return std::nullopt;
}

// The clusters of all system files, and the copy of the boot sector after the last cluster.
NtfsReason NtfsReader::ReadMetadata() {
  for (MFT_REF file = FILE_MFT; file < FILE_reserved12; ++file) {
    if (NtfsReason reason = AddRunsOf(file)) return reason;
  }
  const uint64_t end = cluster_count() * cluster_bytes_;
  if (end < volume_bytes_) metadata_.push_back({end, volume_bytes_ - end});
  return std::nullopt;
}

NtfsReason NtfsReader::AddRunsOf(MFT_REF file) {
  const std::string unreadable = Format("its system file {} cannot be read", file);
  const NtfsInode inode(ntfs_inode_open(&volume_, file));
  if (inode == nullptr) return unreadable;
  const NtfsSearch search(ntfs_attr_get_search_ctx(inode.get(), nullptr));
  if (search == nullptr) throw std::bad_alloc();
  // More than that is a list that names itself.
  constexpr int kMaxAttributes = 10'000;
  for (int i = 0; i < kMaxAttributes; ++i) {
    if (ntfs_attr_lookup(AT_UNUSED, nullptr, 0, CASE_SENSITIVE, 0, nullptr, 0, search.get()) != 0) {
      return errno == ENOENT ? NtfsReason() : unreadable;
    }
    if (search->attr->non_resident == 0) continue;
    const std::unique_ptr<runlist_element, FreeNtfsMemory> runs(
        ntfs_mapping_pairs_decompress(&volume_, search->attr, nullptr));
    if (runs == nullptr || !AddRuns(runs.get())) return unreadable;
  }
  return unreadable;
}

// False if a run is outside of the volume, or there are too many.
bool NtfsReader::AddRuns(const runlist_element* run) {
  for (; run->length > 0; ++run) {
    if (run->lcn < 0) continue;  // a hole
    const auto first = static_cast<uint64_t>(run->lcn);
    const auto count = static_cast<uint64_t>(run->length);
    if (!FitsInside(first, count, cluster_count()) || metadata_.size() == kMaxFreeRanges) {
      return false;
    }
    metadata_.push_back({first * cluster_bytes_, count * cluster_bytes_});
  }
  return true;
}

NtfsReason CheckNtfs(std::span<const guest::Superblock> superblocks, uint64_t volume_bytes) {
  for (const guest::Superblock& superblock : superblocks) {
    if (superblock.kind != guest::VolumeKind::kNtfs) continue;
    if (superblock.size_bytes.value_or(0) <= volume_bytes) return std::nullopt;
    return Format("it is larger ({} bytes) than the volume that it is on ({})",
                  *superblock.size_bytes, volume_bytes);
  }
  return "it has no valid boot sector";
}

Answer ReadNtfsFrom(NtfsSource& source) {
  const NtfsVolume mounted = MountNtfs(source);
  if (mounted == nullptr) {
    if (errno == ENOMEM) throw std::bad_alloc();
    return LeftAlone{"it is damaged, or libntfs-3g does not know its form"};
  }
  NtfsReader reader(*mounted, source.size_bytes());
  if (NtfsReason reason = reader.Run()) return LeftAlone{*std::move(reason)};
  return reader.Take();
}

}  // namespace

Result<Answer> ReadNtfsFreeSpace(BlockDevice& volume) try {
  const auto superblocks = VHDX_TRY(guest::ReadSuperblocks(volume, {0, volume.size_bytes()}));
  if (NtfsReason reason = CheckNtfs(superblocks, volume.size_bytes())) {
    return LeftAlone{*std::move(reason)};
  }
  // A bitmap is read in pieces of at least a cluster.
  NtfsSource source(volume, (uint64_t{1} << 20) + volume.size_bytes() / kMiB);
  Answer answer = ReadNtfsFrom(source);
  VHDX_TRY(source.Finish());
  return answer;
} catch (...) {
  return CaughtException();
}

}  // namespace vhdx::free_space
