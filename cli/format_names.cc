#include "cli/format_names.h"

#include <algorithm>

#include "bytes/formatting.h"
#include "cli/printable.h"

namespace vhdx::cli {
namespace {

struct NamedFormat {
  std::string_view word;  ///< of -O, and at the end of names
  std::string_view format;
  std::string_view qemu_name;  ///< of one that is not written here; empty if QEMU has none
};
constexpr NamedFormat kFormats[] = {
    {"vhdx", kVhdx, ""},         {"avhdx", kVhdx, ""},     {"raw", kRaw, ""},
    {"img", kRaw, ""},           {"iso", kRaw, ""},        {"vhd", "vhd", "vpc"},
    {"vpc", "vhd", "vpc"},       {"vhds", "vhds", ""},     {"qcow", "qcow", "qcow"},
    {"qcow2", "qcow2", "qcow2"}, {"vmdk", "vmdk", "vmdk"}, {"vdi", "vdi", "vdi"},
    {"qed", "qed", "qed"},
};

const NamedFormat* Find(std::string_view word) {
  std::string lower(word);
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  const auto* const found = std::ranges::find(kFormats, lower, &NamedFormat::word);
  return found == std::end(kFormats) ? nullptr : found;
}

std::string_view QemuNameOf(std::string_view format) {
  const NamedFormat* const found = Find(format);
  return found == nullptr ? "" : found->qemu_name;
}

std::string_view Extension(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  const size_t dot = name.rfind('.');
  return dot == std::string_view::npos ? "" : name.substr(dot + 1);
}

}  // namespace

std::string_view FormatByName(std::string_view path) {
  const NamedFormat* const found = Find(Extension(path));
  return found == nullptr ? "" : found->format;
}

bool IsWritable(std::string_view format) {
  return format.empty() || format == kRaw || format == kVhdx;
}

Result<void> CheckNewName(const std::string& path, std::string_view ending,
                          std::string_view advice) {
  const std::string_view named = FormatByName(path);
  if (IsWritable(named)) return {};
  return Fail(ErrorCode::kInvalidArgument,
              Format("a new image is a VHDX, and this name says {}; choose one that ends in {}{}{}",
                     named, ending, advice.empty() ? "" : ", or ", advice),
              path);
}

void WarnOfName(const Invocation& invocation, const std::string& path, std::string_view format) {
  const std::string_view named = FormatByName(path);
  if (named.empty() || named == format) return;
  invocation.messages.Warn(
      path,
      Format("this is a {}, although its name ends in .{}; some programs, such as Hyper-V, go "
             "by the name",
             format == kRaw ? "raw disk" : "VHDX", Printable(Extension(path))));
}

std::string AdviseOnSource(std::string_view format) {
  const std::string_view name = QemuNameOf(format);
  if (name.empty()) return {};
  return Format("convert it first: `qemu-img convert -f {} -O raw FILE disk.raw`", name);
}

std::string AdviseOnTarget(std::string_view format, const std::string& path) {
  const std::string_view name = QemuNameOf(format);
  if (name.empty()) return {};
  return Format("write a raw disk, then `qemu-img convert -f raw -O {} disk.raw {}`", name,
                QuoteForShell(path));
}

std::string AdviseOnNewDisk(std::string_view format, const std::string& path) {
  const std::string_view name = QemuNameOf(format);
  if (name.empty()) return {};
  return Format("use `qemu-img create -f {} {} SIZE`", name, QuoteForShell(path));
}

}  // namespace vhdx::cli
