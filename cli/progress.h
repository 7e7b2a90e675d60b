// How far an operation has come, on standard error: a bar for people, lines of JSON for programs.

#ifndef VHDXKIT_CLI_PROGRESS_H_
#define VHDXKIT_CLI_PROGRESS_H_

#include <vhdxkit/operation.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>

namespace vhdx::cli {

enum class ProgressMode : uint8_t { kAuto, kBar, kJson, kNone };

struct ProgressState {
  uint64_t done_bytes = 0;
  uint64_t total_bytes = 0;
  double bytes_per_second = 0;
  std::optional<std::chrono::seconds> time_left = {};
};

/// " 42 % [########----------]  53.3 GiB of 127 GiB  1.2 GiB/s  1:02 left", in at most `columns`.
std::string ProgressBar(const ProgressState& state, size_t columns);

/// {"progress": {"done": …, "total": …, "percent": …, "rate": …, "time-left": …}}
std::string ProgressLine(const ProgressState& state);

/// Bytes a second over the last few seconds, and the time that the rest will take at that rate.
class RateMeter {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit RateMeter(Time start) { samples_.push_back({start, 0}); }
  ProgressState Update(Time now, uint64_t done_bytes, uint64_t total_bytes);

 private:
  struct Sample {
    Time time;
    uint64_t done_bytes;
  };
  static constexpr std::chrono::seconds kWindow{5};

  std::deque<Sample> samples_;  // never empty
};

class Progress {
 public:
  /// `fd` is standard error. kAuto: a bar on a terminal, else nothing.
  Progress(ProgressMode mode, int fd);
  /// Removes the bar.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// For OperationControl; empty if nothing is to be shown. Refers to this object.
  std::function<void(uint64_t done_bytes, uint64_t total_bytes)> listener();

 private:
  void Show(uint64_t done_bytes, uint64_t total_bytes);
  void Print(const std::string& text) const;

  // What is done sooner needs no bar.
  static constexpr std::chrono::milliseconds kDelay{300};

  ProgressMode mode_;
  int fd_;
  std::chrono::steady_clock::time_point start_;
  RateMeter rate_;
  bool shown_ = false;
};

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_PROGRESS_H_
