// Sessions over one image in which QEMU and we take turns, closed or killed, against a model: what
// session_lineages.py does, for a few images. scripts/long does it for many.
//
// VHDXKIT_LINEAGES  so many images instead

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>

#include "testing/host_folder.h"
#include "testing/scale.h"
#include "tests/command.h"

namespace vhdx::tests {
namespace {

constexpr uint64_t kImages = 6;

class SessionLineage : public testing::HostFolderTest {};

TEST_F(SessionLineage, ImageThatQemuAndWeWriteInTurn_HoldsWhatWasWritten) {
  if (!HasProgram("nbdkit") || !HasProgram("nbdinfo") || !HasProgram("qemu-nbd")) {
    GTEST_SKIP() << "no nbdkit, no libnbd, or no qemu-nbd";
  }
  const char* const wanted = std::getenv("VHDXKIT_LINEAGES");
  const std::string images = wanted ? wanted : std::to_string(testing::Scaled(kImages));
  const CommandResult done =
      RunCommand({"/usr/bin/python3", "-B", VHDXKIT_SOURCE_DIR "/tests/session_lineages.py",
                  VHDXKIT_COMMAND, folder(), "1", images});
  EXPECT_EQ(done.exit_status, 0) << done.out << done.err;
  std::cout << done.out;
}

}  // namespace
}  // namespace vhdx::tests
