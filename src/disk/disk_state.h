// What a Disk consists of.

#ifndef VHDXKIT_DISK_DISK_STATE_H_
#define VHDXKIT_DISK_DISK_STATE_H_

#include <vhdxkit/disk.h>

#include <memory>
#include <utility>

#include "bytes/request_gate.h"
#include "disk/layer_stack.h"

namespace vhdx {

class Disk::State {
 public:
  explicit State(std::unique_ptr<LayerStack> stack) : stack_(std::move(stack)) {}

  RequestGate& gate() { return gate_; }
  /// For requests, inside of the gate, and for whoever holds it.
  LayerStack& stack() { return *stack_; }

 private:
  RequestGate gate_;
  std::unique_ptr<LayerStack> stack_;
};

}  // namespace vhdx

#endif  // VHDXKIT_DISK_DISK_STATE_H_
