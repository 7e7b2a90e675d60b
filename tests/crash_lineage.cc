#include "tests/crash_lineage.h"

#include <algorithm>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/formatting.h"
#include "testing/crash_file_system.h"

namespace vhdx::tests {
namespace {

using testing::AllowedContents;
using testing::ContentRun;
using testing::CrashCursor;
using testing::CrashFileSystem;
using testing::CrashOperation;
using testing::CrashState;
using testing::CrashStore;
using testing::DiskContents;
using testing::DiskHistory;
using testing::PageImage;

constexpr size_t kMostCutsAtAPoint = 5;
constexpr int kCutsOfARecovery = 6;

Guid GuidOf(Disk& device) { return device.image_at_open(0).header().data_write_guid; }

}  // namespace

std::string Describe(const CrashTally& tally) {
  return Format(
      "states: {} distinct, {} repeated, {} without a loss; replays of 0 entries: {}, 1: {}, more: "
      "{}; restarted logs: {}; reused blocks: {}; recoveries: {}, cut: {}; kills: {}; rewritten: "
      "{}; "
      "failed syncs: {}; lost headers: {}",
      tally.states.size(), tally.repeated, tally.unharmed, tally.replays[0], tally.replays[1],
      tally.replays[2], tally.restarted_logs, tally.reused_blocks, tally.recoveries,
      tally.recovery_states, tally.kills, tally.rewrites, tally.failed_syncs, tally.lost_headers);
}

CrashLineage::CrashLineage(const CrashDiskShape& shape, uint64_t seed, CrashTally& tally,
                           Observer observer)
    : seed_(seed),
      tally_(tally),
      observer_(std::move(observer)),
      random_(seed),
      disk_(shape, seed),
      check_(disk_),
      store_(NewStore(disk_.state())),
      history_(std::make_unique<DiskHistory>(disk_.initial_contents())) {}

std::unique_ptr<CrashStore> CrashLineage::NewStore(CrashState state) {
  CrashStore::Options options = disk_.store_options();
  options.seed = random_();
  options.shuffle_threads = true;
  return std::make_unique<CrashStore>(std::move(state), options);
}

void CrashLineage::Break(const std::string& sentence, const std::string& where) {
  broken_ = true;
  tally_.broken.push_back(Format("seed {} ({}), session {}, {}: {}", seed_, Describe(disk_.shape()),
                                 session_, where, sentence));
}

// -- Sessions --

void CrashLineage::Run(int sessions) {
  for (session_ = 0; session_ < sessions && !is_broken(); ++session_) {
    RunSession();
    if (is_broken()) return;
    CutEverywhere(session_start_);
    if (is_broken()) return;
    // A failed sync leaves a page cache that lies, which no engine can see through.
    if (!sync_failed_ && Chance(0.5)) {
      NextProcess();
    } else {
      NextMachine();
    }
  }
}

void CrashLineage::RunSession() {
  CrashFileSystem files(store_, random_());
  auto device = disk_.Open(files, DiskAccess::kReadWrite);
  if (!device) return Break(ToString(device.error()), "opening for writing");
  const auto contents = ReadContents(**device, disk_.initial_bytes());
  if (!contents) return Break(ToString(contents.error()), "reading at the start");
  const std::string wrong = history_->AllowedAt(store_->RecordLength()).Compare(*contents);
  if (!wrong.empty()) return Break(wrong, "at the start");
  if (session_start_ == 0) {
    guids_.Bind(GuidOf(**device), *contents);
  } else {
    // The process that was killed may have written more than was seen.
    guids_.Allow(GuidOf(**device));
    history_->Observe(*contents, store_->Mark());
  }
  if (Chance(0.12)) store_->FailSync(1 + random_() % 30);
  Work(**device);
  device->reset();
  store_->FailSync(0);
  const auto record = store_->Record();
  const std::string differ = guids_.AllowWritten(std::span(record).subspan(session_start_));
  if (!differ.empty()) Break(differ, "the headers of the session");
}

void CrashLineage::Work(Disk& device) {
  CrashSession session = {disk_, device, *store_, *history_};
  const CrashWorkload workload = CrashWorkload::Random(random_);
  Result<void> result = tests::Run(workload, session, random_());
  const EngineCounters counters = device.counters();
  tally_.restarted_logs += counters.log_restarts;
  tally_.reused_blocks += counters.reused_blocks;
  if (result && Chance(0.7)) {
    const auto step = history_->BeginFlush(store_->Mark());
    result = device.Close();
    if (result) history_->End(step, store_->Mark());
  }
  sync_failed_ = std::ranges::count(store_->Record(), CrashOperation::Kind::kFailedSyncEnd,
                                    &CrashOperation::kind) != 0;
  if (sync_failed_) ++tally_.failed_syncs;
  if (!result && !sync_failed_) Break(ToString(result.error()), "at work");
}

// The page cache lives on, and what was pending still is.
void CrashLineage::NextProcess() {
  const auto record = store_->Record();
  size_t index = session_start_ + random_() % (record.size() - session_start_ + 1);
  if (Chance(0.4)) {
    // With a header that is written and not synced, on which the next process may build.
    const auto header =
        std::find_if(record.begin() + static_cast<ptrdiff_t>(index), record.end(), WritesAHeader);
    if (header != record.end()) index = static_cast<size_t>(header - record.begin()) + 1;
  }
  if (index == 0) return NextMachine();
  history_ = std::make_unique<DiskHistory>(history_->Until(index));
  store_ = store_->AfterKill(index);
  session_start_ = index;
  ++tally_.kills;
}

void CrashLineage::NextMachine() {
  const auto record = store_->Record();
  CrashCursor cursor(store_->base(), record);
  cursor.AdvanceTo(session_start_ + random_() % (record.size() - session_start_ + 1));
  const CrashState state = cursor.Cut(random_());
  const auto seen =
      check_.Look(state, history_->AllowedAt(cursor.index()), guids_, Care::kThorough);
  if (!seen) return Break(seen.error(), Format("point {}", cursor.index()));
  if (disk_.shape().subformat == Subformat::kDifferencing && Chance(0.3)) {
    return NextWriter(state, seen->contents);
  }
  guids_.KeepOnly(disk_.FileIn(state), seen->contents);
  guids_.Bind(seen->data_write_guid, seen->contents);
  history_ = std::make_unique<DiskHistory>(seen->contents, history_->next_write());
  store_ = NewStore(state);
  session_start_ = 0;
  sync_failed_ = false;
}

// The test kit writes a little, and everything anew. The next session sees whether that is there.
void CrashLineage::NextWriter(CrashState state, const DiskContents& before) {
  const uint64_t write = history_->next_write();
  DiskContents contents;
  for (const ContentRun& run : before) {
    const bool is_written = run.range.length_bytes <= CrashDisk::kBlockBytes && Chance(0.2);
    AppendRun(contents, run.range, is_written ? write : run.value);
  }
  disk_.FileIn(state) = disk_.Rewritten(contents, random_);
  guids_ = {};
  history_ = std::make_unique<DiskHistory>(std::move(contents), write + 1);
  store_ = NewStore(std::move(state));
  session_start_ = 0;
  sync_failed_ = false;
  ++tally_.rewrites;
}

// -- Cutting the power --

void CrashLineage::CutEverywhere(size_t from) {
  const auto record = store_->Record();
  CrashCursor cursor(store_->base(), record);
  cursor.AdvanceTo(from);
  while (!is_broken()) {
    CutAt(cursor);
    // After a mark nothing has changed; that more may be expected then is seen at the next point.
    do {
      if (cursor.at_end()) return;
      cursor.Advance();
    } while (record[cursor.index() - 1].kind == CrashOperation::Kind::kMark && !cursor.at_end());
  }
}

void CrashLineage::CutAt(const CrashCursor& cursor) {
  const AllowedContents allowed = history_->AllowedAt(cursor.index());
  std::vector<uint64_t> met;  // hashes of this point's states
  const size_t cuts = std::min(cursor.pending() + 1, kMostCutsAtAPoint);
  for (size_t i = 0; i < cuts && !is_broken(); ++i) {
    const uint64_t cut = random_();
    CrashState state = cursor.Cut(cut);
    const std::optional<CrashState> whole = LoseAHeader(state);
    const PageImage& file = disk_.FileIn(std::as_const(state));
    if (std::ranges::count(met, file.Hash()) != 0) continue;
    met.push_back(file.Hash());
    const auto seen = Look(state, cursor.cached(), allowed, guids_,
                           Format("point {}, cut {}", cursor.index(), cut));
    if (!seen) continue;
    if (whole) CompareWith(*whole, *seen, allowed, Format("point {}, cut {}", cursor.index(), cut));
    if (observer_) observer_(disk_, file, *seen);
    if (Chance(0.03)) Recover(state, *seen, {history_->next_write(), guids_}, 1);
  }
}

std::optional<CrashedDisk> CrashLineage::Look(const CrashState& state, const CrashState& uncut,
                                              const AllowedContents& allowed,
                                              const ContentGuids& guids, const std::string& where) {
  const uint64_t hash = disk_.FileIn(state).Hash();
  if (hash == disk_.FileIn(uncut).Hash()) {
    ++tally_.unharmed;
  } else if (!tally_.states.insert(hash).second) {
    ++tally_.repeated;
  }
  auto seen = check_.Look(state, allowed, guids, Chance(0.05) ? Care::kThorough : Care::kUsual);
  if (!seen) {
    Break(seen.error(), where);
    return std::nullopt;
  }
  ++tally_.replays[std::min<size_t>(seen->log_entries, 2)];
  return *std::move(seen);
}

// A sector that went bad under one of the headers, which is what the other one is for.
std::optional<CrashState> CrashLineage::LoseAHeader(CrashState& state) {
  if (!Chance(0.06) || !BothHeadersAreValid(disk_.FileIn(std::as_const(state)))) {
    return std::nullopt;
  }
  CrashState whole = state;
  disk_.FileIn(state).FillWithJunk({Chance(0.5) ? 64 * kKiB : 128 * kKiB, 4 * kKiB});
  ++tally_.lost_headers;
  return whole;
}

// Whoever has read a disk reads the same after one of its headers goes bad.
void CrashLineage::CompareWith(const CrashState& whole, const CrashedDisk& seen,
                               const AllowedContents& allowed, const std::string& where) {
  const auto before = check_.Look(whole, allowed, guids_, Care::kUsual);
  if (!before) return Break(before.error(), where + ", with both headers");
  if (before->contents != seen.contents) {
    Break("the contents change when one header is lost", where);
  }
}

// -- Recovering --

Result<void> CrashLineage::WriteAgain(CrashSession& session) {
  const uint64_t block = disk_.blocks()[random_() % disk_.blocks().size()];
  const DiskRange start = {block * CrashDisk::kBlockBytes, 4 * kKiB};
  Result<void> result = Chance(0.8) ? WriteStep(session, start) : TrimStep(session, start);
  if (result && Chance(0.8)) result = FlushStep(session);
  return result;
}

void CrashLineage::Recover(const CrashState& state, const CrashedDisk& seen, const Past& past,
                           int depth) {
  const std::shared_ptr<CrashStore> store = NewStore(state);
  DiskHistory history(seen.contents, past.next_write);
  CrashFileSystem files(store, random_());
  auto device = disk_.Open(files, DiskAccess::kReadWrite);
  if (!device) return Break(ToString(device.error()), "recovering");
  CrashSession session = {disk_, **device, *store, history};
  const Result<void> written = WriteAgain(session);
  if (!written) return Break(ToString(written.error()), "recovering");
  device->reset();
  ContentGuids guids = past.guids;
  guids.Bind(seen.data_write_guid, seen.contents);
  const std::string differ = guids.AllowWritten(store->Record());
  if (!differ.empty()) return Break(differ, "the headers of a recovery");
  ++tally_.recoveries;
  CutRecovery(*store, history, guids, depth);
}

void CrashLineage::CutRecovery(CrashStore& store, const DiskHistory& history,
                               const ContentGuids& guids, int depth) {
  const auto record = store.Record();
  std::vector<size_t> points = {record.size()};
  while (points.size() < kCutsOfARecovery) points.push_back(random_() % (record.size() + 1));
  std::ranges::sort(points);
  CrashCursor cursor(store.base(), record);
  for (const size_t point : points) {
    cursor.AdvanceTo(point);
    const CrashState state = cursor.Cut(random_());
    const auto seen = Look(state, cursor.cached(), history.AllowedAt(point), guids,
                           Format("recovery {}, point {}", depth, point));
    if (!seen) return;
    ++tally_.recovery_states;
    if (depth < kDeepestRecovery && Chance(0.1))
      Recover(state, *seen, {history.next_write(), guids}, depth + 1);
  }
}

}  // namespace vhdx::tests
