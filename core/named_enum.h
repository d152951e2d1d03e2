// Enums that files and people write as words. An enum has them by a function beside it,
//
//   constexpr const char* name_of(Stem stem) {
//     switch (stem) {
//       case Stem::kImageNet: return "imagenet";
//       case Stem::kCifar: return "cifar";
//     }
//     return nullptr;
//   }
//
// whose switch has no default, so that the compiler names a value without a word. Values count from 0.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace bantam {

template <class E>
concept NamedEnum = std::is_enum_v<E> && std::is_same_v<std::underlying_type_t<E>, uint8_t> &&
    std::is_same_v<decltype(name_of(E())), const char*> && (name_of(E(255)) == nullptr);

template <NamedEnum E>
std::vector<E> all_values() {
  std::vector<E> all;
  for (int i = 0; name_of(E(i)); ++i) all.push_back(E(i));
  return all;
}

template <NamedEnum E>
std::vector<std::string> all_names() {
  std::vector<std::string> names;
  for (E e : all_values<E>()) names.push_back(name_of(e));
  return names;
}

// Nothing, if no value has this name.
template <NamedEnum E>
std::optional<E> from_name(std::string_view name) {
  for (E e : all_values<E>())
    if (name == name_of(e)) return e;
  return {};
}

}  // namespace bantam
