#include "features.hpp"

#include <string>

namespace pyqemu::user {

uint64_t feature_bits(const Guest &guest, const char *prefix) {
  uint64_t bits = guest.abi.value(std::string(prefix) + ".base");
  for (const char *feature : guest.features) bits |= guest.abi.value(std::string(prefix) + "." + feature);
  return bits;
}

const char *feature_text(const Guest &guest, const char *prefix) {
  const char *text = guest.abi.text(prefix, guest.abi.text(std::string(prefix) + ".base"));
  for (const char *feature : guest.features) text = guest.abi.text(std::string(prefix) + "." + feature, text);
  return text;
}

}  // namespace pyqemu::user
