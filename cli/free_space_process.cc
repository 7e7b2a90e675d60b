#include "cli/free_space_process.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "bytes/border.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
#include "cli/child_process.h"
#include "cli/file_descriptor.h"
#include "guest/free_map.h"
#include "guest/superblock.h"
#include "media/read_service.h"

namespace vhdx::cli {
namespace {

constexpr std::string_view kProgram = "vhdx-free-space";
constexpr std::string_view kNotInstalled =
    "vhdx-free-space is not installed (package vhdxkit-filesystems)";
constexpr std::string_view kNotAsked = "it was not asked (--filesystems=none)";
// Of one volume, on a slow host: its process may use ten minutes of a processor.
constexpr std::chrono::minutes kTimeLimit{30};

std::unexpected<Error> LeaveAlone(std::string reason) {
  return Fail(ErrorCode::kUnsupported, std::move(reason));
}

// Two ends of a connection; what is ours is served by a thread.
struct Sockets {
  FileDescriptor ours;
  FileDescriptor theirs;
};

Result<Sockets> ConnectedSockets() {
  std::array<int, 2> ends = {};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return LeaveAlone(Format("cannot make a socket: {}", std::generic_category().message(errno)));
  }
  return Sockets{FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

// Serves reads of the disk for as long as it lives.
class DiskServer {
 public:
  DiskServer(BlockDevice& disk, int socket)
      : socket_(socket),
        thread_([this, &disk] { served_ = Caught([&] { return ServeReads(disk, socket_); }); }) {}
  ~DiskServer() { (void)Stop(); }
  DiskServer(const DiskServer&) = delete;
  DiskServer& operator=(const DiskServer&) = delete;

  /// What went wrong, if something did.
  const Result<void>& Stop() {
    ::shutdown(socket_, SHUT_RDWR);
    if (thread_.joinable()) thread_.join();
    return served_;
  }

 private:
  const int socket_;
  Result<void> served_;
  std::thread thread_;  // the last: it uses the others
};

std::string WithoutName(std::string complaint) {
  const std::string prefix = Format("{}: ", kProgram);
  if (complaint.starts_with(prefix)) complaint.erase(0, prefix.size());
  return complaint.empty() ? "it said nothing" : complaint;
}

class FreeSpaceAsker {
 public:
  FreeSpaceAsker(const std::atomic<bool>& interrupted, FreeSpaceArguments arguments,
                 FreeSpaceProgram program)
      : interrupted_(interrupted), arguments_(std::move(arguments)), program_(std::move(program)) {}

  Result<std::vector<VolumeFreeSpace>> Ask(BlockDevice& disk,
                                           const std::vector<DiskVolume>& volumes) const {
    VHDX_TRY(CheckMaps(volumes));
    std::vector<VolumeFreeSpace> answers;
    for (const DiskVolume& volume : volumes) {
      auto free = AskVolume(disk, volume);
      VolumeFreeSpace answer{.volume = volume};
      if (free) {
        answer.free = *std::move(free);
      } else if (free.error().code == ErrorCode::kUnsupported) {
        answer.skipped_because = free.error().sentence;
      } else {
        return std::unexpected(std::move(free.error()));
      }
      answers.push_back(std::move(answer));
    }
    return answers;
  }

 private:
  const FreeMapArgument* MapFor(const DiskVolume& volume) const {
    const auto map =
        std::ranges::find(arguments_.maps, volume.range.disk_offset, &FreeMapArgument::disk_offset);
    return map == arguments_.maps.end() ? nullptr : &*map;
  }

  // A map is of something that was recognized, whose own structures it must not call free.
  Result<void> CheckMaps(const std::vector<DiskVolume>& volumes) const {
    for (const FreeMapArgument& map : arguments_.maps) {
      const auto starts_there = [&](const DiskVolume& volume) {
        return volume.range.disk_offset == map.disk_offset;
      };
      if (std::ranges::any_of(volumes, starts_there)) continue;
      std::vector<std::string> places;
      places.reserve(volumes.size());
      for (const DiskVolume& volume : volumes) {
        places.push_back(Format("{} ({})", volume.range.disk_offset, volume.type));
      }
      return Fail(ErrorCode::kInvalidArgument,
                  Format("no file system starts at offset {} of the disk{}{}", map.disk_offset,
                         places.empty() ? "" : "; there is one at ", Join(places, ", ")),
                  map.path);
    }
    return {};
  }

  // Errors: kUnsupported is a reason to leave the volume alone; others end the operation.
  Result<std::vector<DiskRange>> AskVolume(BlockDevice& disk, const DiskVolume& volume) const {
    const FreeMapArgument* const map = MapFor(volume);
    if (map == nullptr && !arguments_.ask_file_systems) return LeaveAlone(std::string(kNotAsked));
    if (map == nullptr && !program_.path) return LeaveAlone(std::string(kNotInstalled));
    auto answer =
        VHDX_TRY(map != nullptr ? ReadFreeMap(map->path, interrupted_) : RunProgram(disk, volume));
    if (const auto* const alone = std::get_if<guest::LeftAlone>(&answer)) {
      return LeaveAlone(alone->reason);
    }
    return Verified(disk, volume, std::get<guest::FreeSpace>(std::move(answer)));
  }

  Result<guest::FreeSpaceAnswer> RunProgram(BlockDevice& disk, const DiskVolume& volume) const {
    auto sockets = VHDX_TRY(ConnectedSockets());
    auto child = ChildProcess::Start(WordsFor(volume), sockets.theirs.get());
    if (!child) return LeaveAlone(child.error().sentence);
    sockets.theirs.Close();
    DiskServer server(disk, sockets.ours.get());
    guest::FreeMapParser parser;
    const auto read =
        (*child)->ReadOutput([&](std::string_view piece) { return parser.Add(piece); },
                             ChildProcess::Clock::now() + program_.time_limit, interrupted_);
    const Result<void>& served = server.Stop();
    if (!read) return WhyUnread(read.error());
    const int status = (*child)->Wait();
    // An error of a file is why the program could not go on; one of the socket is that it ended.
    if (status != 0 && !served && !served.error().file.empty()) {
      return LeaveAlone(served.error().sentence);
    }
    if (status != 0) {
      return LeaveAlone(Format("{} failed: {}", kProgram, WithoutName((*child)->LastComplaint())));
    }
    auto answer = parser.Finish();
    if (!answer) return WhyUnread(answer.error());
    return answer;
  }

  static std::unexpected<Error> WhyUnread(const Error& error) {
    if (error.code == ErrorCode::kCancelled) return std::unexpected(error);
    if (error.code == ErrorCode::kBusy) {
      return LeaveAlone(Format("{} did not finish in time", kProgram));
    }
    return LeaveAlone(Format("{} printed a bad map: {}", kProgram, error.sentence));
  }

  std::vector<std::string> WordsFor(const DiskVolume& volume) const {
    std::vector<std::string> words = {*program_.path};
    if (arguments_.lvm_free && volume.type == VolumeKindName(guest::VolumeKind::kLvm)) {
      words.emplace_back("--lvm-free");
    }
    words.push_back(volume.type);
    words.push_back(Format("{}", volume.range.disk_offset));
    words.push_back(Format("{}", volume.range.length_bytes));
    return words;
  }

  static Result<std::vector<DiskRange>> Verified(BlockDevice& disk, const DiskVolume& volume,
                                                 guest::FreeSpace space) {
    const auto found = VHDX_TRY(guest::ReadSuperblocks(disk, volume.range));
    const auto superblock = std::ranges::find_if(found, [&](const guest::Superblock& candidate) {
      return VolumeKindName(candidate.kind) == volume.type;
    });
    if (superblock == found.end()) return LeaveAlone("its superblock was not found again");
    const auto metadata = guest::SuperblockRanges(*superblock, volume.range.length_bytes);
    const auto verified = guest::VerifyFreeSpace(space, volume.range.length_bytes, metadata);
    if (!verified) return LeaveAlone(verified.error().sentence);
    for (DiskRange& range : space.free) range.disk_offset += volume.range.disk_offset;
    return std::move(space.free);
  }

  const std::atomic<bool>& interrupted_;
  const FreeSpaceArguments arguments_;
  const FreeSpaceProgram program_;
};

}  // namespace

AskFreeSpace AskFreeSpaceWith(const Invocation& invocation, const FreeSpaceArguments& arguments,
                              const FreeSpaceProgram& program) {
  if (!arguments.ask_file_systems && arguments.maps.empty()) return {};
  return [asker = std::make_shared<FreeSpaceAsker>(invocation.interrupted, arguments, program)](
             BlockDevice& disk, const std::vector<DiskVolume>& volumes) {
    return asker->Ask(disk, volumes);
  };
}

AskFreeSpace AskFreeSpaceFor(const Invocation& invocation, const FreeSpaceArguments& arguments) {
  return AskFreeSpaceWith(invocation, arguments,
                          {.path = FindProgram(std::string(kProgram)), .time_limit = kTimeLimit});
}

}  // namespace vhdx::cli
