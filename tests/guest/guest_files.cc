// guest_files check FOLDER LIST: holds the files of FOLDER against LIST.
// guest_files fill FOLDER LIST SEED: writes, rewrites and removes files, those of LIST too, until
// the power goes.
//
// Runs inside the guest, whose disk may stop at any moment. A file's contents follow from its name
// and version: every sector says which file, which version and which of its sectors it is, and the
// rest of its bytes follow from these. A file is rewritten in place, as a whole, with the next
// version; so whatever the disk lost, each sector must hold a version from the last one that was
// synced to the last one that was begun.
//
// Standard output, a line each, in the order in which it happened:
//   BEGIN NAME SECTORS VERSION    a rewrite of a file starts
//   SYNCED NAME SECTORS VERSION   fsync of the file and its folder, or syncfs, succeeded
//   UNLINK NAME                   its removal starts
//   REMOVED NAME                  fsync of the folder succeeded
// LIST has lines of two kinds:
//   file NAME SECTORS OLDEST NEWEST   must be there, every sector in one of these versions
//   gone NAME                         must not be there
// and whatever else is in the folder, unsynced leavings, is removed by `check`.

#include <dirent.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr size_t kSectorBytes = 512;
constexpr size_t kSectorWords = kSectorBytes / sizeof(uint64_t);
constexpr size_t kWorkers = 4;
/// A worker writes in pieces of this size, so that a kill finds it in the middle.
constexpr size_t kPieceSectors = 256;
constexpr size_t kMaxFileSectors = 8192;
/// Files that a worker writes before it syncs them.
constexpr uint64_t kMostUnsynced = 6;

using Sector = std::array<uint64_t, kSectorWords>;

struct Versions {
  uint64_t sectors = 0;
  uint64_t oldest = 0;
  uint64_t newest = 0;
};
using Files = std::map<std::string, Versions>;

struct List {
  Files files = {};
  std::vector<std::string> gone = {};
};

/// Writes a line at once and waits until the serial port has sent it: what the host has not heard
/// of has not begun.
void Report(const std::string& line) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  const std::string whole = line + "\n";
  if (::write(STDOUT_FILENO, whole.data(), whole.size()) != static_cast<ssize_t>(whole.size())) {
    std::_Exit(1);
  }
  ::tcdrain(STDOUT_FILENO);
}

void ReportFile(const char* what, const std::string& name, uint64_t sectors, uint64_t version) {
  Report(std::string(what) + " " + name + " " + std::to_string(sectors) + " " +
         std::to_string(version));
}

[[noreturn]] void Fail(const std::string& what) {
  Report("FAILED " + what + ": " + std::strerror(errno));
  std::_Exit(1);
}

List ReadList(const std::string& path) {
  List list;
  std::ifstream lines(path);
  std::string line;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string kind;
    std::string name;
    Versions versions;
    words >> kind >> name >> versions.sectors >> versions.oldest >> versions.newest;
    if (kind == "file") list.files[name] = versions;
    if (kind == "gone") list.gone.push_back(name);
  }
  return list;
}

/// FNV-1a.
uint64_t NameKey(const std::string& name) {
  uint64_t key = 0xcbf29ce484222325;
  for (const char c : name) key = (key ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return key;
}

Sector MakeSector(uint64_t name_key, uint64_t index, uint64_t version) {
  Sector sector;
  sector[0] = name_key;
  sector[1] = index;
  sector[2] = version;
  uint64_t state = name_key ^ (index * 0x9e3779b97f4a7c15) ^ (version << 48) ^ 1;
  for (size_t word = 3; word < kSectorWords; ++word) {  // xorshift64
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    sector[word] = state;
  }
  return sector;
}

/// A file descriptor that is closed again.
class Descriptor {
 public:
  Descriptor(const std::string& path, int flags) : fd_(::open(path.c_str(), flags, 0644)) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }

 private:
  int fd_;
};

// --- check ---------------------------------------------------------------------------------------

/// What is wrong with the sector; empty if nothing is.
std::string CheckSector(const Sector& sector, uint64_t key, uint64_t index,
                        const Versions& versions) {
  const Sector right = MakeSector(key, index, sector[2]);
  const bool known = sector[2] >= versions.oldest && sector[2] <= versions.newest;
  if (known && sector == right) return {};
  std::ostringstream found;
  found << "sector " << index << " begins with " << std::hex << sector[0] << " " << sector[1] << " "
        << sector[2] << ", expected " << key << " " << index << " " << versions.oldest << ".."
        << versions.newest << "; a whole sector up to byte " << std::dec
        << (std::ranges::mismatch(sector, right).in1 - sector.begin()) * sizeof(uint64_t);
  return found.str();
}

/// What is wrong with the file; empty if nothing is.
std::string CheckFile(const std::string& path, const std::string& name, const Versions& versions) {
  const Descriptor file(path, O_RDONLY);
  if (!file.is_open()) return std::strerror(errno);
  const uint64_t key = NameKey(name);
  std::vector<Sector> sectors(versions.sectors + 1);
  const ssize_t bytes = ::read(file.get(), sectors.data(), sectors.size() * kSectorBytes);
  if (bytes != static_cast<ssize_t>(versions.sectors * kSectorBytes)) {
    return "read gives " + std::to_string(bytes) + " bytes";
  }
  for (uint64_t index = 0; index < versions.sectors; ++index) {
    std::string error = CheckSector(sectors[index], key, index, versions);
    if (!error.empty()) return error;
  }
  return {};
}

std::vector<std::string> NamesIn(const std::string& folder) {
  std::vector<std::string> names;
  DIR* const entries = ::opendir(folder.c_str());
  if (entries == nullptr) Fail("opendir " + folder);
  while (const dirent* entry = ::readdir(entries)) {
    if (entry->d_type == DT_REG) names.emplace_back(entry->d_name);
  }
  ::closedir(entries);
  return names;
}

int Check(const std::string& folder, const List& list) {
  size_t broken = 0;
  for (const auto& [name, versions] : list.files) {
    const std::string error = CheckFile(folder + "/" + name, name, versions);
    if (error.empty()) continue;
    Report("BROKEN " + name + ": " + error);
    ++broken;
  }
  for (const std::string& name : list.gone) {
    if (::access((folder + "/" + name).c_str(), F_OK) != 0) continue;
    Report("BROKEN " + name + ": there again");
    ++broken;
  }
  size_t leavings = 0;
  for (const std::string& name : NamesIn(folder)) {
    if (list.files.contains(name)) continue;
    if (::unlink((folder + "/" + name).c_str()) != 0) Fail("unlink " + name);
    ++leavings;
  }
  Report("CHECKED " + std::to_string(list.files.size()) + " " + std::to_string(list.gone.size()) +
         " " + std::to_string(leavings));
  return broken == 0 ? 0 : 1;
}

// --- fill ----------------------------------------------------------------------------------------

/// One of several that write at once; no two touch the same file.
class Worker {
 public:
  Worker(std::string folder, Files files, uint64_t seed, size_t number)
      : folder_(std::move(folder)),
        prefix_("s" + std::to_string(seed) + "w" + std::to_string(number) + "f"),
        files_(std::move(files)),
        random_(seed * kWorkers + number) {}

  [[noreturn]] void Run() {
    for (;;) {
      for (uint64_t changes = 1 + Below(kMostUnsynced); changes > 0; --changes) Change();
      SyncPending();
    }
  }

 private:
  uint64_t Below(uint64_t end) { return random_() % end; }

  void Change() {
    const uint64_t choice = Below(10);
    if (IsNearlyFull() || choice == 9) {
      Remove();
    } else if (files_.empty() || choice < 5) {
      Create();
    } else {
      Rewrite();
    }
  }

  bool IsNearlyFull() const {
    struct statvfs space = {};
    if (::statvfs(folder_.c_str(), &space) != 0) Fail("statvfs");
    return space.f_bavail < space.f_blocks / 4;
  }

  Files::iterator AnyFile() {
    return std::next(files_.begin(), static_cast<ptrdiff_t>(Below(files_.size())));
  }

  /// Small files and large ones: sizes are even over their logarithms.
  uint64_t AnySectors() {
    const uint64_t limit = uint64_t{1} << Below(std::bit_width(kMaxFileSectors));
    return 1 + Below(limit);
  }

  std::string PathOf(const std::string& name) const { return folder_ + "/" + name; }

  static void SyncPath(const std::string& path) {
    const Descriptor file(path, O_RDONLY);
    if (::fsync(file.get()) != 0) Fail("fsync " + path);
  }

  /// Leaves it to the disk when the bytes become durable.
  void WriteVersion(const std::string& name, uint64_t sectors, uint64_t version) {
    const Descriptor file(PathOf(name), O_WRONLY | O_CREAT);
    if (!file.is_open()) Fail("open " + name);
    const uint64_t key = NameKey(name);
    std::vector<Sector> piece;
    for (uint64_t first = 0; first < sectors; first += kPieceSectors) {
      piece.clear();
      for (uint64_t i = first; i < std::min(first + kPieceSectors, sectors); ++i) {
        piece.push_back(MakeSector(key, i, version));
      }
      const size_t bytes = piece.size() * kSectorBytes;
      if (::write(file.get(), piece.data(), bytes) != static_cast<ssize_t>(bytes)) {
        Fail("write " + name);
      }
      // Otherwise the kernel would keep them until just before the flush, and no kill would find
      // many writes that the disk has and that no flush has covered.
      ::sync_file_range(file.get(), 0, 0, SYNC_FILE_RANGE_WRITE);
    }
  }

  void Create() {
    const std::string name = prefix_ + std::to_string(created_++);
    const Versions versions = {.sectors = AnySectors(), .oldest = 1, .newest = 1};
    WriteVersion(name, versions.sectors, versions.newest);
    pending_[name] = versions;
  }

  /// Not twice before a sync: a page that changes while it is being written may reach the disk torn
  /// anywhere, on any disk.
  void Rewrite() {
    auto& [name, versions] = *AnyFile();
    if (pending_.contains(name)) return;
    ++versions.newest;
    ReportFile("BEGIN", name, versions.sectors, versions.newest);
    WriteVersion(name, versions.sectors, versions.newest);
    pending_[name] = versions;
  }

  void Remove() {
    if (files_.empty()) return;
    const auto [name, versions] = *AnyFile();
    Report("UNLINK " + name);
    if (::unlink(PathOf(name).c_str()) != 0) Fail("unlink " + name);
    files_.erase(name);
    pending_.erase(name);
    SyncPath(folder_);
    Report("REMOVED " + name);
  }

  /// All at once, or one by one.
  void SyncPending() {
    if (Below(4) == 0) {
      const Descriptor folder(folder_, O_RDONLY);
      if (::syncfs(folder.get()) != 0) Fail("syncfs");
    } else {
      for (const auto& [name, versions] : pending_) SyncPath(PathOf(name));
      SyncPath(folder_);
    }
    for (const auto& [name, versions] : pending_) {
      ReportFile("SYNCED", name, versions.sectors, versions.newest);
      files_[name] = versions;
    }
    pending_.clear();
  }

  const std::string folder_;
  const std::string prefix_;
  Files files_;    // synced at least once
  Files pending_;  // created or rewritten since the last sync
  std::mt19937_64 random_;
  uint64_t created_ = 0;
};

[[noreturn]] void Fill(const std::string& folder, const List& list, uint64_t seed) {
  std::array<Files, kWorkers> shares;
  size_t next = 0;
  for (const auto& [name, versions] : list.files) shares[next++ % kWorkers][name] = versions;
  Report("FILLING");
  std::vector<std::thread> workers;
  for (size_t number = 0; number < kWorkers; ++number) {
    workers.emplace_back(
        [&folder, &shares, seed, number] { Worker(folder, shares[number], seed, number).Run(); });
  }
  for (std::thread& worker : workers) worker.join();
  std::abort();  // Workers never end.
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() == 3 && arguments[0] == "check") {
    return Check(arguments[1], ReadList(arguments[2]));
  }
  if (arguments.size() == 4 && arguments[0] == "fill") {
    Fill(arguments[1], ReadList(arguments[2]), std::stoull(arguments[3]));
  }
  std::fputs("usage: guest_files check FOLDER LIST | fill FOLDER LIST SEED\n", stderr);
  return 64;
}
