// What comes of one request.

#ifndef VHDXKIT_CONTROL_ANSWER_H_
#define VHDXKIT_CONTROL_ANSWER_H_

#include <string>

namespace vhdx::control {

struct Answer {
  std::string line = {};     ///< JSON, without a line feed
  bool ends_server = false;  ///< once it has been sent
};

}  // namespace vhdx::control

#endif  // VHDXKIT_CONTROL_ANSWER_H_
