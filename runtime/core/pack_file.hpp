// The tables of a mapped pack, for the decoder and the translator. Section bounds are checked when the pack
// is opened; what lies inside the tables is checked by whoever uses a record first (a pack has many more
// records than a run uses).
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
  std::span<const RelocRec> reloc;
  std::span<const FuseRec> fuse;
  std::span<const int64_t> table;
  std::span<const RegRec> reg;
  std::span<const ExcRec> exc;
  std::span<const FeatureRec> feature;
  std::span<const CpuRec> cpu;
  std::span<const ResetRec> reset;
  std::span<const KvRec> kv;

  // The string at `offset`, or "" if there is none.
  const char *string(uint32_t offset) const { return offset < str.size() ? str.data() + offset : ""; }
};

class PackFile final : public Pack {
 public:
  PackFile(std::span<const uint8_t> bytes, bool mapped) : bytes_(bytes), mapped_(mapped) {}
  ~PackFile() override;

  // Finds and checks the sections; null, or what is wrong.
  const char *load();

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
