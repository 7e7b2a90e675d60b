#include "cli/appliance.h"

#include <sys/mman.h>
#include <unistd.h>
#include <vhdxkit/image_tree.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "bytes/formatting.h"
#include "bytes/try.h"
#include "cli/child_process.h"
#include "cli/file_descriptor.h"
#include "cli/nbd_server.h"

namespace vhdx::cli {
namespace {

constexpr std::string_view kVolume = "volume ";
constexpr std::string_view kErrorOfGuestfish = "libguestfs: error: ";
constexpr int kKilled = 128;  // plus the number of a signal

// A file without a name, which our children open by its number.
class UnnamedFile {
 public:
  static Result<UnnamedFile> Make(const char* purpose) {
    UnnamedFile file;
    file.fd_ = FileDescriptor(::memfd_create(purpose, MFD_CLOEXEC));
    if (file.fd_.is_open()) return file;
    return Fail(ErrorCode::kIo,
                Format("cannot make a file in memory: {}", std::generic_category().message(errno)));
  }

  std::string path() const { return Format("/proc/{}/fd/{}", ::getpid(), fd_.get()); }

  Result<void> Write(std::string_view text) const {
    if (::pwrite(fd_.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size())) {
      return {};
    }
    return Fail(ErrorCode::kIo, "cannot write a file in memory");
  }

  std::string Read() const {
    const off_t size = ::lseek(fd_.get(), 0, SEEK_END);
    std::string text(size > 0 ? static_cast<size_t>(size) : 0, '\0');
    const ssize_t count = ::pread(fd_.get(), text.data(), text.size(), 0);
    text.resize(count > 0 ? static_cast<size_t>(count) : 0);
    return text;
  }

 private:
  FileDescriptor fd_;
};

// A command that begins with "-" may fail. Names of devices come from the disk, so that only plain
// ones are used. Before each volume its name goes to standard error, where errors follow it.
std::string ScriptFor(const std::string& socket, const std::string& list) {
  return Format(
      "add \"\" protocol:nbd server:unix:{0} format:raw discard:enable\n"
      "run\n"
      "list-filesystems | cat > {1}\n"
      "<! awk -F': ' '$1 ~ /^\\/dev\\/[A-Za-z0-9\\/_.+-]+$/ && $2 ~ /^[A-Za-z0-9_]+$/ && "
      "$2 != \"swap\" && $2 != \"unknown\" {{ printf \"!echo {2}%s %s >&2\\n-mount %s /\\n"
      "-fstrim /\\n-umount-all\\n\", $1, $2, $1 }}' {1}\n",
      socket, list, kVolume);
}

std::vector<std::string> PluginParametersFor(const Invocation& invocation, const std::string& path,
                                             const ApplianceOptions& options) {
  std::vector<std::string> parameters = {"file=" + path, "access=write"};
  for (const std::string& folder : invocation.options.search.folders) {
    parameters.push_back("parent-dir=" + folder);
  }
  if (invocation.options.search.anywhere) parameters.emplace_back("allow-any-parent=true");
  if (options.orphan_children) parameters.emplace_back("orphan-children=true");
  if (options.lock == LockPolicy::kIgnore) parameters.emplace_back("no-lock=true");
  return parameters;
}

// The last line of what a program said.
std::string LastLine(std::string said) {
  said.erase(said.find_last_not_of('\n') + 1);
  return said.substr(said.rfind('\n') + 1);
}

Result<std::string> RunGuestfish(const Invocation& invocation, const std::string& path,
                                 const std::string& guestfish, NbdServer& server) {
  const auto script = VHDX_TRY(UnnamedFile::Make("script"));
  const auto list = VHDX_TRY(UnnamedFile::Make("file-systems"));
  const auto said = VHDX_TRY(UnnamedFile::Make("said"));
  VHDX_TRY(script.Write(ScriptFor(server.socket_path(), list.path())));
  const auto status = VHDX_TRY(server.Run(
      Format("{} --file {} >/dev/null 2>>{}", QuoteForShell(guestfish), script.path(), said.path()),
      invocation.interrupted));
  if (status > kKilled) return Fail(ErrorCode::kCancelled, "interrupted");
  if (status == 0) return said.Read();
  return Fail(ErrorCode::kIo, Format("guestfish failed: {}", LastLine(said.Read())), path);
}

}  // namespace

std::vector<std::string> LinesOfAppliance(std::string_view said) {
  std::vector<std::string> lines;
  std::string volume;
  std::string error;
  const auto end_volume = [&] {
    if (volume.empty()) return;
    lines.push_back(error.empty() ? Format("{}: trimmed in the appliance", volume)
                                  : Format("{}: left alone: {}", volume, error));
  };
  while (!said.empty()) {
    std::string_view line = said.substr(0, said.find('\n'));
    said.remove_prefix(std::min(said.size(), line.size() + 1));
    if (line.starts_with(kVolume)) {
      end_volume();
      line.remove_prefix(kVolume.size());
      const std::string_view device = line.substr(0, line.find(' '));
      volume = Format("{} ({})", device, line.substr(std::min(line.size(), device.size() + 1)));
      error.clear();
    } else if (line.starts_with(kErrorOfGuestfish) && error.empty()) {
      error = line.substr(kErrorOfGuestfish.size());
    }
  }
  end_volume();
  return lines;
}

Result<std::vector<std::string>> TrimInAppliance(const Invocation& invocation,
                                                 const std::string& path,
                                                 const ApplianceOptions& options) {
  const auto guestfish = FindProgram("guestfish");
  if (!guestfish) {
    return Fail(ErrorCode::kNotFound,
                "--filesystems=appliance needs guestfish, which is not installed; on Debian: apt "
                "install guestfish");
  }
  if (!options.orphan_children) {
    VHDX_TRY(RefuseIfParent(invocation.files, path, invocation.options.search));
  }
  const auto server = VHDX_TRY(
      NbdServer::Start({.plugin_parameters = PluginParametersFor(invocation, path, options),
                        .socket_path = {},
                        .tcp = {},
                        .control_path = {}},

                       invocation.interrupted));
  invocation.messages.Note(path, "starting a virtual machine that trims its file systems");
  auto said = RunGuestfish(invocation, path, *guestfish, *server);
  const int status = server->Stop();
  if (!said) return std::unexpected(std::move(said.error()));
  if (status != 0) {
    return Fail(ErrorCode::kIo, Format("the server of the disk failed with status {}", status),
                path);
  }
  return LinesOfAppliance(*said);
}

}  // namespace vhdx::cli
