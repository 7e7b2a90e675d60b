#include "cli/interruption.h"

#include <csignal>
#include <cstdlib>

namespace vhdx::cli {
namespace {

// A signal handler can reach nothing but what is static.
std::atomic<bool> was_interrupted = false;
std::atomic<int> signal_count = 0;
std::atomic<int> first_signal = 0;
std::atomic<bool> is_for_command = false;
std::atomic<int> signal_for_command = 0;  // negative: sent to all of our process group
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free);

// `timeout` sends a signal twice, to the process and to its group: only the third is impatience.
constexpr int kPatience = 2;

extern "C" void HandleSignal(int signal, siginfo_t* information, void*) {
  if (is_for_command) {
    signal_for_command = information->si_code == SI_KERNEL ? -signal : signal;
    return;
  }
  int none = 0;
  first_signal.compare_exchange_strong(none, signal);
  was_interrupted = true;
  if (++signal_count >= kPatience) ::signal(signal, SIG_DFL);
}

void Catch(int signal) {
  struct sigaction before = {};
  if (::sigaction(signal, nullptr, &before) != 0 || before.sa_handler == SIG_IGN) return;
  struct sigaction action = {};
  action.sa_sigaction = HandleSignal;
  action.sa_flags = SA_SIGINFO;
  ::sigemptyset(&action.sa_mask);
  // Without SA_RESTART: a write to a pipe that nobody reads must end.
  ::sigaction(signal, &action, nullptr);
}

}  // namespace

const std::atomic<bool>& CatchInterruptions() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) Catch(signal);
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);
  return was_interrupted;
}

int InterruptingSignal() { return first_signal; }

SignalsOfCommand::SignalsOfCommand() { is_for_command = true; }

SignalsOfCommand::~SignalsOfCommand() { is_for_command = false; }

std::optional<SignalsOfCommand::Signal> SignalsOfCommand::Take() const {
  const int signal = signal_for_command.exchange(0);
  if (signal == 0) return std::nullopt;
  return Signal{.number = std::abs(signal), .to_our_group = signal < 0};
}

}  // namespace vhdx::cli
