// replay: runs a target over files instead of searching, with any compiler and sanitizer.
//
//   foo_fuzz [--mutations=N] PATH...
//
// Runs the target on each file, and on each file of each folder, and on N mutations of every one
// (the same each time; VHDXKIT_SCALE divides their number). They come from the target's own
// mutator, if it has one.

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "testing/scale.h"

extern "C" {
int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);
// A target may have these.
__attribute__((weak)) int LLVMFuzzerInitialize(int* argc, char*** argv);
__attribute__((weak)) size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                                     unsigned seed);
}

namespace {

constexpr size_t kMaxMutatedSize = 65536;

using Bytes = std::vector<uint8_t>;

std::minstd_rand& Random() {
  static std::minstd_rand random(1);
  return random;
}

Bytes ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file) throw std::filesystem::filesystem_error("cannot read", path, {});
  return {text.begin(), text.end()};
}

// A copy of exactly this size, so that a sanitizer sees a step past its end.
void Run(Bytes bytes) {
  bytes.shrink_to_fit();
  (void)LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

Bytes Mutated(Bytes bytes) {
  const size_t size = bytes.size();
  bytes.resize(std::max(size, kMaxMutatedSize));
  const size_t new_size = LLVMFuzzerCustomMutator == nullptr
                              ? LLVMFuzzerMutate(bytes.data(), size, bytes.size())
                              : LLVMFuzzerCustomMutator(bytes.data(), size, bytes.size(),
                                                        static_cast<unsigned>(Random()()));
  bytes.resize(new_size);
  return bytes;
}

void RunFile(const std::filesystem::path& path, size_t mutations) {
  const Bytes bytes = ReadFile(path);
  Run(bytes);
  Random().seed(1);
  for (size_t i = 0; i < mutations; ++i) Run(Mutated(bytes));
}

std::vector<std::filesystem::path> FilesAt(const std::filesystem::path& path) {
  std::vector<std::filesystem::path> files;
  if (!std::filesystem::is_directory(path)) return {path};
  for (const auto& entry : std::filesystem::directory_iterator(path)) files.push_back(entry.path());
  std::ranges::sort(files);
  return files;
}

int RunAll(const std::vector<std::string_view>& arguments) {
  size_t mutations = 0;
  size_t runs = 0;
  for (const std::string_view argument : arguments) {
    constexpr std::string_view kOption = "--mutations=";
    if (argument.starts_with(kOption)) {
      const std::string_view number = argument.substr(kOption.size());
      std::from_chars(number.data(), number.data() + number.size(), mutations);
      if (mutations != 0) mutations = vhdx::testing::Scaled(mutations);
      continue;
    }
    for (const auto& file : FilesAt(argument)) {
      RunFile(file, mutations);
      ++runs;
    }
  }
  std::printf("%zu inputs, %zu mutations of each\n", runs, mutations);
  return runs == 0 ? 1 : 0;
}

}  // namespace

// Changes, adds or drops a few bytes.
extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size) {
  auto& random = Random();
  for (size_t changes = 1 + random() % 4; changes > 0; --changes) {
    const size_t kind = random() % 4;
    if (kind == 0 && size < max_size) {
      data[size++] = static_cast<uint8_t>(random());
    } else if (kind == 1 && size > 1) {
      --size;
    } else if (size > 0) {
      data[random() % size] = static_cast<uint8_t>(random());
    }
  }
  return size;
}

int main(int argc, char** argv) {
  if (LLVMFuzzerInitialize != nullptr) LLVMFuzzerInitialize(&argc, &argv);
  try {
    return RunAll({argv + 1, argv + argc});
  } catch (const std::filesystem::filesystem_error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}
