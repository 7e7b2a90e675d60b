#include "bytes/mutex.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace vhdx {
namespace {

class Counter {
 public:
  void Add() {
    const MutexLock lock(mutex_);
    ++value_;
  }
  int value() {
    const MutexLock lock(mutex_);
    return value_;
  }

 private:
  Mutex mutex_;
  int value_ VHDX_GUARDED_BY(mutex_) = 0;
};

TEST(MutexLock, KeepsThreadsApart) {
  Counter counter;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 10000; ++j) counter.Add();
    });
  }
  threads.clear();
  EXPECT_EQ(counter.value(), 40000);
}

}  // namespace
}  // namespace vhdx
