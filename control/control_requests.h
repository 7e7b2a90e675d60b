// The commands of the control socket, carried out on the disk that is being served.

#ifndef VHDXKIT_CONTROL_CONTROL_REQUESTS_H_
#define VHDXKIT_CONTROL_CONTROL_REQUESTS_H_

#include <vhdxkit/disk.h>
#include <vhdxkit/file.h>

#include <string_view>
#include <utility>

#include "control/answer.h"

namespace vhdx::control {

class ControlRequests {
 public:
  /// `files` and `disk` must outlive it; `chain` is how its chain was opened.
  ControlRequests(FileSystem& files, Disk& disk, ChainOptions chain)
      : files_(files), disk_(disk), chain_(std::move(chain)) {}

  /// Carries out {"execute": COMMAND, "arguments": {…}, "id": anything} and returns
  /// {"return": {…}, "id": …} or {"error": {…}, "id": …}. Throws nothing but std::bad_alloc.
  Answer AnswerTo(std::string_view line) const;

 private:
  FileSystem& files_;
  Disk& disk_;
  ChainOptions chain_;
};

}  // namespace vhdx::control

#endif  // VHDXKIT_CONTROL_CONTROL_REQUESTS_H_
