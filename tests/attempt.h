// What functions answer while memory runs out: each call of operator new that an operation makes
// fails in one attempt at it. FailEachCall needs failing_memory.h in the same program.

#ifndef VHDXKIT_TESTS_ATTEMPT_H_
#define VHDXKIT_TESTS_ATTEMPT_H_

#include <gtest/gtest.h>
#include <vhdxkit/error.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/failing_memory.h"

namespace vhdx::tests {

/// A function that was tried.
struct TriedFunction {
  std::string_view of_class;  ///< empty if the name says it
  std::string_view name;
  bool needs_memory = false;
  int without_memory = 0;  ///< how often its answer was kNoMemory
};

/// What a function answers when there is memory.
struct Answer {
  std::optional<ErrorCode> refusal = {};  ///< empty: it does its work
  bool needs_memory = true;               ///< false: it allocates nothing
};

/// One attempt at an operation. It notes the answers of the functions that the operation calls, and
/// allocates nothing.
class Attempt {
 public:
  /// Those of all attempts, in the order in which they were tried first.
  using Functions = std::vector<TriedFunction>;

  explicit Attempt(Functions& functions) : functions_(functions) {}

  /// The class of the functions whose names do not say it.
  void set_class(std::string_view name) { of_class_ = name; }

  /// Takes down what a function answered; it may take its Error. True: it did its work.
  template <typename R>
  bool Try(std::string_view function, R&& result, const Answer& answer = {}) {
    TriedFunction& tried = Find(function);
    tried.needs_memory = tried.needs_memory || answer.needs_memory;
    if (result) return true;
    Error& error = result.error();
    if (error.code == ErrorCode::kNoMemory) {
      ++tried.without_memory;
      if (HasStrings(error)) Keep(function, error);
    } else if (error.code != answer.refusal && !IsPoisonedByMemory(error)) {
      Keep(function, error);
    }
    return false;
  }

  /// The first answer that nobody may give, and the function that gave it.
  const std::optional<Error>& wrong_answer() const { return wrong_answer_; }
  std::string_view wrong_function() const { return wrong_function_; }

 private:
  static bool HasStrings(const Error& error) {
    return !error.rule.empty() || !error.file.empty() || !error.found.empty() ||
           !error.expected.empty() || !error.sentence.empty();
  }
  static bool IsPoisonedByMemory(const Error& error) {
    return error.code == ErrorCode::kPoisoned &&
           error.sentence.find("ran out of memory") != std::string::npos;
  }

  TriedFunction& Find(std::string_view function) {
    const auto found = std::ranges::find_if(functions_, [&](const TriedFunction& each) {
      return each.of_class == of_class_ && each.name == function;
    });
    if (found != functions_.end()) return *found;
    functions_.push_back({.of_class = of_class_, .name = function});
    return functions_.back();
  }

  void Keep(std::string_view function, Error& error) {
    if (wrong_answer_) return;
    wrong_answer_ = std::move(error);
    wrong_function_ = function;
  }

  Functions& functions_;
  std::string_view of_class_;
  std::optional<Error> wrong_answer_;
  std::string_view wrong_function_;
};

/// How an operation is tried.
struct AttemptPlan {
  MemoryFailure how = MemoryFailure::kOnce;
  int64_t step = 1;  ///< only each step-th call fails
  /// Before and after each attempt, with memory.
  std::function<void()> prepare = {};
  std::function<void()> look = {};
};

/// Tries the operation with the first call of operator new failing, with the second, and so on,
/// until one attempt gets by without the call that fails. A fatal failure ends it.
inline void FailEachCall(Attempt::Functions& functions, const AttemptPlan& plan,
                         const std::function<void(Attempt&)>& operation) {
  constexpr int64_t kMostCalls = 100'000;
  functions.reserve(100);  // an attempt allocates nothing
  bool has_failed = true;
  for (int64_t call = 1; has_failed; call += plan.step) {
    ASSERT_LT(call, kMostCalls) << "the operation never gets by without the failing call";
    SCOPED_TRACE("call " + std::to_string(call) +
                 (plan.how == MemoryFailure::kForGood ? " and those after it" : ""));
    if (plan.prepare) plan.prepare();
    Attempt attempt(functions);
    FailingMemory::Start(call, plan.how);
    operation(attempt);
    has_failed = FailingMemory::Stop();
    const auto& wrong = attempt.wrong_answer();
    ASSERT_FALSE(wrong) << attempt.wrong_function() << ": " << ErrorCodeName(wrong->code) << ": "
                        << ToString(*wrong);
    if (plan.look) plan.look();
    if (::testing::Test::HasFailure()) return;
  }
}

/// Fails for each function that needs memory and never was without.
inline void ExpectAllRanOutOfMemory(const Attempt::Functions& functions) {
  for (const TriedFunction& tried : functions) {
    EXPECT_TRUE(tried.without_memory > 0 || !tried.needs_memory)
        << tried.of_class << " " << tried.name << " was never without memory";
  }
}

}  // namespace vhdx::tests

#endif  // VHDXKIT_TESTS_ATTEMPT_H_
