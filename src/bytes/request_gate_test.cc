#include "bytes/request_gate.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <thread>
#include <vector>

namespace vhdx {
namespace {

// Long enough for a thread that does not wait to get on.
constexpr std::chrono::milliseconds kAWhile(20);

TEST(RequestGate, OpenGate_LetsRequestsIn) {
  RequestGate gate;
  const auto first = gate.Enter();
  const auto second = gate.TryEnter();
  EXPECT_TRUE(first);
  EXPECT_TRUE(second);
  EXPECT_FALSE(gate.is_shut());
}

TEST(RequestGate, Hold_WaitsUntilAllHaveLeft) {
  RequestGate gate;
  std::optional<RequestGate::Pass> pass(gate.Enter());
  std::atomic<bool> held = false;
  std::thread holder([&] {
    EXPECT_TRUE(gate.Hold());
    held = true;
    gate.Open();
  });
  std::this_thread::sleep_for(kAWhile);
  EXPECT_FALSE(held);
  // A pass belongs to no thread.
  std::thread([&] { pass.reset(); }).join();
  holder.join();
  EXPECT_TRUE(held);
}

TEST(RequestGate, HeldGate_LetsNobodyInUntilItOpens) {
  RequestGate gate;
  ASSERT_TRUE(gate.Hold());
  EXPECT_FALSE(gate.TryEnter());
  std::atomic<bool> entered = false;
  std::thread request([&] {
    EXPECT_TRUE(gate.Enter());
    entered = true;
  });
  std::this_thread::sleep_for(kAWhile);
  EXPECT_FALSE(entered);
  gate.Open();
  request.join();
  EXPECT_TRUE(entered);
}

TEST(RequestGate, ShutGate_NeverOpensAgain) {
  RequestGate gate;
  ASSERT_TRUE(gate.Hold());
  std::thread waiting([&] { const auto pass = gate.Enter(); });  // before or after: it must return
  std::thread closing([&] { EXPECT_TRUE(gate.Shut()); });
  std::this_thread::sleep_for(kAWhile);
  gate.Open();
  closing.join();
  EXPECT_TRUE(gate.is_shut());
  EXPECT_FALSE(gate.Enter());
  EXPECT_FALSE(gate.TryEnter());
  EXPECT_FALSE(gate.Hold());
  EXPECT_FALSE(gate.Shut());
  waiting.join();
}

// The value is changed only while the gate is held, and read only inside: TSan would see a race,
// and a request two values.
TEST(RequestGate, RequestSeesOneValueThroughout) {
  RequestGate gate;
  uint64_t value = 0;
  std::atomic<bool> stop = false;
  std::atomic<uint64_t> requests = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      while (!stop) {
        const auto pass = gate.Enter();
        const uint64_t before = value;
        std::this_thread::yield();
        EXPECT_EQ(value, before);
        ++requests;
      }
    });
  }
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(gate.Hold());
    ++value;
    gate.Open();
  }
  while (requests < 1000) std::this_thread::yield();
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(value, 300u);
}

}  // namespace
}  // namespace vhdx
