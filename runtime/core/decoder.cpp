// Decoding. This is on the path of every instruction that is translated, so the choice of a stencil is remembered by the bits that decide.
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
  return field.is_signed ? low_bits_signed(static_cast<int64_t>(value), field.width) : static_cast<int64_t>(value);
}

}  // namespace

const char *Decoder::prepare() {
  if (!choices_.reserve(kChoices) || !values_[0].reserve(kMaxValues) || !values_[1].reserve(kMaxValues))
    return "no memory for the decoder";
  undefined_ = preparer_.stencil(tables_.header->undefined, nullptr);
  return preparer_.damage();
}

const int64_t *Decoder::run(std::span<const ProgOp> ops, const EncodingInfo *encoding, uint64_t word, uint64_t here,
                            const DecodeContext &context, int which) {
  int64_t *values = values_[which].data();
  uint32_t count = 0;
  if (encoding != nullptr)
    for (const FieldRec &field : encoding->fields) values[count++] = extract(field, tables_.slice.data(), word);
  values[count++] = static_cast<int64_t>(here);
  for (uint32_t i = 0; i < tables_.header->context_count; i++) values[count++] = static_cast<int64_t>(context.values[i]);
  run_program(ops, values, count, tables_.table);
  return values;
}

Prepared *Decoder::decode(uint64_t word, uint32_t unit, uint64_t here, const DecodeContext &context) {
  const EncodingInfo *encoding = find_encoding(word, unit, here, context);
  return encoding != nullptr ? choose(*encoding, word, here, context) : nullptr;
}

const EncodingInfo *Decoder::find_encoding(uint64_t word, uint32_t unit, uint64_t here, const DecodeContext &context) {
  uint32_t entry = tables_.header->root[unit] | kNodeBit;
  for (uint32_t depth = 0; entry != kNone && (entry & kNodeBit) != 0; depth++) {
    uint32_t index = entry & ~kNodeBit;
    if (index >= tables_.node.size() || depth == kMaxDepth) {
      preparer_.set_damage("the pack's decode tree is damaged");
      return nullptr;
    }
    const DecodeNode &node = tables_.node[index];
    uint64_t child = node.first_child + ((word >> (node.shift & 63)) & ((uint64_t{1} << (node.bits & 63)) - 1));
    if (child >= tables_.child.size()) {
      preparer_.set_damage("the pack's decode tree is damaged");
      return nullptr;
    }
    entry = tables_.child[child];
  }
  if (entry == kNone) return nullptr;
  for (uint32_t at = entry; at < tables_.cand.size(); at++) {
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

Prepared *Decoder::choose(const EncodingInfo &encoding, uint64_t word, uint64_t here, const DecodeContext &context) {
  if (encoding.shape_reads_here) return walk_shapes(encoding, word, here, context);
  const uint64_t bits = word & encoding.shape_mask;
  const uint32_t context_id = encoding.shape_reads_context ? context.id : 0;
  const auto number = static_cast<uint64_t>(encoding.record - tables_.enc.data());
  const uint64_t hash = (bits + number * 0x9e3779b97f4a7c15u + context_id * uint64_t{0x51ed27}) * 0xff51afd7ed558ccdu;
  Choice &choice = choices_[hash >> 52];
  static_assert(kChoices == 1u << 12);
  if (choice.encoding == &encoding && choice.bits == bits && choice.context == context_id) return choice.stencil;
  Prepared *stencil = walk_shapes(encoding, word, here, context);
  if (stencil != nullptr) choice = {bits, &encoding, context_id, stencil};
  return stencil;
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
