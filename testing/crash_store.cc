#include "testing/crash_store.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <thread>
#include <utility>

namespace vhdx::testing {
namespace {

using Kind = CrashOperation::Kind;

FileIdentity NextIdentity() {
  static std::atomic<uint64_t> last = 0;
  return {.device = 2, .inode = ++last};
}

std::shared_ptr<const std::vector<std::byte>> Joined(std::span<const ByteSpan> buffers) {
  auto joined = std::make_shared<std::vector<std::byte>>();
  for (const ByteSpan buffer : buffers) {
    joined->insert(joined->end(), buffer.begin(), buffer.end());
  }
  return joined;
}

}  // namespace

void Apply(const CrashOperation& operation, CrashFileKind kind, PageImage& image) {
  const FileRange& range = operation.range;
  switch (operation.kind) {
    case Kind::kWrite:
      return image.Write(range.file_offset, *operation.data);
    case Kind::kZero:
      return image.Zero(range);
    case Kind::kResize:
      if (kind == CrashFileKind::kStaleGrowth && range.length_bytes > image.size()) {
        image.FillWithJunk({image.size(), range.length_bytes - image.size()});
      }
      return image.SetSize(range.length_bytes);
    case Kind::kMark:
    case Kind::kSyncBegin:
    case Kind::kSyncEnd:
    case Kind::kFailedSyncEnd:
      return;
  }
}

CrashStore::CrashStore(PageImage durable, Options options)
    : options_(options),
      identity_(NextIdentity()),
      base_(std::move(durable)),
      cached_(base_),
      random_(static_cast<uint32_t>(options.seed + 1)) {}

std::unique_ptr<CrashStore> CrashStore::AfterKill(size_t length) const {
  auto next = std::make_unique<CrashStore>(base_, options_);
  std::vector<CrashOperation> record = Record();
  record.resize(length);
  const MutexLock lock(next->mutex_);
  for (const CrashOperation& operation : record) Apply(operation, options_.kind, next->cached_);
  next->record_ = std::move(record);
  return next;
}

// -- The record --

void CrashStore::Add(CrashOperation operation) {
  Apply(operation, options_.kind, cached_);
  record_.push_back(std::move(operation));
}

std::vector<CrashOperation> CrashStore::Record() const {
  const MutexLock lock(mutex_);
  return record_;
}

size_t CrashStore::RecordLength() const {
  const MutexLock lock(mutex_);
  return record_.size();
}

size_t CrashStore::Mark() {
  const MutexLock lock(mutex_);
  record_.emplace_back();
  return record_.size() - 1;
}

void CrashStore::FailSync(uint64_t nth) {
  const MutexLock lock(mutex_);
  syncs_to_failure_ = nth;
}

PageImage CrashStore::Cached() const {
  const MutexLock lock(mutex_);
  return cached_;
}

// -- Reading --

uint64_t CrashStore::size() const {
  const MutexLock lock(mutex_);
  return cached_.size();
}

uint64_t CrashStore::allocated_bytes() const {
  const MutexLock lock(mutex_);
  return cached_.allocated_bytes();
}

size_t CrashStore::Read(uint64_t file_offset, std::span<const MutableByteSpan> buffers) const {
  const MutexLock lock(mutex_);
  size_t done = 0;
  for (const MutableByteSpan buffer : buffers) {
    const size_t read = cached_.Read(file_offset + done, buffer);
    done += read;
    if (read < buffer.size()) break;
  }
  return done;
}

uint64_t CrashStore::NextData(uint64_t file_offset) const {
  const MutexLock lock(mutex_);
  return cached_.NextData(file_offset);
}

uint64_t CrashStore::NextHole(uint64_t file_offset) const {
  const MutexLock lock(mutex_);
  return cached_.NextHole(file_offset);
}

// -- Writing --

void CrashStore::PauseNowAndThen() {
  if (!options_.shuffle_threads) return;
  uint32_t drawn = 0;
  {
    const MutexLock lock(mutex_);
    drawn = static_cast<uint32_t>(random_()) % 16;
  }
  if (drawn < 4) std::this_thread::yield();
  if (drawn == 4) std::this_thread::sleep_for(std::chrono::microseconds(20));
}

Result<void> CrashStore::GrowTo(uint64_t end) {
  if (end <= cached_.size()) return {};
  if (options_.kind == CrashFileKind::kBlockDevice) {
    return std::unexpected(Error{.code = ErrorCode::kNoSpace,
                                 .sys_errno = ENOSPC,
                                 .file_offset = cached_.size(),
                                 .sentence = "the device ends here"});
  }
  Add({.kind = Kind::kResize, .range = {0, end}});
  return {};
}

Result<void> CrashStore::Write(uint64_t file_offset, std::span<const ByteSpan> buffers) {
  PauseNowAndThen();
  auto data = Joined(buffers);
  if (data->empty()) return {};
  const MutexLock lock(mutex_);
  const FileRange range = {file_offset, data->size()};
  if (auto grown = GrowTo(file_offset + data->size()); !grown) return grown;
  Add({.kind = Kind::kWrite, .range = range, .data = std::move(data)});
  return {};
}

Result<void> CrashStore::Zero(FileRange range) {
  PauseNowAndThen();
  if (range.length_bytes == 0) return {};
  const MutexLock lock(mutex_);
  if (auto grown = GrowTo(range.file_offset + range.length_bytes); !grown) return grown;
  Add({.kind = Kind::kZero, .range = range});
  return {};
}

void CrashStore::Punch(FileRange range) {
  PauseNowAndThen();
  const MutexLock lock(mutex_);
  if (range.file_offset >= cached_.size()) return;
  range.length_bytes = std::min(range.length_bytes, cached_.size() - range.file_offset);
  Add({.kind = Kind::kZero, .range = range});
}

Result<void> CrashStore::Resize(uint64_t length_bytes) {
  PauseNowAndThen();
  const MutexLock lock(mutex_);
  if (length_bytes == cached_.size()) return {};
  if (options_.kind == CrashFileKind::kBlockDevice) {
    return Fail(ErrorCode::kUnsupported, "the length of a block device cannot change");
  }
  Add({.kind = Kind::kResize, .range = {0, length_bytes}});
  return {};
}

Result<void> CrashStore::Sync() {
  size_t begin = 0;
  {
    const MutexLock lock(mutex_);
    begin = record_.size();
    Add({.kind = Kind::kSyncBegin});
  }
  PauseNowAndThen();
  const MutexLock lock(mutex_);
  const bool fails = syncs_to_failure_ == 1;
  if (syncs_to_failure_ != 0) --syncs_to_failure_;
  Add({.kind = fails ? Kind::kFailedSyncEnd : Kind::kSyncEnd, .sync_begin = begin});
  if (!fails) return {};
  return std::unexpected(
      Error{.code = ErrorCode::kIo, .sys_errno = EIO, .sentence = "the disk lost what was cached"});
}

}  // namespace vhdx::testing
