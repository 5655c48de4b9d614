// Decoding. This is on the path of every instruction that is translated, so the choice of a stencil is
// remembered by the bits that decide.
#include "decoder.hpp"

#include "value_form.hpp"

namespace pyqemu {

const char *Decoder::prepare() {
  if (!choices_.reserve(size_t{1} << kChoiceBits)) return "no memory for the decoder";
  choices_.touch(choices_.capacity());  // soon used all over
  for (uint32_t unit = 0; unit < roots_.size(); unit++) {
    if (tables_.header->root[unit] == kNone) continue;
    const DecodeNode &node = tables_.node[tables_.header->root[unit]];
    roots_[unit] = {&tables_.child[node.first_child], (uint64_t{1} << node.bits) - 1, node.shift};
  }
  return nullptr;
}

// Not made before, as far as is known.
const StencilRec *Decoder::choose(Choice *choice, uint32_t leaf, uint64_t word, uint64_t here,
                                  const DecodeContext &context) {
  const Candidate &first = tables_.cand[leaf];
  const EncodingRec *encoding = find_encoding(leaf, word, here, context);
  const uint32_t stencil = encoding != nullptr ? walk(encoding->shape_root, word, here, context) : kNone;
  if (first.here == 0) *choice = {word & first.inputs, (leaf + 1) << kContextBits | context.id, stencil};
  return at(stencil);
}

const EncodingRec *Decoder::encoding(uint64_t word, uint32_t unit, uint64_t here,
                                     const DecodeContext &context) {
  const uint32_t leaf = find_leaf(word, unit);
  return leaf == kNone ? nullptr : find_encoding(leaf, word, here, context);
}

const EncodingRec *Decoder::find_encoding(uint32_t leaf, uint64_t word, uint64_t here,
                                          const DecodeContext &context) {
  for (uint32_t number = leaf;; number++) {
    const Candidate &candidate = tables_.cand[number];
    const EncodingRec &encoding = tables_.enc[candidate.encoding];
    if ((word & candidate.mask) == candidate.value && (encoding.features & ~context.features) == 0 &&
        (candidate.guard == kNone || value(candidate.guard, word, here, context) != 0))
      return &encoding;
    if (candidate.last != 0) return nullptr;
  }
}

const StencilRec *Decoder::guard(uint64_t word, uint32_t unit, uint64_t here, const DecodeContext &context) {
  const EncodingRec *encoding = this->encoding(word, unit, here, context);
  return encoding == nullptr ? nullptr : at(walk(encoding->guard_root, word, here, context));
}

uint32_t Decoder::walk(uint32_t entry, uint64_t word, uint64_t here, const DecodeContext &context) const {
  while ((entry & kNodeBit) != 0 && entry != kNone) {
    const ShapeNode &node = tables_.shape[entry & ~kNodeBit];
    const auto child = static_cast<uint64_t>(value(node.form, word, here, context)) -
                       static_cast<uint64_t>(int64_t{node.low});
    entry = child < node.count ? tables_.child[node.first_child + child] : kNone;
  }
  return entry == kNone ? tables_.header->undefined : entry;
}

int64_t Decoder::value(uint32_t form, uint64_t word, uint64_t here, const DecodeContext &context) const {
  return evaluate(tables_, tables_.form[form], {word, here, context.values});
}

}  // namespace pyqemu
