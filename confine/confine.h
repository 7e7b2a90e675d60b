// Taking from this process what it does not need, before it reads what somebody hostile wrote.
//
// Afterwards the process can use the descriptors that it kept, its memory up to a limit and the
// processor for a time, and nothing else: it cannot open a file, connect or create a socket, start
// a process, or make memory executable. A defect in a parser can then do no more than give a wrong
// answer. There is no way back.
//
// Commands link this; the library does not: a library does not take anything from its host.

#ifndef VHDXKIT_CONFINE_CONFINE_H_
#define VHDXKIT_CONFINE_CONFINE_H_

#include <vhdxkit/error.h>

#include <cstdint>
#include <string>
#include <vector>

namespace vhdx::confine {

/// What the process keeps.
struct Needs {
  std::vector<int> descriptors_to_read;   ///< files, block devices or sockets
  std::vector<int> descriptors_to_write;  ///< also to a socket that is read
  uint64_t memory_bytes = 0;              ///< of address space, what is in use included
  uint64_t processor_seconds = 0;         ///< from the start of the process; a signal ends it then
};

/// What this kernel could not do. The rest is in place.
struct Confinement {
  /// Each a short sentence for a person; empty: everything is in place.
  std::vector<std::string> missing;
};

/// Takes everything else from the process: other descriptors are closed, limits are set, and file
/// system, network, processes and system calls are denied by Landlock and seccomp. Call it before
/// the process has a second thread. Errors: kIo, kPermission (a step failed that every kernel can
/// do; the process must not go on).
Result<Confinement> Confine(const Needs& needs);

}  // namespace vhdx::confine

#endif  // VHDXKIT_CONFINE_CONFINE_H_
