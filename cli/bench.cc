// vhdx bench: streams of reads against a disk, measured.

#include <fmt/format.h>
#include <vhdxkit/bench.h>

#include <chrono>
#include <memory>
#include <utility>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/disk_source.h"
#include "cli/json_text.h"
#include "cli/size_text.h"

namespace vhdx::cli {
namespace {

constexpr uint64_t kMaxDepth = 1024;

struct BenchArguments {
  SourceArguments source;
  BenchOptions options;
  uint64_t depth = 1;
};

double Seconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

double PerSecond(uint64_t count, std::chrono::nanoseconds time) {
  return time.count() == 0 ? 0 : static_cast<double>(count) / Seconds(time);
}

std::string FormatLatency(std::chrono::nanoseconds time) {
  const auto nanoseconds = static_cast<double>(time.count());
  if (time < std::chrono::microseconds(1)) return fmt::format("{} ns", time.count());
  if (time < std::chrono::milliseconds(1)) return fmt::format("{:.1f} us", nanoseconds / 1e3);
  if (time < std::chrono::seconds(1)) return fmt::format("{:.1f} ms", nanoseconds / 1e6);
  return fmt::format("{:.2f} s", nanoseconds / 1e9);
}

Json ToJson(const BenchReport& report) {
  return {{"requests", report.requests},
          {"bytes", report.bytes},
          {"seconds", Seconds(report.elapsed)},
          {"requests-per-second", PerSecond(report.requests, report.elapsed)},
          {"bytes-per-second", PerSecond(report.bytes, report.elapsed)},
          {"latency-ns",
           {{"mean", report.latency_mean.count()},
            {"median", report.latency_median.count()},
            {"p99", report.latency_99.count()},
            {"max", report.latency_max.count()}}}};
}

std::string ToText(const BenchReport& report, const BenchOptions& options) {
  constexpr double kBytesPerMiB = 1024.0 * 1024.0;
  return fmt::format(
      "{} reads of {}, {}, {} at once: {:.2f} s\n"
      "  requests a second  {:.0f}\n"
      "  MiB a second       {:.1f}\n"
      "  latency            mean {}, median {}, 99 % within {}, longest {}\n",
      report.requests, FormatSize(options.block_bytes),
      options.random ? "at random" : "in sequence", options.depth, Seconds(report.elapsed),
      PerSecond(report.requests, report.elapsed),
      PerSecond(report.bytes, report.elapsed) / kBytesPerMiB, FormatLatency(report.latency_mean),
      FormatLatency(report.latency_median), FormatLatency(report.latency_99),
      FormatLatency(report.latency_max));
}

Result<BenchReport> Measure(const Invocation& invocation, const BenchOptions& options,
                            BlockDevice& disk) {
  Progress progress(invocation.options.progress, invocation.error_fd);
  return BenchReads(disk, options, invocation.control(progress));
}

Result<ExitStatus> RunBench(const Invocation& invocation, const BenchArguments& arguments) {
  auto source = OpenDiskSource(invocation, arguments.source);
  if (!source) return std::unexpected(std::move(source.error()));
  BenchOptions options = arguments.options;
  options.depth = static_cast<unsigned>(arguments.depth);
  auto report = Measure(invocation, options, *source->device);
  if (!report) return std::unexpected(std::move(report.error()));
  invocation.out.Write(invocation.options.json ? ToDocument(ToJson(*report))
                                               : ToText(*report, options));
  return ExitStatus::kDone;
}

}  // namespace

Command AddBench(CLI::App& root) {
  auto arguments = std::make_shared<BenchArguments>();
  BenchOptions& options = arguments->options;
  CLI::App& app =
      AddCommand(root, "bench", "Measures how fast a disk can be read. Nothing is written.");
  AddFile(app, "FILE", arguments->source.path, "a VHDX image, or a raw disk");
  AddFormat(app, "-f,--format", arguments->source);
  AddCount(app, "--count", options.count, {.least = 1}, "requests in all; 100000 if not said");
  AddSize(app, "--block", options.block_bytes, "bytes a request; 4k if not said");
  AddSize(app, "--step", options.step_bytes,
          "from one request to the next; as --block if not said");
  AddFlag(app, "--random", options.random, "anywhere on the disk instead");
  AddCount(app, "--depth", arguments->depth, {.least = 1, .most = kMaxDepth},
           "requests under way at once");
  AddFlag(app, "--direct", arguments->source.read.direct, "past the host's page cache");
  AddForceShare(app, arguments->source.read);
  return {&app,
          [arguments](const Invocation& invocation) { return RunBench(invocation, *arguments); }};
}

}  // namespace vhdx::cli
