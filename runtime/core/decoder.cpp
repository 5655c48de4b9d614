// Decoding. This is on the path of every instruction that is translated, so the choice of a stencil is
// remembered by the bits that decide.
#include "decoder.hpp"

#include "value_form.hpp"

namespace pyqemu {

const char *Decoder::prepare() {
  if (!choices_.reserve(size_t{1} << kChoiceBits)) return "no memory for the decoder";
  choices_.touch(choices_.capacity());  // soon used all over
  if (tables_.cand.size() > kMaxLeaves) damaged_tree();
  undefined_ = stencils_.get(tables_.header->undefined);
  for (uint32_t unit = 0; unit < roots_.size(); unit++)
    if (tables_.header->root[unit] != kNone && !load_root(unit)) damaged_tree();
  return stencils_.damage();
}

bool Decoder::load_root(uint32_t unit) {
  const DecodeNode &node = tables_.node[tables_.header->root[unit]];
  if (node.shift >= 64 || node.bits >= 32 ||
      !in_table(node.first_child, uint64_t{1} << node.bits, tables_.child.size()))
    return false;
  roots_[unit] = {&tables_.child[node.first_child], (uint64_t{1} << node.bits) - 1, node.shift};
  return true;
}

// Not made before, as far as is known.
const Stencil *Decoder::choose(Choice *choice, uint32_t leaf, uint64_t word, uint64_t here,
                               const DecodeContext &context) {
  const Candidate &first = tables_.cand[leaf];
  const EncodingRec *encoding = find_encoding(leaf, word, here, context);
  const Stencil *stencil = encoding != nullptr ? walk_shapes(*encoding, word, here, context) : nullptr;
  if (first.here == 0 && stencils_.damage() == nullptr)
    *choice = {word & first.inputs, (leaf + 1) << kContextBits | context.id, stencils_.place(stencil)};
  return stencil;
}

const EncodingRec *Decoder::encoding(uint64_t word, uint32_t unit, uint64_t here,
                                     const DecodeContext &context) {
  const uint32_t leaf = find_leaf(word, unit);
  return leaf == kNone ? nullptr : find_encoding(leaf, word, here, context);
}

// Goes on from `entry`, which is no candidate.
uint32_t Decoder::find_deeper(uint32_t entry, uint64_t word) {
  for (uint32_t depth = 0; entry != kNone && (entry & kNodeBit) != 0; depth++) {
    const uint32_t index = entry & ~kNodeBit;
    if (index >= tables_.node.size() || depth == kMaxDepth) return damaged_tree();
    const DecodeNode &node = tables_.node[index];
    const uint64_t child =
        node.first_child + ((word >> (node.shift & 63)) & ((uint64_t{1} << (node.bits & 63)) - 1));
    if (child >= tables_.child.size()) return damaged_tree();
    entry = tables_.child[child];
  }
  return entry < tables_.cand.size() || entry == kNone ? entry : damaged_tree();
}

uint32_t Decoder::damaged_tree() {
  stencils_.set_damage("the pack's decode tree is damaged");
  return kNone;
}

const EncodingRec *Decoder::find_encoding(uint32_t leaf, uint64_t word, uint64_t here,
                                          const DecodeContext &context) {
  for (uint32_t at = leaf; at < tables_.cand.size(); at++) {
    const Candidate &candidate = tables_.cand[at];
    if (candidate.encoding >= tables_.enc.size()) break;
    const EncodingRec &encoding = tables_.enc[candidate.encoding];
    if ((word & candidate.mask) == candidate.value && (encoding.features & ~context.features) == 0) {
      int64_t guard = 1;
      if (candidate.guard != kNone && !value(candidate.guard, word, here, context, &guard)) return nullptr;
      if (guard != 0) return &encoding;
    }
    if (candidate.last != 0) return nullptr;
  }
  stencils_.set_damage("the pack's decode tree is damaged");
  return nullptr;
}

const Stencil *Decoder::walk_shapes(const EncodingRec &encoding, uint64_t word, uint64_t here,
                                    const DecodeContext &context) {
  uint32_t entry = encoding.shape_root;
  for (uint32_t depth = 0; entry != kNone && (entry & kNodeBit) != 0; depth++) {
    uint32_t index = entry & ~kNodeBit;
    if (index >= tables_.shape.size() || depth == kMaxDepth) {
      stencils_.set_damage("a shape tree of the pack is damaged");
      return nullptr;
    }
    const ShapeNode &node = tables_.shape[index];
    int64_t decides = 0;
    if (!value(node.form, word, here, context, &decides)) return nullptr;
    const uint64_t child = static_cast<uint64_t>(decides) - static_cast<uint64_t>(int64_t{node.low});
    if (child >= node.count) return undefined_;
    if (node.first_child + child >= tables_.child.size()) {
      stencils_.set_damage("a shape tree of the pack is damaged");
      return nullptr;
    }
    entry = tables_.child[node.first_child + child];
  }
  return entry == kNone ? undefined_ : stencils_.get(entry);
}

// False if the form is damaged.
bool Decoder::value(uint32_t number, uint64_t word, uint64_t here, const DecodeContext &context,
                    int64_t *value) {
  const FormRec *form = stencils_.form(number);
  if (form == nullptr) {
    stencils_.set_damage("a form of the pack is damaged");
    return false;
  }
  *value = evaluate(tables_, *form, {word, here, context.values});
  return true;
}

}  // namespace pyqemu
