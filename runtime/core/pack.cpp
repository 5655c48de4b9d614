// Opens packs: maps the ELF file, finds its sections, and looks up registers, exceptions and table values by
// name.
#include "pack.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "elf_sections.hpp"
#include "host_code.hpp"
#include "pack_check.hpp"
#include "pack_file.hpp"

namespace pyqemu {
namespace {

// Copies of stencils are made in whole 64-byte pieces, so this much must be readable after `.text`.
constexpr size_t kTextSlack = 64;

// Puts section `name` where it belongs; false if its size or alignment is wrong. Sections of other names are
// ignored.
bool take_section(PackTables *t, std::string_view name, std::span<const uint8_t> bytes) {
  if (name == ".text") return t->text = bytes, true;
  if (!name.starts_with(".pq.")) return true;
  name.remove_prefix(4);
  if (name == "image") return t->image = bytes, true;
  if (name == "str") return take(&t->str, bytes);
  if (name == "node") return take(&t->node, bytes);
  if (name == "child") return take(&t->child, bytes);
  if (name == "cand") return take(&t->cand, bytes);
  if (name == "enc") return take(&t->enc, bytes);
  if (name == "form") return take(&t->form, bytes);
  if (name == "term") return take(&t->term, bytes);
  if (name == "prog") return take(&t->prog, bytes);
  if (name == "shape") return take(&t->shape, bytes);
  if (name == "stencil") return take(&t->stencil, bytes);
  if (name == "label") return take(&t->label, bytes);
  if (name == "hole") return take(&t->hole, bytes);
  if (name == "reloc") return take(&t->reloc, bytes);
  if (name == "fuse") return take(&t->fuse, bytes);
  if (name == "sync") return take(&t->sync, bytes);
  if (name == "table") return take(&t->table, bytes);
  if (name == "reg") return take(&t->reg, bytes);
  if (name == "exc") return take(&t->exc, bytes);
  if (name == "cpu") return take(&t->cpu, bytes);
  if (name == "reset") return take(&t->reset, bytes);
  if (name == "kv") return take(&t->kv, bytes);
  if (name == "header") {
    std::span<const PackHeader> one;
    if (!take(&one, bytes) || one.size() != 1) return false;
    t->header = one.data();
  }
  return true;
}

std::unique_ptr<Pack> finish(std::unique_ptr<PackFile> pack, bool records, const char **error) {
  const char *problem = pack->load(records);
  if (problem == nullptr) return pack;
  if (error != nullptr) *error = problem;
  return nullptr;
}

}  // namespace

std::unique_ptr<Pack> Pack::open(const char *path, const char **error) {
  const char *problem = nullptr;
  int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  struct stat info = {};
  void *base = MAP_FAILED;
  if (fd < 0) {
    problem = "the pack cannot be opened";
  } else if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size < 64) {
    problem = "the pack is not a file, or too short";
  } else {
    base = mmap(nullptr, static_cast<size_t>(info.st_size), PROT_READ, MAP_PRIVATE, fd, 0);
    if (base == MAP_FAILED) problem = "the pack cannot be mapped";
  }
  if (fd >= 0) close(fd);
  if (problem != nullptr) {
    if (error != nullptr) *error = problem;
    return nullptr;
  }
  std::span<const uint8_t> bytes(static_cast<const uint8_t *>(base), static_cast<size_t>(info.st_size));
  return finish(std::make_unique<PackFile>(bytes, true), true, error);
}

std::unique_ptr<Pack> Pack::from_memory(std::span<const uint8_t> bytes, const char **error) {
  return finish(std::make_unique<PackFile>(bytes, false), true, error);
}

std::unique_ptr<Pack> Pack::built_in(std::span<const uint8_t> bytes, const char **error) {
  return finish(std::make_unique<PackFile>(bytes, false), false, error);
}

PackFile::~PackFile() {
  if (mapped_) munmap(const_cast<uint8_t *>(bytes_.data()), bytes_.size());
}

const char *PackFile::load(bool records) {
  if (const char *problem = load_sections()) return problem;
  if (const char *problem = check_header()) return problem;
  return records ? check_records(tables_) : nullptr;
}

const char *PackFile::load_sections() {
  return for_each_section(
      bytes_,
      [](void *tables, const ElfSection &section) {
        return take_section(static_cast<PackTables *>(tables), section.name, section.bytes);
      },
      &tables_);
}

const char *PackFile::check_header() const {
  const PackTables &t = tables_;
  if (t.header == nullptr || t.header->magic != kPackMagic) return "the file is not a pack";
  const PackHeader &h = *t.header;
  if (h.version != kPackVersion) return "the pack has another version than this program";
  if (t.str.empty() || t.str.back() != 0) return "the pack's strings are damaged";
  if (t.text.data() == nullptr ||
      static_cast<size_t>(bytes_.data() + bytes_.size() - (t.text.data() + t.text.size())) < kTextSlack)
    return "the pack has no room after its code";
  if (t.table.empty()) return "the pack lacks its tables";
  if (h.image_bytes > t.image.size() || h.enter >= h.image_bytes) return "the pack's image is damaged";
  if (h.state_bytes < kStateOffset || h.state_bytes > kJumpCacheOffset)
    return "the pack's CPU state is too large";
  if (h.flag_count > 32 || h.flag_offset > h.state_bytes || h.flag_count > h.state_bytes - h.flag_offset)
    return "the pack's flags are damaged";
  if (h.context_count > 4 || h.pc_shift > 6 || h.address_bits == 0 || h.address_bits > 64)
    return "the pack's header is damaged";
  for (uint32_t stencil :
       {h.head_poll, h.head_none, h.exit_direct, h.exit_head, h.undefined, h.head_count, h.count_down})
    if (stencil >= t.stencil.size()) return "the pack lacks a stencil that the runtime needs";
  for (int unit = 0; unit < 4; unit++) {
    if (h.root[unit] == kNone) continue;
    if (h.root[unit] >= t.node.size() || h.unit_bytes[unit] == 0 || h.unit_bytes[unit] > 8 ||
        h.unit_piece[unit] == 0 || h.unit_bytes[unit] % h.unit_piece[unit] != 0)
      return "the pack's decode roots are damaged";
  }
  for (const RegRec &reg : t.reg)
    if (reg.offset < kStateOffset || reg.offset > h.state_bytes ||
        (reg.width + 7u) / 8 > h.state_bytes - reg.offset ||
        (reg.count > 1 &&
         uint64_t{reg.count - 1} * reg.stride > h.state_bytes - reg.offset - (reg.width + 7u) / 8))
      return "a register of the pack lies outside the CPU state";
  for (const CpuRec &cpu : t.cpu)
    if (!in_table(cpu.first_reset, cpu.reset_count, t.reset.size()))
      return "the pack's CPU models are damaged";
  for (const ResetRec &reset : t.reset)
    if (reset.reg >= t.reg.size() || reset.index >= t.reg[reset.reg].count)
      return "the pack's resets are damaged";
  if (!host::supports_level(t.string(h.host_level)))
    return "this host's CPU lacks what the pack was made for";
  return nullptr;
}

std::optional<RegRef> PackFile::reg(std::string_view name, uint32_t index) const {
  for (const RegRec &reg : tables_.reg)
    if (name == tables_.string(reg.name) && index < reg.count)
      return RegRef{reg.offset + index * reg.stride, reg.width};
  return std::nullopt;
}

std::optional<uint32_t> PackFile::exception(std::string_view name) const {
  for (size_t i = 0; i < tables_.exc.size(); i++)
    if (name == tables_.string(tables_.exc[i].name)) return static_cast<uint32_t>(i);
  return std::nullopt;
}

const char *PackFile::value(std::string_view key) const {
  size_t low = 0, high = tables_.kv.size();
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    std::string_view found = tables_.string(tables_.kv[middle].key);
    if (found == key) return tables_.string(tables_.kv[middle].value);
    if (found < key)
      low = middle + 1;
    else
      high = middle;
  }
  return nullptr;
}

}  // namespace pyqemu
