#include "testing/fault_file.h"

#include <algorithm>
#include <new>

#include "bytes/arithmetic.h"
#include "bytes/buffer_cursor.h"

namespace vhdx::testing {
namespace {

constexpr uint64_t kShortUnit = 512;

std::unexpected<Error> Failure(const Fault& fault, FileCall call, const std::string& name,
                               uint64_t file_offset) {
  return std::unexpected(
      Error{.code = fault.code,
            .sys_errno = fault.sys_errno,
            .file = name,
            .file_offset = file_offset,
            .sentence = "a test made this " + std::string(FileCallName(call)) + " fail"});
}

/// In whole sectors, which no host tears, unless it is less than one.
uint64_t HalfOf(uint64_t length_bytes) {
  return length_bytes < kShortUnit ? length_bytes / 2 : AlignDown(length_bytes / 2, kShortUnit);
}

Fault NoSpace() {
  return {.call = FileCall::kWrite, .code = ErrorCode::kNoSpace, .sys_errno = ENOSPC};
}

}  // namespace

// -- The plan --

void FaultPlan::Add(Fault fault) {
  const MutexLock lock(mutex_);
  faults_.push_back({.fault = std::move(fault)});
}

void FaultPlan::Clear() {
  const MutexLock lock(mutex_);
  faults_.clear();
  space_.reset();
}

void FaultPlan::SetSpace(uint64_t bytes) {
  const MutexLock lock(mutex_);
  space_ = bytes;
}

void FaultPlan::SetPieces(size_t bytes) {
  const MutexLock lock(mutex_);
  pieces_ = bytes;
}

uint64_t FaultPlan::fired() const {
  const MutexLock lock(mutex_);
  return fired_;
}

uint64_t FaultPlan::Seen(FileCall call) const {
  const MutexLock lock(mutex_);
  return seen_[static_cast<size_t>(call)];
}

size_t FaultPlan::pieces() const {
  const MutexLock lock(mutex_);
  return pieces_;
}

bool FaultPlan::Matches(const Fault& fault, FileCall call, const std::string& name,
                        FileRange range) {
  if (fault.call && *fault.call != call) return false;
  if (!name.ends_with(fault.name_ends_with)) return false;
  if (!fault.range) return true;
  return range.file_offset < fault.range->file_offset + fault.range->length_bytes &&
         fault.range->file_offset < range.file_offset + range.length_bytes;
}

std::optional<Fault> FaultPlan::Meet(FileCall call, const std::string& name, FileRange range) {
  const MutexLock lock(mutex_);
  ++seen_[static_cast<size_t>(call)];
  std::optional<Fault> met;
  for (Armed& armed : faults_) {
    if (!Matches(armed.fault, call, name, range)) continue;
    ++armed.matched;
    const bool hit = armed.fault.length == FaultLength::kOnce ? armed.matched == armed.fault.nth
                                                              : armed.matched >= armed.fault.nth;
    if (hit && !met) met = armed.fault;
  }
  if (met) ++fired_;
  return met;
}

uint64_t FaultPlan::TakeSpace(uint64_t bytes) {
  const MutexLock lock(mutex_);
  if (!space_) return bytes;
  const uint64_t taken = std::min(bytes, *space_);
  *space_ -= taken;
  if (taken < bytes) ++fired_;
  return taken;
}

// -- The file --

Result<void> FaultFile::Check(FileCall call, FileRange range) {
  const std::optional<Fault> fault = plan_->Meet(call, name(), range);
  if (!fault) return {};
  if (fault->throws) throw std::bad_alloc();
  return Failure(*fault, call, name(), range.file_offset);
}

Result<size_t> FaultFile::ReadAt(uint64_t file_offset, std::span<const MutableByteSpan> buffers) {
  if (auto checked = Check(FileCall::kRead, {file_offset, TotalBytes(buffers)}); !checked) {
    return std::unexpected(checked.error());
  }
  const size_t pieces = plan_->pieces();
  if (pieces == 0) return base().ReadAt(file_offset, buffers);
  size_t done = 0;
  for (MutableByteSpan buffer : buffers) {
    while (!buffer.empty()) {
      const MutableByteSpan piece = buffer.first(std::min(pieces, buffer.size()));
      const Result<size_t> read = base().ReadAt(file_offset + done, piece);
      if (!read) return read;
      done += *read;
      if (*read < piece.size()) return done;
      buffer = buffer.subspan(piece.size());
    }
  }
  return done;
}

Result<void> FaultFile::WriteAt(uint64_t file_offset, std::span<const ByteSpan> buffers) {
  const uint64_t total = TotalBytes(buffers);
  if (const auto fault = plan_->Meet(FileCall::kWrite, name(), {file_offset, total})) {
    if (fault->torn) {
      if (auto half = WritePieces(file_offset, buffers, HalfOf(total)); !half) return half;
    }
    return Failure(*fault, FileCall::kWrite, name(), file_offset);
  }
  const uint64_t room = plan_->TakeSpace(total);
  if (room == total && plan_->pieces() == 0) return base().WriteAt(file_offset, buffers);
  if (auto written = WritePieces(file_offset, buffers, room); !written) return written;
  if (room == total) return {};
  return Failure(NoSpace(), FileCall::kWrite, name(), file_offset + room);
}

Result<void> FaultFile::WritePieces(uint64_t file_offset, std::span<const ByteSpan> buffers,
                                    uint64_t length_bytes) {
  const size_t pieces = plan_->pieces() == 0 ? SIZE_MAX : plan_->pieces();
  for (ByteSpan buffer : buffers) {
    buffer = buffer.first(std::min<uint64_t>(buffer.size(), length_bytes));
    length_bytes -= buffer.size();
    while (!buffer.empty()) {
      const ByteSpan piece = buffer.first(std::min(pieces, buffer.size()));
      if (auto written = base().WriteAt(file_offset, piece); !written) return written;
      file_offset += piece.size();
      buffer = buffer.subspan(piece.size());
    }
  }
  return {};
}

Result<void> FaultFile::ZeroRange(FileRange range) {
  if (auto checked = Check(FileCall::kZeroRange, range); !checked) return checked;
  const uint64_t room = plan_->TakeSpace(range.length_bytes);
  if (auto zeroed = base().ZeroRange({range.file_offset, room}); !zeroed) return zeroed;
  if (room == range.length_bytes) return {};
  return Failure(NoSpace(), FileCall::kZeroRange, name(), range.file_offset + room);
}

Result<void> FaultFile::Sync() {
  if (auto checked = Check(FileCall::kSync, {}); !checked) return checked;
  return base().Sync();
}

Result<uint64_t> FaultFile::Size() {
  if (auto checked = Check(FileCall::kSize, {}); !checked) return std::unexpected(checked.error());
  return base().Size();
}

Result<void> FaultFile::Resize(uint64_t length_bytes) {
  if (auto checked = Check(FileCall::kResize, {0, length_bytes}); !checked) return checked;
  return base().Resize(length_bytes);
}

Result<void> FaultFile::PunchHole(FileRange range) {
  if (auto checked = Check(FileCall::kPunchHole, range); !checked) return checked;
  return base().PunchHole(range);
}

Result<void> FaultFile::CloneRange(uint64_t file_offset, File& source, FileRange source_range) {
  const FileRange target = {file_offset, source_range.length_bytes};
  if (auto checked = Check(FileCall::kCloneRange, target); !checked) return checked;
  return ForwardingFile::CloneRange(file_offset, source, source_range);
}

Result<uint64_t> FaultFile::NextData(uint64_t file_offset) {
  if (auto checked = Check(FileCall::kNextData, {file_offset, 1}); !checked) {
    return std::unexpected(checked.error());
  }
  return base().NextData(file_offset);
}

Result<uint64_t> FaultFile::NextHole(uint64_t file_offset) {
  if (auto checked = Check(FileCall::kNextHole, {file_offset, 1}); !checked) {
    return std::unexpected(checked.error());
  }
  return base().NextHole(file_offset);
}

Result<void> FaultFile::Lock(LockMode mode) {
  if (auto checked = Check(FileCall::kLock, {}); !checked) return checked;
  return base().Lock(mode);
}

// -- The file system --

Result<void> FaultFileSystem::Check(FileCall call, const std::string& path) {
  const std::optional<Fault> fault = plan_->Meet(call, path, {});
  if (!fault) return {};
  return Failure(*fault, call, path, 0);
}

Result<std::unique_ptr<File>> FaultFileSystem::Open(const std::string& path,
                                                    const OpenFileOptions& options) {
  if (auto checked = Check(FileCall::kOpen, path); !checked)
    return std::unexpected(checked.error());
  auto file = base().Open(path, options);
  if (!file) return file;
  return std::make_unique<FaultFile>(std::move(*file), plan_);
}

Result<void> FaultFileSystem::Rename(const std::string& from, const std::string& to,
                                     RenameMode mode) {
  if (auto checked = Check(FileCall::kRename, to); !checked) return checked;
  return base().Rename(from, to, mode);
}

Result<void> FaultFileSystem::Remove(const std::string& path) {
  if (auto checked = Check(FileCall::kRemove, path); !checked) return checked;
  return base().Remove(path);
}

Result<void> FaultFileSystem::SyncFolder(const std::string& folder) {
  if (auto checked = Check(FileCall::kSyncFolder, folder); !checked) return checked;
  return base().SyncFolder(folder);
}

Result<void> FaultFileSystem::FillRandom(MutableByteSpan bytes) {
  if (auto checked = Check(FileCall::kRandom, ""); !checked) return checked;
  return base().FillRandom(bytes);
}

}  // namespace vhdx::testing
