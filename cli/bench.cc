// vhdx bench: streams of requests against a disk, measured.

#include <vhdxkit/bench.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "bytes/formatting.h"
#include "bytes/try.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/disk_source.h"
#include "cli/duration_text.h"
#include "cli/size_text.h"
#include "json/json.h"

namespace vhdx::cli {
namespace {

constexpr uint64_t kMaxDepth = 1024;

struct BenchArguments {
  SourceArguments source;
  BenchOptions options;
  uint64_t depth = 1;
  bool write = false;
  bool no_lock = false;
};

// What was measured, and what it cost the engine, if it was the engine's.
struct BenchOutcome {
  BenchReport report;
  std::optional<EngineCounters> counters;
};

// As JSON has them; in text hyphens are spaces.
std::vector<std::pair<std::string, uint64_t>> Named(const EngineCounters& counters) {
  return {{"syncs", counters.syncs},
          {"group-commits", counters.group_commits},
          {"log-entries", counters.log_entries},
          {"log-restarts", counters.log_restarts},
          {"pages-logged", counters.pages_logged},
          {"log-bytes", counters.log_bytes},
          {"payload-bytes", counters.payload_bytes},
          {"padding-bytes", counters.padding_bytes},
          {"allocations", counters.allocations},
          {"reused-blocks", counters.reused_blocks},
          {"freed-blocks", counters.freed_blocks},
          {"punches", counters.punches},
          {"growth-steps", counters.growth_steps},
          {"stalls", counters.stalls}};
}

double Seconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

double PerSecond(uint64_t count, std::chrono::nanoseconds time) {
  return time.count() == 0 ? 0 : static_cast<double>(count) / Seconds(time);
}

Json ToJson(const BenchOutcome& outcome) {
  const BenchReport& report = outcome.report;
  Json json = {{"requests", report.requests},
               {"bytes", report.bytes},
               {"seconds", Seconds(report.elapsed)},
               {"requests-per-second", PerSecond(report.requests, report.elapsed)},
               {"bytes-per-second", PerSecond(report.bytes, report.elapsed)},
               {"latency-ns",
                {{"mean", report.latency_mean.count()},
                 {"median", report.latency_median.count()},
                 {"p99", report.latency_99.count()},
                 {"max", report.latency_max.count()}}}};
  if (!outcome.counters) return json;
  json["flushes"] = report.flushes;
  for (const auto& [name, count] : Named(*outcome.counters)) json["counters"][name] = count;
  return json;
}

std::string ToText(const BenchOutcome& outcome, const BenchOptions& options) {
  constexpr double kBytesPerMiB = 1024.0 * 1024.0;
  const BenchReport& report = outcome.report;
  std::string text = Format(
      "{} {}{} of {}, {}, {} in flight: {}\n"
      "  requests/s         {:.0f}\n"
      "  MiB/s              {:.1f}\n"
      "  latency            mean {}, median {}, 99th percentile {}, longest {}\n",
      report.requests, options.kind == RequestKind::kRead ? "read" : "write",
      report.requests == 1 ? "" : "s", FormatSize(options.block_bytes),
      options.random ? "at random" : "in sequence",
      std::min<uint64_t>(options.depth, report.requests), FormatDuration(report.elapsed),
      PerSecond(report.requests, report.elapsed),
      PerSecond(report.bytes, report.elapsed) / kBytesPerMiB, FormatDuration(report.latency_mean),
      FormatDuration(report.latency_median), FormatDuration(report.latency_99),
      FormatDuration(report.latency_max));
  if (options.kind == RequestKind::kWrite) {
    text += Format("  {:<17}  {}\n", "flushes", report.flushes);
  }
  if (!outcome.counters) return text;
  for (auto [name, count] : Named(*outcome.counters)) {
    if (count == 0) continue;
    std::ranges::replace(name, '-', ' ');
    text += Format("  {:<17}  {}\n", name, count);
  }
  return text;
}

Result<BenchOutcome> Measure(const Invocation& invocation, const BenchOptions& options,
                             BlockDevice& device) {
  Progress progress(invocation.options.progress, invocation.error_fd);
  auto report = BenchRequests(device, options, invocation.control(progress));
  auto* const disk = dynamic_cast<Disk*>(&device);
  if (disk == nullptr) {
    return BenchOutcome{.report = VHDX_TRY(std::move(report)), .counters = {}};
  }
  const EngineCounters counters = disk->counters();
  auto closed = disk->Close();
  const BenchOutcome outcome{.report = VHDX_TRY(std::move(report)), .counters = counters};
  VHDX_TRY(std::move(closed));
  return outcome;
}

Result<ExitStatus> RunBench(const Invocation& invocation, const BenchArguments& arguments) {
  SourceArguments target = arguments.source;
  BenchOptions options = arguments.options;
  options.depth = static_cast<unsigned>(arguments.depth);
  if (arguments.write) {
    options.kind = RequestKind::kWrite;
    target.access = DiskAccess::kReadWrite;
    target.read.force_share = arguments.no_lock;
  }
  auto source = VHDX_TRY(OpenDiskSource(invocation, target));
  auto outcome = VHDX_TRY(Measure(invocation, options, *source.device));
  invocation.out.Write(invocation.options.json
                           ? ToDocument(invocation.messages.WithWarnings(ToJson(outcome)))
                           : ToText(outcome, options));
  return ExitStatus::kDone;
}

}  // namespace

Command AddBench(CLI::App& root) {
  auto arguments = std::make_shared<BenchArguments>();
  BenchOptions& options = arguments->options;
  CLI::App& app = AddCommand(root, "bench", "Measure how fast a disk can be read or overwritten.");
  AddFile(app, "FILE", arguments->source.path, "a VHDX image, or a raw disk");
  AddFormat(app, "-f,--format", arguments->source);
  AddFlag(app, "--write", arguments->write,
          "write instead of reading; this overwrites the contents of the disk");
  AddCount(app, "--flush-interval", options.flush_interval, {},
           "with --write: flush after every N writes (default: only at the end)");
  AddCount(app, "--count", options.count, {.least = 1},
           "total number of requests (default: 100000)");
  AddSize(
      app, "--block", options.block_bytes,
      [](uint64_t size) { return size != 0 && size <= (uint64_t{1} << 30); },
      "is not a size from 1 byte to 1G", "size of a request (default: 4k)");
  AddSize(
      app, "--step", options.step_bytes, [](uint64_t size) { return size != 0; },
      "is not a size of at least 1 byte",
      "distance from one request to the next (default: the size of a request)");
  AddFlag(app, "--random", options.random, "use random offsets");
  AddCount(app, "--depth", arguments->depth, {.least = 1, .most = kMaxDepth},
           "number of requests in flight (default: 1)");
  AddFlag(app, "--direct", arguments->source.read.direct,
          "bypass the host's page cache (O_DIRECT)");
  AddFlag(
      app, "--orphan-children", arguments->source.orphan_children,
      "with --write: write even if FILE is the parent of other images, which become unreadable");
  AddFlag(app, "--no-lock", arguments->no_lock,
          "with --write: do not lock, for file systems without locks");
  AddForceShare(app, arguments->source.read);
  for (const char* const of_writing : {"--flush-interval", "--orphan-children", "--no-lock"}) {
    AddNeed(app, of_writing, "--write");
  }
  AddConflict(app, "--step", "--random");
  AddConflict(app, "--force-share", "--write");
  return {
      .app = &app,
      .run = [arguments](const Invocation& invocation) { return RunBench(invocation, *arguments); },
      .if_parent = "use a copy of it; --orphan-children writes anyway"};
}

}  // namespace vhdx::cli
