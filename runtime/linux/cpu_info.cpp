#include "cpu_info.hpp"

#include <sys/sysinfo.h>

#include <cstdio>
#include <string_view>
#include <vector>

#include "features.hpp"
#include "word_pieces.hpp"

namespace pyqemu::user {
namespace {

// The names of the bits of AT_HWCAP and its kin that the CPU model has, in their order.
std::string feature_names(const Guest &guest) {
  std::string names;
  for (const char *prefix : {"hwcap", "hwcap2"}) {
    uint64_t bits = feature_bits(guest, prefix);
    each_word(guest.abi.text(std::string("cpuinfo.") + prefix), [&](std::string_view name) {
      if (bits & 1) names.append(names.empty() ? "" : " ").append(name);
      bits >>= 1;
    });
  }
  return names;
}

// Bits of a register: `NAME[HIGH:LOW]`, behind a colon in which manner: `d`, `x`, or `3x`, of at least so
// many digits.
std::string register_bits(const Thread &thread, const std::string &tag) {
  const size_t colon = tag.rfind(':');
  std::vector<Piece> pieces;
  if (!parse_pieces(thread.guest->abi, (tag.substr(0, colon) + "@0").c_str(), &pieces)) return "?";
  const bool digits = tag[colon + 1] >= '0' && tag[colon + 1] <= '9';
  char number[32];
  snprintf(number, sizeof number, tag.back() == 'x' ? "%0*lx" : "%0*lu", digits ? tag[colon + 1] - '0' : 1,
           static_cast<unsigned long>(get_pieces(thread.cpu, pieces)));
  return number;
}

std::string put_in(const Thread &thread, const std::string &tag, int cpu) {
  if (tag == "cpu") return std::to_string(cpu);
  if (tag == "features") return feature_names(*thread.guest);
  if (tag.find('[') != std::string::npos) return register_bits(thread, tag);
  const char *own = feature_text(*thread.guest, ("cpuinfo." + tag).c_str());
  return *own ? own : feature_text(*thread.guest, tag.c_str());
}

}  // namespace

std::string cpu_info(const Thread &thread) {
  const std::string_view text = thread.guest->abi.text("cpuinfo.text");
  std::string all;
  for (int cpu = 0; cpu < get_nprocs() && !text.empty(); cpu++) {
    for (size_t at = 0; at < text.size();) {
      const size_t open = text.find('{', at), close = text.find('}', open);
      all.append(text.substr(at, open - at));
      if (close == std::string_view::npos) break;
      all.append(put_in(thread, std::string(text.substr(open + 1, close - open - 1)), cpu));
      at = close + 1;
    }
  }
  return all;
}

}  // namespace pyqemu::user
