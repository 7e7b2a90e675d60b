// The text in which LVM stores its metadata: sections of settings, as in its configuration files.
//
//   vg0 {
//       extent_size = 8192          # a number
//       status = ["READ", "WRITE"]  # a list
//       logical_volumes { ... }     # a section
//   }

#ifndef VHDXKIT_TOOLS_FREE_SPACE_LVM_TEXT_H_
#define VHDXKIT_TOOLS_FREE_SPACE_LVM_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace vhdx::free_space {

/// Numbers that are negative or not whole are std::monostate: nothing that is read has any.
using LvmValue = std::variant<std::monostate, uint64_t, std::string>;

struct LvmSetting {
  std::string name;
  std::vector<LvmValue> values;  ///< those of a list, or one
};

struct LvmSection {
  std::string name;
  std::vector<LvmSetting> settings;
  std::vector<LvmSection> sections;

  const LvmSection* Section(std::string_view wanted) const;
  /// The values of a setting; none if there is no such setting.
  std::span<const LvmValue> Values(std::string_view wanted) const;
  std::optional<uint64_t> Number(std::string_view wanted) const;
  /// Empty if there is no such text.
  std::string_view Text(std::string_view wanted) const;
  bool Lists(std::string_view wanted, std::string_view text) const;
};

/// More sections and values than that are in no metadata; what has more is not read.
inline constexpr size_t kMaxLvmTextParts = size_t{1} << 20;

/// The text as a section without a name. Nothing if it is not such a text, or if two parts of a
/// section have one name.
std::optional<LvmSection> ParseLvmText(std::string_view text);

}  // namespace vhdx::free_space

#endif  // VHDXKIT_TOOLS_FREE_SPACE_LVM_TEXT_H_
