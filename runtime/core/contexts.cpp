#include "contexts.hpp"

#include <cstring>

#include "value_form.hpp"

namespace pyqemu {

bool DecodeContext::operator==(const DecodeContext &other) const {
  return memcmp(values, other.values, sizeof values) == 0 && features == other.features;
}

const DecodeContext *Contexts::find(DecodeContext wanted) {
  for (uint32_t id = 0; id < contexts_.size(); id++)
    if (contexts_[id] == wanted) return &contexts_[id];
  if (contexts_.room() == 0) return nullptr;
  wanted.id = contexts_.size();
  wanted.stays = values_after(wanted, nullptr, 0) == wanted;
  return &contexts_[contexts_.push(wanted)];
}

const DecodeContext *Contexts::after(const DecodeContext &context, const uint32_t next[4], uint64_t word) {
  return find(values_after(context, next, word));
}

DecodeContext Contexts::values_after(const DecodeContext &context, const uint32_t next[4],
                                     uint64_t word) const {
  DecodeContext result = context;
  for (uint32_t k = 0; k < 4; k++) {
    const uint32_t said = next == nullptr ? kNone : next[k];
    const uint32_t form = said != kNone ? said : tables_.header->follows[k];
    if (form == kNone) continue;
    result.values[k] =
        static_cast<uint64_t>(evaluate(tables_, tables_.form[form], {word, 0, context.values}));
  }
  return result;
}

}  // namespace pyqemu
