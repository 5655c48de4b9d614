// The tables of a mapped pack, for the decoder and the translator.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "pack.hpp"
#include "pack_format.hpp"

namespace pyqemu {

// Whether `count` elements from `first` on are among `size`.
inline bool in_table(uint64_t first, uint64_t count, uint64_t size) {
  return first <= size && count <= size - first;
}

struct PackTables {
  const PackHeader *header = nullptr;
  std::span<const uint8_t> text, image;
  std::span<const char> str;
  std::span<const DecodeNode> node;
  std::span<const uint32_t> child;
  std::span<const Candidate> cand;
  std::span<const EncodingRec> enc;
  std::span<const FormRec> form;
  std::span<const TermRec> term;
  std::span<const ProgOp> prog;
  std::span<const ShapeNode> shape;
  std::span<const StencilRec> stencil;
  std::span<const uint32_t> label;  // strings: the stencils' names
  std::span<const HoleRec> hole;
  std::span<const RelocRec> reloc;
  std::span<const FuseRec> fuse;
  std::span<const SyncRec> sync;  // by number of stencil
  std::span<const int64_t> table;
  std::span<const RegRec> reg;
  std::span<const ExcRec> exc;
  std::span<const CpuRec> cpu;
  std::span<const ResetRec> reset;
  std::span<const KvRec> kv;

  // Of a stencil: relocations that are filled with forms; the others.
  std::span<const RelocRec> others(const StencilRec &of) const {
    return {reloc.data() + of.first_reloc, of.other_count};
  }
  std::span<const RelocRec> jumps(const StencilRec &of) const {
    return {reloc.data() + of.first_reloc + of.other_count, of.jump_count};
  }
  // The holes of its groups but the first.
  std::span<const HoleRec> more_holes(const StencilRec &of) const {
    return {hole.data() + of.first_hole, (of.hole_groups - size_t{1}) * kHoleGroup};
  }
  uint32_t number(const StencilRec &of) const { return static_cast<uint32_t>(&of - stencil.data()); }

  // The string at `offset`, or "" if there is none.
  const char *string(uint32_t offset) const { return offset < str.size() ? str.data() + offset : ""; }
};

// The features of a CPU model, as encodings ask for them.
inline uint64_t features_of(const CpuRec &model) {
  return model.feature_mask[0] | uint64_t{model.feature_mask[1]} << 32;
}

class PackFile final : public Pack {
 public:
  PackFile(std::span<const uint8_t> bytes, bool mapped) : bytes_(bytes), mapped_(mapped) {}
  ~PackFile() override;

  // Finds and checks the sections and the header; the records in the tables too, if `records`. Null, or what
  // is wrong.
  const char *load(bool records);

  const PackTables &tables() const { return tables_; }
  const PackHeader &header() const override { return *tables_.header; }
  const char *string(uint32_t offset) const override { return tables_.string(offset); }
  std::optional<RegRef> reg(std::string_view name, uint32_t index) const override;
  std::optional<uint32_t> exception(std::string_view name) const override;
  const char *value(std::string_view key) const override;

 private:
  const char *load_sections();
  const char *check_header() const;

  std::span<const uint8_t> bytes_;
  bool mapped_;
  PackTables tables_;
};

}  // namespace pyqemu
