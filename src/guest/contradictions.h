// What on a disk cannot be true at once: sentences for users. A hostile disk could cause any number
// of them; the first kMost are kept.

#ifndef VHDXKIT_GUEST_CONTRADICTIONS_H_
#define VHDXKIT_GUEST_CONTRADICTIONS_H_

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace vhdx::guest {

class Contradictions {
 public:
  static constexpr size_t kMost = 16;

  void Add(std::string sentence) {
    if (sentences_.size() < kMost) sentences_.push_back(std::move(sentence));
  }
  void Add(const Contradictions& others) {
    for (const std::string& sentence : others.sentences_) Add(sentence);
  }

  bool empty() const { return sentences_.empty(); }
  /// Each in lower case and without a full stop.
  const std::vector<std::string>& sentences() const { return sentences_; }

 private:
  std::vector<std::string> sentences_;
};

}  // namespace vhdx::guest

#endif  // VHDXKIT_GUEST_CONTRADICTIONS_H_
