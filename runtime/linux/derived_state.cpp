#include "derived_state.hpp"

#include <iterator>
#include <string>

#include "hosts/host.hpp"
#include "log.hpp"

namespace pyqemu::user {
namespace {

// What follows from the bits of a register from `shift` on: one of `count` values, a power of two.
struct Rule {
  RegRef reg = {};
  unsigned shift = 0;
  size_t count = 0;  // 0: there is no such rule
  uint8_t values[16] = {};

  uint64_t value(const CpuHeader *cpu) const { return values[get_reg(cpu, reg) >> shift & (count - 1)]; }
};

struct Rules {
  Rule fp_mode, context[std::size(CpuHeader{}.context)];
  bool good = true;
};

// "REGISTER SHIFT VALUE…"
bool parse_rule(const Abi &abi, std::string_view name, Rule *rule) {
  const char *at = abi.text("derived." + std::string(name), nullptr);
  if (!at) return true;
  const char *end = strchrnul(at, ' ');
  if (!abi.reg(std::string_view(at, static_cast<size_t>(end - at)), &rule->reg) || !*end) return false;
  at = end + 1;
  rule->shift = static_cast<unsigned>(parse_number(at));
  while (*at++ == ' ' && rule->count < std::size(rule->values))
    rule->values[rule->count++] = static_cast<uint8_t>(parse_number(at));
  return rule->count && (rule->count & (rule->count - 1)) == 0 && !at[-1];
}

Rules parse_rules(const Abi &abi) {
  Rules rules;
  rules.good = parse_rule(abi, "fp_mode", &rules.fp_mode);
  const PackHeader &header = abi.pack->header();
  for (uint32_t i = 0; i < header.context_count && i < std::size(rules.context); i++)
    rules.good &= parse_rule(abi, abi.pack->string(header.context_name[i]), &rules.context[i]);
  return rules;
}

}  // namespace

void derive_state(const Abi &abi, CpuHeader *cpu) {
  static const Rules rules = parse_rules(abi);
  if (!rules.good) {
    complain("internal error: the pack's table has a bad rule below `derived`");
    exit_now(kExitInternal);
  }
  if (rules.fp_mode.count) {
    cpu->fp_mode = static_cast<uint32_t>(rules.fp_mode.value(cpu));
    cpu->host_fp = host::with_fp_mode(cpu->host_fp, cpu->fp_mode);
  }
  for (size_t i = 0; i < std::size(rules.context); i++)
    if (rules.context[i].count) cpu->context[i] = rules.context[i].value(cpu);
}

}  // namespace pyqemu::user
