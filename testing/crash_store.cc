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

uint64_t NextDevice() {
  static std::atomic<uint64_t> last = 1;
  return ++last;
}

std::shared_ptr<const std::vector<std::byte>> Joined(std::span<const ByteSpan> buffers) {
  auto joined = std::make_shared<std::vector<std::byte>>();
  for (const ByteSpan buffer : buffers) {
    joined->insert(joined->end(), buffer.begin(), buffer.end());
  }
  return joined;
}

std::unexpected<Error> NoSuchFile(const std::string& path) {
  return std::unexpected(Error{.code = ErrorCode::kNotFound,
                               .sys_errno = ENOENT,
                               .file = path,
                               .file_offset = {},
                               .sentence = "there is no such file"});
}

void ApplyResize(const CrashOperation& operation, CrashState& state) {
  PageImage& image = state.FileForWriting(operation.file);
  const uint64_t length = operation.range.length_bytes;
  if (state.kind() == CrashFileKind::kStaleGrowth && length > image.size()) {
    image.FillWithJunk({image.size(), length - image.size()});
  }
  image.SetSize(length);
}

}  // namespace

void Apply(const CrashOperation& operation, CrashState& state) {
  switch (operation.kind) {
    case Kind::kWrite:
      return state.FileForWriting(operation.file)
          .Write(operation.range.file_offset, *operation.data);
    case Kind::kZero:
      return state.FileForWriting(operation.file).Zero(operation.range);
    case Kind::kResize:
      return ApplyResize(operation, state);
    case Kind::kCreate:
      // Its bytes may be there already: they were synced, and its name was not.
      state.FileForWriting(operation.file);
      [[fallthrough]];
    case Kind::kRename:
      return state.SetName(operation.file, operation.path);
    case Kind::kRemove:
      return state.EraseName(operation.file);
    case Kind::kMark:
    case Kind::kSyncBegin:
    case Kind::kSyncEnd:
    case Kind::kFailedSyncEnd:
    case Kind::kFolderSyncEnd:
      return;
  }
}

CrashStore::CrashStore(CrashState durable, Options options)
    : options_(options),
      device_(NextDevice()),
      base_(std::move(durable)),
      cached_(base_),
      random_(static_cast<uint32_t>(options.seed + 1)) {}

std::unique_ptr<CrashStore> CrashStore::AfterKill(size_t length) const {
  auto next = std::make_unique<CrashStore>(base_, options_);
  std::vector<CrashOperation> record = Record();
  record.resize(length);
  const MutexLock lock(next->mutex_);
  for (const CrashOperation& operation : record) Apply(operation, next->cached_);
  next->record_ = std::move(record);
  return next;
}

// -- The record --

void CrashStore::Add(CrashOperation operation) {
  Apply(operation, cached_);
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

CrashState CrashStore::Cached() const {
  const MutexLock lock(mutex_);
  return cached_;
}

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

size_t CrashStore::BeginSync() {
  const MutexLock lock(mutex_);
  Add({.kind = Kind::kSyncBegin});
  return record_.size() - 1;
}

// -- Names --

std::optional<size_t> CrashStore::NumberAt(const std::string& path) const {
  const MutexLock lock(mutex_);
  return cached_.NumberAt(path);
}

std::optional<std::string> CrashStore::PathOf(size_t file) const {
  const MutexLock lock(mutex_);
  return cached_.PathOf(file);
}

Result<void> CrashStore::CheckFolder(const std::string& folder) const {
  if (cached_.folders().contains(folder)) return {};
  return NoSuchFile(folder);
}

Result<size_t> CrashStore::Create(const std::string& path) {
  const MutexLock lock(mutex_);
  if (auto found = CheckFolder(FolderOf(path)); !found) return std::unexpected(found.error());
  if (cached_.NumberAt(path) || cached_.folders().contains(path)) {
    return Fail(ErrorCode::kExists, "there is a file of this name already", path);
  }
  const size_t file = cached_.next_number();
  Add({.kind = Kind::kCreate, .file = file, .path = path});
  return file;
}

Result<void> CrashStore::Rename(const std::string& from, const std::string& to, RenameMode mode) {
  PauseNowAndThen();
  const MutexLock lock(mutex_);
  const std::optional<size_t> file = cached_.NumberAt(from);
  if (!file) return NoSuchFile(from);
  if (auto found = CheckFolder(FolderOf(to)); !found) return found;
  if (mode == RenameMode::kRefuseExisting && cached_.NumberAt(to)) {
    return Fail(ErrorCode::kExists, "there is a file of this name already", to);
  }
  Add({.kind = Kind::kRename, .file = *file, .path = to});
  return {};
}

Result<void> CrashStore::Remove(const std::string& path) {
  PauseNowAndThen();
  const MutexLock lock(mutex_);
  const std::optional<size_t> file = cached_.NumberAt(path);
  if (!file) return NoSuchFile(path);
  Add({.kind = Kind::kRemove, .file = *file, .path = path});
  return {};
}

Result<void> CrashStore::SyncFolder(const std::string& folder) {
  const size_t begin = BeginSync();
  PauseNowAndThen();
  const MutexLock lock(mutex_);
  if (auto found = CheckFolder(folder); !found) return found;
  Add({.kind = Kind::kFolderSyncEnd, .path = folder, .sync_begin = begin});
  return {};
}

// -- Reading --

uint64_t CrashStore::size(size_t file) const {
  const MutexLock lock(mutex_);
  return cached_.file(file).size();
}

uint64_t CrashStore::allocated_bytes(size_t file) const {
  const MutexLock lock(mutex_);
  return cached_.file(file).allocated_bytes();
}

size_t CrashStore::Read(size_t file, uint64_t file_offset,
                        std::span<const MutableByteSpan> buffers) const {
  const MutexLock lock(mutex_);
  size_t done = 0;
  for (const MutableByteSpan buffer : buffers) {
    const size_t read = cached_.file(file).Read(file_offset + done, buffer);
    done += read;
    if (read < buffer.size()) break;
  }
  return done;
}

uint64_t CrashStore::NextData(size_t file, uint64_t file_offset) const {
  const MutexLock lock(mutex_);
  return cached_.file(file).NextData(file_offset);
}

uint64_t CrashStore::NextHole(size_t file, uint64_t file_offset) const {
  const MutexLock lock(mutex_);
  return cached_.file(file).NextHole(file_offset);
}

// -- Writing --

Result<void> CrashStore::GrowTo(size_t file, uint64_t end) {
  const uint64_t size = cached_.file(file).size();
  if (end <= size) return {};
  if (kind() == CrashFileKind::kBlockDevice) {
    return std::unexpected(Error{.code = ErrorCode::kNoSpace,
                                 .sys_errno = ENOSPC,
                                 .file_offset = size,
                                 .sentence = "the device ends here"});
  }
  Add({.kind = Kind::kResize, .file = file, .range = {0, end}});
  return {};
}

Result<void> CrashStore::Write(size_t file, uint64_t file_offset,
                               std::span<const ByteSpan> buffers) {
  PauseNowAndThen();
  auto data = Joined(buffers);
  if (data->empty()) return {};
  const MutexLock lock(mutex_);
  const FileRange range = {file_offset, data->size()};
  if (auto grown = GrowTo(file, file_offset + data->size()); !grown) return grown;
  Add({.kind = Kind::kWrite, .file = file, .range = range, .data = std::move(data)});
  return {};
}

Result<void> CrashStore::Zero(size_t file, FileRange range) {
  PauseNowAndThen();
  if (range.length_bytes == 0) return {};
  const MutexLock lock(mutex_);
  if (auto grown = GrowTo(file, range.file_offset + range.length_bytes); !grown) return grown;
  Add({.kind = Kind::kZero, .file = file, .range = range});
  return {};
}

void CrashStore::Punch(size_t file, FileRange range) {
  PauseNowAndThen();
  const MutexLock lock(mutex_);
  const uint64_t size = cached_.file(file).size();
  if (range.file_offset >= size) return;
  range.length_bytes = std::min(range.length_bytes, size - range.file_offset);
  Add({.kind = Kind::kZero, .file = file, .range = range});
}

Result<void> CrashStore::Resize(size_t file, uint64_t length_bytes) {
  PauseNowAndThen();
  const MutexLock lock(mutex_);
  if (length_bytes == cached_.file(file).size()) return {};
  if (kind() == CrashFileKind::kBlockDevice) {
    return Fail(ErrorCode::kUnsupported, "the length of a block device cannot change");
  }
  Add({.kind = Kind::kResize, .file = file, .range = {0, length_bytes}});
  return {};
}

Result<void> CrashStore::Sync(size_t file) {
  const size_t begin = BeginSync();
  PauseNowAndThen();
  const MutexLock lock(mutex_);
  const bool fails = syncs_to_failure_ == 1;
  if (syncs_to_failure_ != 0) --syncs_to_failure_;
  Add({.kind = fails ? Kind::kFailedSyncEnd : Kind::kSyncEnd, .file = file, .sync_begin = begin});
  if (!fails) return {};
  return std::unexpected(
      Error{.code = ErrorCode::kIo, .sys_errno = EIO, .sentence = "the disk lost what was cached"});
}

}  // namespace vhdx::testing
