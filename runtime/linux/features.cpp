#include "features.hpp"

#include <string>

namespace pyqemu::user {

uint64_t feature_bits(const Guest &guest, const char *prefix) {
  uint64_t bits = guest.abi.value(std::string(prefix) + ".base");
  for (const char *feature : guest.features) bits |= guest.abi.value(std::string(prefix) + "." + feature);
  return bits;
}

}  // namespace pyqemu::user
