#include "testing/recording_file.h"

#include <algorithm>
#include <iterator>

#include "bytes/buffer_cursor.h"

namespace vhdx::testing {

// -- The record --

void CallRecord::Add(RecordedCall call) {
  const MutexLock lock(mutex_);
  calls_.push_back(std::move(call));
}

void CallRecord::Clear() {
  const MutexLock lock(mutex_);
  calls_.clear();
}

std::vector<RecordedCall> CallRecord::Calls() const {
  const MutexLock lock(mutex_);
  return calls_;
}

std::vector<RecordedCall> CallRecord::Calls(FileCall call) const {
  const MutexLock lock(mutex_);
  std::vector<RecordedCall> calls;
  std::ranges::copy_if(calls_, std::back_inserter(calls),
                       [call](const RecordedCall& recorded) { return recorded.call == call; });
  return calls;
}

// -- The file --

void RecordingFile::Record(FileCall call, FileRange range) {
  record_->Add({.call = call, .file = name(), .range = range});
}

Result<size_t> RecordingFile::ReadAt(uint64_t file_offset,
                                     std::span<const MutableByteSpan> buffers) {
  Record(FileCall::kRead, {file_offset, TotalBytes(buffers)});
  return base().ReadAt(file_offset, buffers);
}

Result<void> RecordingFile::WriteAt(uint64_t file_offset, std::span<const ByteSpan> buffers) {
  RecordedCall call = {
      .call = FileCall::kWrite, .file = name(), .range = {file_offset, TotalBytes(buffers)}};
  if (record_->wants_data()) {
    for (ByteSpan buffer : buffers) call.data.insert(call.data.end(), buffer.begin(), buffer.end());
  }
  record_->Add(std::move(call));
  return base().WriteAt(file_offset, buffers);
}

Result<void> RecordingFile::Sync() {
  Record(FileCall::kSync, {});
  return base().Sync();
}

Result<uint64_t> RecordingFile::Size() {
  Record(FileCall::kSize, {});
  return base().Size();
}

Result<void> RecordingFile::Resize(uint64_t length_bytes) {
  Record(FileCall::kResize, {0, length_bytes});
  return base().Resize(length_bytes);
}

Result<void> RecordingFile::ZeroRange(FileRange range) {
  Record(FileCall::kZeroRange, range);
  return base().ZeroRange(range);
}

Result<void> RecordingFile::PunchHole(FileRange range) {
  Record(FileCall::kPunchHole, range);
  return base().PunchHole(range);
}

Result<void> RecordingFile::CloneRange(uint64_t file_offset, File& source, FileRange source_range) {
  Record(FileCall::kCloneRange, {file_offset, source_range.length_bytes});
  return ForwardingFile::CloneRange(file_offset, source, source_range);
}

Result<uint64_t> RecordingFile::NextData(uint64_t file_offset) {
  Record(FileCall::kNextData, {file_offset, 0});
  return base().NextData(file_offset);
}

Result<uint64_t> RecordingFile::NextHole(uint64_t file_offset) {
  Record(FileCall::kNextHole, {file_offset, 0});
  return base().NextHole(file_offset);
}

Result<void> RecordingFile::Lock(LockMode mode) {
  Record(FileCall::kLock, {});
  return base().Lock(mode);
}

// -- The file system --

Result<std::unique_ptr<File>> RecordingFileSystem::Open(const std::string& path,
                                                        const OpenFileOptions& options) {
  record_->Add({.call = FileCall::kOpen, .file = path});
  auto file = base().Open(path, options);
  if (!file) return file;
  return std::make_unique<RecordingFile>(std::move(*file), record_);
}

Result<void> RecordingFileSystem::Rename(const std::string& from, const std::string& to,
                                         RenameMode mode) {
  record_->Add({.call = FileCall::kRename, .file = to});
  return base().Rename(from, to, mode);
}

Result<void> RecordingFileSystem::Remove(const std::string& path) {
  record_->Add({.call = FileCall::kRemove, .file = path});
  return base().Remove(path);
}

Result<void> RecordingFileSystem::SyncFolder(const std::string& folder) {
  record_->Add({.call = FileCall::kSyncFolder, .file = folder});
  return base().SyncFolder(folder);
}

Result<void> RecordingFileSystem::FillRandom(MutableByteSpan bytes) {
  record_->Add({.call = FileCall::kRandom, .file = "", .range = {0, bytes.size()}});
  return base().FillRandom(bytes);
}

}  // namespace vhdx::testing
