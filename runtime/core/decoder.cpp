// Decoding. This is on the path of every instruction that is translated, so the choice of a stencil is
// remembered by the bits that decide.
#include "decoder.hpp"

#include "byte_code.hpp"

namespace pyqemu {
namespace {

constexpr uint32_t kMaxDepth = 64;  // of decode and shape trees: a deeper one is damaged
constexpr size_t kMaxValues = 65536 + 8;

int64_t extract(const FieldRec &field, const SliceRec *slices, uint64_t word) {
  uint64_t value = 0;
  for (uint32_t i = 0; i < field.slice_count; i++) {
    const SliceRec &slice = slices[field.first_slice + i];
    uint64_t mask = slice.width >= 64 ? ~uint64_t{0} : (uint64_t{1} << slice.width) - 1;
    value |= ((word >> slice.from) & mask) << slice.to;
  }
  return field.is_signed ? low_bits_signed(static_cast<int64_t>(value), field.width)
                         : static_cast<int64_t>(value);
}

}  // namespace

const char *Decoder::prepare() {
  if (!choices_.reserve(size_t{1} << kChoiceBits) || !leaves_.reserve(tables_.cand.size() + 1) ||
      !values_[0].reserve(kMaxValues) || !values_[1].reserve(kMaxValues))
    return "no memory for the decoder";
  choices_.touch(choices_.capacity());  // soon used all over
  undefined_ = preparer_.stencil(tables_.header->undefined, nullptr);
  return preparer_.damage();
}

const int64_t *Decoder::run(std::span<const ProgOp> ops, const EncodingInfo *encoding, uint64_t word,
                            uint64_t here, const DecodeContext &context, int which) {
  int64_t *values = values_[which].data();
  uint32_t count = 0;
  if (encoding != nullptr)
    for (const FieldRec &field : encoding->fields)
      values[count++] = extract(field, tables_.slice.data(), word);
  values[count++] = static_cast<int64_t>(here);
  for (uint32_t i = 0; i < tables_.header->context_count; i++)
    values[count++] = static_cast<int64_t>(context.values[i]);
  run_program(ops, values, count, tables_.table);
  return values;
}

Prepared *Decoder::decode(uint64_t word, uint32_t unit, uint64_t here, const DecodeContext &context) {
  const uint32_t leaf = find_leaf(word, unit);
  if (leaf == kNone) return nullptr;
  const Inputs &inputs = leaf_info(leaf).inputs;
  const uint64_t bits = word & inputs.word;
  const uint64_t hash =
      (bits + leaf * 0x9e3779b97f4a7c15u + context.id * uint64_t{0x51ed27}) * 0xff51afd7ed558ccdu;
  Choice &choice = choices_[hash >> (64 - kChoiceBits)];
  if (choice.leaf == leaf + 1 && choice.bits == bits && choice.context == context.id) return choice.stencil;
  const EncodingInfo *encoding = find_encoding(leaf, word, here, context);
  Prepared *stencil = encoding != nullptr ? walk_shapes(*encoding, word, here, context) : nullptr;
  if (!inputs.here && preparer_.damage() == nullptr) choice = {bits, leaf + 1, context.id, stencil};
  return stencil;
}

// The first candidate's number, or kNone.
uint32_t Decoder::find_leaf(uint64_t word, uint32_t unit) {
  uint32_t entry = tables_.header->root[unit] | kNodeBit;
  for (uint32_t depth = 0; entry != kNone && (entry & kNodeBit) != 0; depth++) {
    const uint32_t index = entry & ~kNodeBit;
    if (index >= tables_.node.size() || depth == kMaxDepth) {
      preparer_.set_damage("the pack's decode tree is damaged");
      return kNone;
    }
    const DecodeNode &node = tables_.node[index];
    const uint64_t child =
        node.first_child + ((word >> (node.shift & 63)) & ((uint64_t{1} << (node.bits & 63)) - 1));
    if (child >= tables_.child.size()) {
      preparer_.set_damage("the pack's decode tree is damaged");
      return kNone;
    }
    entry = tables_.child[child];
  }
  if (entry < tables_.cand.size()) return entry;
  if (entry != kNone) preparer_.set_damage("the pack's decode tree is damaged");
  return kNone;
}

const Decoder::Leaf &Decoder::leaf_info(uint32_t number) {
  Leaf &leaf = leaves_[number];
  if (leaf.known) return leaf;
  leaf.known = true;
  for (uint32_t at = number; at < tables_.cand.size(); at++) {
    const Candidate &candidate = tables_.cand[at];
    leaf.inputs.word |= candidate.mask;
    const EncodingInfo *encoding = preparer_.encoding(candidate.encoding);
    if (encoding == nullptr) break;
    leaf.inputs.word |= encoding->shape.word;
    leaf.inputs.here |= encoding->shape.here;
    if (candidate.guard != kNone)
      preparer_.add_inputs(preparer_.guard(candidate.guard, *encoding), *encoding, &leaf.inputs);
    if (candidate.last != 0) break;
  }
  return leaf;
}

const EncodingInfo *Decoder::find_encoding(uint32_t leaf, uint64_t word, uint64_t here,
                                           const DecodeContext &context) {
  for (uint32_t at = leaf; at < tables_.cand.size(); at++) {
    const Candidate &candidate = tables_.cand[at];
    if ((word & candidate.mask) == candidate.value) {
      const EncodingInfo *encoding = preparer_.encoding(candidate.encoding);
      if (encoding == nullptr) return nullptr;
      if (matches(candidate, *encoding, word, here, context)) return encoding;
    }
    if (candidate.last != 0) return nullptr;
  }
  preparer_.set_damage("the pack's decode tree is damaged");
  return nullptr;
}

bool Decoder::matches(const Candidate &candidate, const EncodingInfo &encoding, uint64_t word, uint64_t here,
                      const DecodeContext &context) {
  if ((encoding.features & ~context.features) != 0) return false;
  if (candidate.guard == kNone) return true;
  std::span<const ProgOp> ops = preparer_.guard(candidate.guard, encoding);
  if (ops.empty()) return false;
  const int64_t *values = run(ops, &encoding, word, here, context, 0);
  return values[preparer_.inputs(&encoding) + ops.size() - 1] != 0;
}

Prepared *Decoder::walk_shapes(const EncodingInfo &encoding, uint64_t word, uint64_t here,
                               const DecodeContext &context) {
  uint32_t entry = encoding.record->shape_root;
  for (uint32_t depth = 0; entry != kNone && (entry & kNodeBit) != 0; depth++) {
    uint32_t index = entry & ~kNodeBit;
    if (index >= tables_.shape.size() || depth == kMaxDepth) {
      preparer_.set_damage("a shape tree of the pack is damaged");
      return nullptr;
    }
    const ShapeNode &node = tables_.shape[index];
    std::span<const ProgOp> ops = preparer_.guard(node.program, encoding);
    if (ops.empty()) return nullptr;
    const int64_t *values = run(ops, &encoding, word, here, context, 0);
    uint64_t child = static_cast<uint64_t>(values[preparer_.inputs(&encoding) + ops.size() - 1]) -
                     static_cast<uint64_t>(int64_t{node.low});
    if (child >= node.count) return undefined_;
    if (node.first_child + child >= tables_.child.size()) {
      preparer_.set_damage("a shape tree of the pack is damaged");
      return nullptr;
    }
    entry = tables_.child[node.first_child + child];
  }
  return entry == kNone ? undefined_ : preparer_.stencil(entry, &encoding);
}

}  // namespace pyqemu
