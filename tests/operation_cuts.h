// OperationCuts: an operation that changes an image in place, with the power cut at any point of
// it; then the same operation again on what is left, cut or not.

#ifndef VHDXKIT_TESTS_OPERATION_CUTS_H_
#define VHDXKIT_TESTS_OPERATION_CUTS_H_

#include <vhdxkit/error.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_set>

#include "testing/crash_state.h"
#include "testing/crash_store.h"

namespace vhdx::tests {

class OperationCuts {
 public:
  /// Runs it on the files of the store; `seed` is that of new GUIDs, which is another each time.
  using Operation =
      std::function<Result<void>(const std::shared_ptr<testing::CrashStore>& store, uint64_t seed)>;
  /// What is wrong with a state, or nothing; `is_done` if the operation has returned and nothing
  /// was lost.
  using Judge = std::function<std::string(const testing::CrashState& state, bool is_done)>;

  /// Runs the operation on a host that holds `state`, and looks at states that a cut may leave.
  /// Returns the first that is wrong, as a sentence, or nothing.
  std::string Run(const testing::CrashState& state, uint64_t seed, const Operation& operation,
                  const Judge& judge);

  size_t states() const { return states_.size(); }  ///< distinct ones, of all runs
  uint64_t repeated() const { return repeated_; }   ///< runs that began with what a cut left

 private:
  std::string RunFrom(const testing::CrashState& state, int depth);
  std::string LookAt(const testing::CrashState& state, bool is_done, int depth);

  uint64_t seed_ = 0;
  uint64_t runs_ = 0;
  Operation operation_;
  Judge judge_;
  std::unordered_set<uint64_t> states_;
  uint64_t repeated_ = 0;
};

}  // namespace vhdx::tests

#endif  // VHDXKIT_TESTS_OPERATION_CUTS_H_
