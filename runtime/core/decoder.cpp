// Decoding. This is on the path of every instruction that is translated, so the choice of a stencil is
// remembered by the bits that decide.
#include "decoder.hpp"

#include "value_form.hpp"

namespace pyqemu {
namespace {

constexpr uint32_t kMaxDepth = 64;  // of decode and shape trees: a deeper one is damaged

}  // namespace

const char *Decoder::prepare() {
  if (!choices_.reserve(size_t{1} << kChoiceBits)) return "no memory for the decoder";
  choices_.touch(choices_.capacity());  // soon used all over
  undefined_ = stencils_.get(tables_.header->undefined);
  return stencils_.damage();
}

const StencilRec *Decoder::decode(uint64_t word, uint32_t unit, uint64_t here, const DecodeContext &context) {
  const uint32_t leaf = find_leaf(word, unit);
  if (leaf == kNone) return nullptr;
  const Candidate &first = tables_.cand[leaf];
  const uint64_t bits = word & first.inputs;
  const uint64_t hash =
      (bits + leaf * 0x9e3779b97f4a7c15u + context.id * uint64_t{0x51ed27}) * 0xff51afd7ed558ccdu;
  Choice &choice = choices_[hash >> (64 - kChoiceBits)];
  if (choice.leaf == leaf + 1 && choice.bits == bits && choice.context == context.id) return choice.stencil;
  const EncodingRec *encoding = find_encoding(leaf, word, here, context);
  const StencilRec *stencil = encoding != nullptr ? walk_shapes(*encoding, word, here, context) : nullptr;
  if (first.here == 0 && stencils_.damage() == nullptr) choice = {bits, leaf + 1, context.id, stencil};
  return stencil;
}

const EncodingRec *Decoder::encoding(uint64_t word, uint32_t unit, uint64_t here,
                                     const DecodeContext &context) {
  const uint32_t leaf = find_leaf(word, unit);
  return leaf == kNone ? nullptr : find_encoding(leaf, word, here, context);
}

// The first candidate's number, or kNone.
uint32_t Decoder::find_leaf(uint64_t word, uint32_t unit) {
  uint32_t entry = tables_.header->root[unit] | kNodeBit;
  for (uint32_t depth = 0; entry != kNone && (entry & kNodeBit) != 0; depth++) {
    const uint32_t index = entry & ~kNodeBit;
    if (index >= tables_.node.size() || depth == kMaxDepth) {
      stencils_.set_damage("the pack's decode tree is damaged");
      return kNone;
    }
    const DecodeNode &node = tables_.node[index];
    const uint64_t child =
        node.first_child + ((word >> (node.shift & 63)) & ((uint64_t{1} << (node.bits & 63)) - 1));
    if (child >= tables_.child.size()) {
      stencils_.set_damage("the pack's decode tree is damaged");
      return kNone;
    }
    entry = tables_.child[child];
  }
  if (entry < tables_.cand.size()) return entry;
  if (entry != kNone) stencils_.set_damage("the pack's decode tree is damaged");
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

const StencilRec *Decoder::walk_shapes(const EncodingRec &encoding, uint64_t word, uint64_t here,
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
