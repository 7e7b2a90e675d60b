// RecordingFile: passes every call on, and writes down what it was.
//
// The record is shared by all files of a RecordingFileSystem, in the order in which the calls
// began, and outlives them. Calls from several threads are all there, in some order.

#ifndef VHDXKIT_TESTING_RECORDING_FILE_H_
#define VHDXKIT_TESTING_RECORDING_FILE_H_

#include <vhdxkit/file.h>
#include <vhdxkit/forwarding_file.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bytes/mutex.h"
#include "testing/file_calls.h"

namespace vhdx::testing {

struct RecordedCall {
  FileCall call = FileCall::kRead;
  std::string file = {};             ///< its name, or the path
  FileRange range = {};              ///< kResize: the new length; kOpen and the like: nothing
  std::vector<std::byte> data = {};  ///< kWrite, if wanted
};

enum class RecordData : bool { kNo, kYes };

class CallRecord {
 public:
  explicit CallRecord(RecordData data = RecordData::kNo) : data_(data) {}

  bool wants_data() const { return data_ == RecordData::kYes; }
  void Add(RecordedCall call);
  void Clear();
  std::vector<RecordedCall> Calls() const;
  std::vector<RecordedCall> Calls(FileCall call) const;
  size_t Count(FileCall call) const { return Calls(call).size(); }

 private:
  const RecordData data_;
  mutable Mutex mutex_;
  std::vector<RecordedCall> calls_ VHDX_GUARDED_BY(mutex_);
};

class RecordingFile final : public ForwardingFile {
 public:
  using File::ReadAt;
  using File::WriteAt;

  RecordingFile(std::unique_ptr<File> base, std::shared_ptr<CallRecord> record)
      : ForwardingFile(std::move(base)), record_(std::move(record)) {}

  CallRecord& record() { return *record_; }

  Result<size_t> ReadAt(uint64_t file_offset, std::span<const MutableByteSpan> buffers) override;
  Result<void> WriteAt(uint64_t file_offset, std::span<const ByteSpan> buffers) override;
  Result<void> Sync() override;
  Result<uint64_t> Size() override;
  Result<void> Resize(uint64_t length_bytes) override;
  Result<void> ZeroRange(FileRange range) override;
  Result<void> PunchHole(FileRange range) override;
  Result<void> CloneRange(uint64_t file_offset, File& source, FileRange source_range) override;
  Result<uint64_t> NextData(uint64_t file_offset) override;
  Result<uint64_t> NextHole(uint64_t file_offset) override;
  Result<void> Lock(LockMode mode) override;

 private:
  void Record(FileCall call, FileRange range);

  const std::shared_ptr<CallRecord> record_;
};

class RecordingFileSystem final : public ForwardingFileSystem {
 public:
  RecordingFileSystem(FileSystem& base, std::shared_ptr<CallRecord> record)
      : ForwardingFileSystem(base), record_(std::move(record)) {}

  CallRecord& record() { return *record_; }

  Result<std::unique_ptr<File>> Open(const std::string& path,
                                     const OpenFileOptions& options) override;
  Result<void> Rename(const std::string& from, const std::string& to, RenameMode mode) override;
  Result<void> Remove(const std::string& path) override;
  Result<void> SyncFolder(const std::string& folder) override;
  Result<void> FillRandom(MutableByteSpan bytes) override;

 private:
  const std::shared_ptr<CallRecord> record_;
};

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_RECORDING_FILE_H_
