// What has to hold of a file after a crash: it opens, holds what it may hold, says so twice, and a
// check finds nothing.

#ifndef VHDXKIT_TESTS_CRASH_CHECK_H_
#define VHDXKIT_TESTS_CRASH_CHECK_H_

#include <vhdxkit/guid.h>

#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>

#include "testing/crash_state.h"
#include "testing/crash_store.h"
#include "testing/disk_history.h"
#include "testing/page_image.h"
#include "tests/crash_disk.h"

namespace vhdx::tests {

/// Which contents a DataWriteGuid may stand for: children of a disk trust it to change before they
/// do.
class ContentGuids {
 public:
  /// Whoever knows this guid relies on these contents.
  void Bind(const Guid& guid, testing::DiskContents contents);
  /// A guid of a session that writes.
  void Allow(const Guid& guid) { bound_.try_emplace(guid, std::nullopt); }
  /// That of the headers that a session wrote. "" or a sentence: there is only one, or a disk that
  /// loses a header would become another one to its children.
  std::string AllowWritten(std::span<const testing::CrashOperation> record);
  /// Forgets all but those that stand in the headers of the file and, if they are bound, are bound
  /// to these contents.
  void KeepOnly(const testing::PageImage& file, const testing::DiskContents& contents);

  /// "" or a sentence.
  std::string Compare(const Guid& guid, const testing::DiskContents& contents) const;

 private:
  std::map<Guid, std::optional<testing::DiskContents>> bound_;
};

/// Whether it is a write of a header.
bool WritesAHeader(const testing::CrashOperation& operation);

/// Whether both headers of the file are valid.
bool BothHeadersAreValid(const testing::PageImage& file);

/// What a file that kept every promise showed.
struct CrashedDisk {
  testing::DiskContents contents;
  Guid data_write_guid;
  size_t log_entries = 0;  ///< of the sequence that was replayed
};

enum class Care : uint8_t {
  kUsual,
  kThorough,  ///< every byte is read, and all of it twice
};

/// Opens the disk read-only and looks at everything; what is wrong comes back as a sentence.
class CrashCheck {
 public:
  explicit CrashCheck(CrashDisk& disk);

  std::expected<CrashedDisk, std::string> Look(const testing::CrashState& state,
                                               const testing::AllowedContents& allowed,
                                               const ContentGuids& guids, Care care);

 private:
  std::set<std::string, std::less<>> RulesBroken(const std::shared_ptr<testing::CrashStore>& store);
  std::string FindingsOf(const std::shared_ptr<testing::CrashStore>& store);
  std::string OpenAndLeave(const testing::CrashState& state);
  std::string CompareAgain(Disk& device, const testing::DiskContents& contents);

  CrashDisk& disk_;
  std::set<std::string, std::less<>> usual_rules_;  // what is found in the file as it was made
};

}  // namespace vhdx::tests

#endif  // VHDXKIT_TESTS_CRASH_CHECK_H_
