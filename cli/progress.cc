#include "cli/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "bytes/formatting.h"
#include "cli/size_text.h"
#include "json/json.h"

namespace vhdx::cli {
namespace {

constexpr size_t kUsualColumns = 80;
constexpr size_t kMinBarWidth = 10;
constexpr size_t kMaxBarWidth = 40;
constexpr std::string_view kClearLine = "\r\x1b[K";

// Of a pipe nobody knows how much is to come.
bool HasTotal(const ProgressState& state) {
  return state.total_bytes != 0 || state.done_bytes == 0;
}

double PercentOf(const ProgressState& state) {
  if (state.total_bytes == 0) return 100;
  const double part =
      static_cast<double>(state.done_bytes) / static_cast<double>(state.total_bytes);
  return std::min(100 * part, 100.0);
}

std::string FormatTime(std::chrono::seconds time) {
  const auto seconds = time.count();
  if (seconds < 3600) return Format("{}:{:02}", seconds / 60, seconds % 60);
  return Format("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
}

size_t ColumnsOf(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kUsualColumns;
  return size.ws_col;
}

ProgressMode Resolve(ProgressMode mode, int fd) {
  if (mode != ProgressMode::kAuto) return mode;
  return ::isatty(fd) == 1 ? ProgressMode::kBar : ProgressMode::kNone;
}

}  // namespace

std::string ProgressBar(const ProgressState& state, size_t columns) {
  if (!HasTotal(state)) {
    const std::string text = Format("{}  {}/s", FormatSize(state.done_bytes),
                                    FormatSize(static_cast<uint64_t>(state.bytes_per_second)));
    return text.substr(0, columns > 0 ? columns - 1 : 0);
  }
  const double percent = PercentOf(state);
  const std::string front = Format("{:3.0f} %", std::floor(percent));
  const std::string bytes =
      Format("  {} of {}", FormatSize(state.done_bytes), FormatSize(state.total_bytes));
  const std::string rate =
      Format("  {}/s", FormatSize(static_cast<uint64_t>(state.bytes_per_second)));
  const std::string time = state.time_left ? Format("  {} left", FormatTime(*state.time_left)) : "";
  const std::string back = bytes + rate + time;
  // One column stays free: some terminals break the line after the last one.
  const size_t taken = front.size() + back.size() + std::string_view(" []").size() + 1;
  if (columns < taken + kMinBarWidth) {
    // No bar, and of the rest what has room as a whole: the time first.
    size_t room = columns > front.size() ? columns - front.size() - 1 : 0;
    const auto if_it_fits = [&room](const std::string& field) {
      if (field.size() > room) return std::string();
      room -= field.size();
      return field;
    };
    const std::string shown_time = if_it_fits(time);
    const std::string shown_bytes = if_it_fits(bytes);
    return (front + shown_bytes + if_it_fits(rate) + shown_time)
        .substr(0, columns > 0 ? columns - 1 : 0);
  }
  const size_t width = std::min(columns - taken, kMaxBarWidth);
  const auto filled = static_cast<size_t>(percent / 100 * static_cast<double>(width));
  return front + " [" + std::string(filled, '#') + std::string(width - filled, '-') + "]" + back;
}

std::string ProgressLine(const ProgressState& state) {
  const bool is_known = HasTotal(state);
  const Json progress = {
      {"done", state.done_bytes},
      {"total", is_known ? Json(state.total_bytes) : Json(nullptr)},
      {"percent", is_known ? Json(std::floor(10 * PercentOf(state)) / 10) : Json(nullptr)},
      {"rate", static_cast<uint64_t>(state.bytes_per_second)},
      {"time-left", state.time_left ? Json(state.time_left->count()) : Json(nullptr)},
  };
  return ToLine({{"progress", progress}});
}

ProgressState RateMeter::Update(Time now, uint64_t done_bytes, uint64_t total_bytes) {
  samples_.push_back({now, done_bytes});
  while (samples_.size() > 2 && now - samples_[1].time >= kWindow) samples_.pop_front();
  ProgressState state{.done_bytes = done_bytes, .total_bytes = total_bytes};
  const Sample& first = samples_.front();
  const double seconds = std::chrono::duration<double>(now - first.time).count();
  if (seconds <= 0 || done_bytes <= first.done_bytes) return state;
  state.bytes_per_second = static_cast<double>(done_bytes - first.done_bytes) / seconds;
  if (total_bytes == 0) return state;
  const uint64_t left = total_bytes - std::min(done_bytes, total_bytes);
  state.time_left = std::chrono::seconds(
      std::llround(std::ceil(static_cast<double>(left) / state.bytes_per_second)));
  return state;
}

Progress::Progress(ProgressMode mode, int fd)
    : mode_(Resolve(mode, fd)), fd_(fd), start_(std::chrono::steady_clock::now()), rate_(start_) {}

Progress::~Progress() {
  if (shown_ && mode_ == ProgressMode::kBar) Print(std::string(kClearLine));
}

std::function<void(uint64_t, uint64_t)> Progress::listener() {
  if (mode_ == ProgressMode::kNone) return {};
  return [this](uint64_t done_bytes, uint64_t total_bytes) { Show(done_bytes, total_bytes); };
}

void Progress::Show(uint64_t done_bytes, uint64_t total_bytes) {
  const auto now = std::chrono::steady_clock::now();
  const ProgressState state = rate_.Update(now, done_bytes, total_bytes);
  if (mode_ == ProgressMode::kJson) {
    Print(ProgressLine(state) + "\n");
  } else if (now - start_ >= kDelay) {
    Print(std::string(kClearLine) + ProgressBar(state, ColumnsOf(fd_)));
    shown_ = true;
  }
}

// What cannot be shown is no reason to stop.
void Progress::Print(const std::string& text) const {
  [[maybe_unused]] const ssize_t written = ::write(fd_, text.data(), text.size());
}

}  // namespace vhdx::cli
