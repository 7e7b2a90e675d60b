// What a Disk consists of.

#ifndef VHDXKIT_DISK_DISK_STATE_H_
#define VHDXKIT_DISK_DISK_STATE_H_

#include <vhdxkit/disk.h>
#include <vhdxkit/file.h>

#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "bytes/request_gate.h"
#include "disk/layer_stack.h"
#include "image/write_limits.h"

namespace vhdx {

class Disk::State {
 public:
  /// How its top image is written.
  struct Writing {
    FileSystem* files = nullptr;  ///< outlives a disk that is written
    WriteLimits limits = {};
    PageCache page_cache = PageCache::kAsHost;
    bool direct = false;
    LockPolicy lock = LockPolicy::kLock;
  };

  State(std::unique_ptr<LayerStack> stack, const Writing& writing) : writing_(writing) {
    Replace(std::move(stack));
  }

  RequestGate& gate() { return gate_; }
  const Writing& writing() const { return writing_; }
  /// Requests use it inside of the gate, where it stays the same. What only describes the disk may
  /// use it at any time.
  LayerStack& stack() { return *stack_.load(std::memory_order_acquire); }

  /// Nobody is inside of the gate. The stack before stays for whoever describes the disk just now,
  /// and for what it counted.
  void Replace(std::unique_ptr<LayerStack> stack) {
    stacks_.push_back(std::move(stack));
    stack_.store(stacks_.back().get(), std::memory_order_release);
  }

 private:
  RequestGate gate_;
  const Writing writing_;
  std::vector<std::unique_ptr<LayerStack>> stacks_;  // changed by whoever holds the gate
  std::atomic<LayerStack*> stack_ = nullptr;         // the last of them
};

}  // namespace vhdx

#endif  // VHDXKIT_DISK_DISK_STATE_H_
