// Writes the test pack's tables, and its stencils from hexadecimal text.
#include "test_pack.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "check.hpp"
#include "test_image.hpp"

namespace pyqemu::test {
namespace {

// Numbers of the forms; kFormNames has their names in stencils' texts.
enum Form : uint32_t {
  kImm,
  kHere,
  kRdOffset,
  kRsOffset,
  kNextPc,
  kTarget,
  kXored,
  kNegated,
  kZOffset,
  kTooBig,
  kModeValue,
  kRdNot15,
  kRd,
};
constexpr std::string_view kFormNames[] = {"imm",    "here",  "rd",      "rs",      "next",
                                           "target", "xored", "negated", "z_place", "big"};

class Builder {
 public:
  explicit Builder(const PackOptions &options) : options_(options) {}
  std::vector<uint8_t> build();

 private:
  uint32_t string(std::string_view text) {
    uint32_t at = static_cast<uint32_t>(str_.size());
    str_.append(text).push_back('\0');
    return at;
  }
  uint32_t stencil(const char *name, std::string_view code, uint32_t attributes, uint32_t reads = 0,
                   uint32_t writes = 0, uint32_t dead = kNone);
  void relocation(std::string_view token, uint32_t offset, uint32_t *width);
  bool quick_hole(const RelocRec &reloc, HoleRec *hole) const;
  void take_holes(StencilRec *record);
  void add_exit(std::string_view token, uint32_t offset, StencilRec *record);
  uint32_t encoding(const char *name, uint32_t shape_root);
  void candidate(Op op, uint32_t encoding, uint32_t guard = kNone, bool last = true);
  void runtime_stencils();
  void instructions();
  void forms();
  uint32_t program(std::initializer_list<ProgOp> ops);

  PackOptions options_;
  PackHeader header_ = {};
  std::string str_{'\0'}, text_;
  std::vector<uint32_t> child_ = std::vector<uint32_t>(256, kNone);
  std::vector<Candidate> cand_;
  std::vector<EncodingRec> enc_;
  std::vector<ProgOp> prog_;
  std::vector<FormRec> form_;
  std::vector<TermRec> term_;
  std::vector<ShapeNode> shape_;
  std::vector<StencilRec> stencil_;
  std::vector<uint32_t> label_;
  std::vector<HoleRec> hole_;
  std::vector<RelocRec> reloc_;
  std::vector<FuseRec> fuse_;
  std::vector<int64_t> table_;
  bool of_runtime_ = false;  // the stencil that is being added
};

ProgOp op(ProgOpCode code, uint16_t a = 0, uint16_t b = 0, int32_t imm = 0) {
  return {static_cast<uint8_t>(code), 0, a, b, 0, imm};
}

FormRec sum(const TermRec &term, int64_t add = 0, bool here = false) {
  return {static_cast<uint8_t>(FormKind::kSum), 0, 0, 0, 0, 0, term, add, here ? ~uint64_t{0} : 0};
}

FormRec element(const TermRec &index, uint32_t first, uint32_t count) {
  return {static_cast<uint8_t>(FormKind::kSum), 0, 0, first, count, 0, index, 0, 0};
}

// Adds a program; gives the form's number.
uint32_t Builder::program(std::initializer_list<ProgOp> ops) {
  const auto first = static_cast<uint32_t>(prog_.size()), count = static_cast<uint32_t>(ops.size());
  prog_.insert(prog_.end(), ops);
  form_.push_back({static_cast<uint8_t>(FormKind::kProgram), 0, 0, first, count, 0, {}, 0, 0});
  return static_cast<uint32_t>(form_.size() - 1);
}

void Builder::forms() {
  using enum ProgOpCode;
  for (int64_t i = 0; i < 16; i++) table_.push_back(kRegisters + 8 * i);
  const TermRec rd = {0xf, 0, 1, 20, 0}, rs = {0xf, 0, 1, 16, 0};
  const auto imm = [](int64_t factor) { return TermRec{0xffff, 0x8000, factor, 0, 0}; };
  form_ = {sum(imm(1)),        sum({}, 0, true), element(rd, 0, 16),
           element(rs, 0, 16), sum({}, 4, true), sum(imm(4), 0, true)};
  program({op(kForm, 0, 0, kImm), op(kConst, 0, 0, 0x55), op(kXor, 0, 1)});
  form_.insert(form_.end(), {sum(imm(-1)), sum({}, kFlagZ), sum({}, int64_t{0x7fffffff} * 0x7fffffff)});
  program({op(kContext)});
  program({op(kForm, 0, 0, kRd), op(kConst, 0, 0, 15), op(kNe, 0, 1)});
  form_.push_back(sum(rd));
}

// `{s:FORM}` is a signed 32-bit hole, `{u:FORM}` an unsigned one, `{q:FORM}` one of 64 bits, `{n}` NEXT,
// `{f:K}` exit K's field, `{x:K}` a way to it outside the block, `{i:NAME}` a place in the image.
void Builder::relocation(std::string_view token, uint32_t offset, uint32_t *width) {
  RelocRec record = {};
  record.offset = static_cast<uint16_t>(offset);
  *width = token[0] == 'q' ? 8 : 4;
  RelocKind kind = token[0] == 'q'   ? RelocKind::kAbs64
                   : token[0] == 'u' ? RelocKind::kAbs32
                                     : RelocKind::kAbs32S;
  if (token[0] == 's' || token[0] == 'u' || token[0] == 'q') {
    const auto found = std::find(std::begin(kFormNames), std::end(kFormNames), token.substr(2));
    REQUIRE(found != std::end(kFormNames));
    record.value = static_cast<uint32_t>(found - std::begin(kFormNames));
  }
  if (token[0] == 'n') kind = RelocKind::kNext;
  if (token[0] == 'x') {
    kind = RelocKind::kExit;
    record.value = static_cast<uint32_t>(token[2] - '0');
  }
  if (token[0] == 'i') {
    kind = RelocKind::kImage;
    record.value = image_place(token.substr(2));
  }
  if (token[0] == 'n' || token[0] == 'x' || token[0] == 'i') record.addend = -4;
  record.kind = static_cast<uint8_t>(kind);
  reloc_.push_back(record);
}

// Notes how an exit leaves: `{f:K}`, `{x:K}`, or `{e:K}`, which stands for no code, behind the end.
void Builder::add_exit(std::string_view token, uint32_t offset, StencilRec *record) {
  const auto number = static_cast<uint8_t>(token[2] - '0');
  record->exit_count = std::max(record->exit_count, static_cast<uint8_t>(number + 1));
  const ExitWay way = token[0] == 'f'   ? ExitWay::kField
                      : token[0] == 'x' ? ExitWay::kTrampoline
                                        : ExitWay::kTail;
  record->exit_way[number] = static_cast<uint8_t>(way);
  if (way == ExitWay::kField) record->exit_offset = static_cast<uint16_t>(offset);
}

// Sums of one term and elements by one, as the pack writer finds them.
bool Builder::quick_hole(const RelocRec &reloc, HoleRec *hole) const {
  const FormRec &form = form_[reloc.value];
  const bool quick = form.kind == static_cast<uint8_t>(FormKind::kSum) && form.here_mask == 0 &&
                     form.add == static_cast<int32_t>(form.add) &&
                     reloc.kind <= static_cast<uint8_t>(RelocKind::kAbs32);
  if (!quick) return false;
  *hole = {.mask = static_cast<uint32_t>(form.term.mask),
           .sign = static_cast<uint32_t>(form.term.sign),
           .factor = static_cast<uint32_t>(form.term.factor),
           .add = static_cast<uint32_t>(form.add),
           .table = static_cast<uint16_t>(form.first),
           .offset = reloc.offset,
           .from = static_cast<uint8_t>(form.term.from),
           .count = static_cast<uint8_t>(form.count),
           .insn = reloc.insn,
           .reserved = 0};
  return true;
}

// Makes holes of the relocations from first_reloc on that have a quick form.
void Builder::take_holes(StencilRec *record) {
  std::vector<HoleRec> holes;
  std::vector<RelocRec> others, jumps;
  for (size_t i = record->first_reloc; i < reloc_.size(); i++) {
    HoleRec hole;
    if (reloc_[i].kind > static_cast<uint8_t>(RelocKind::kAbs8))
      jumps.push_back(reloc_[i]);
    else if (quick_hole(reloc_[i], &hole))
      holes.push_back(hole);
    else
      others.push_back(reloc_[i]);
  }
  reloc_.resize(record->first_reloc);
  reloc_.insert(reloc_.end(), others.begin(), others.end());
  reloc_.insert(reloc_.end(), jumps.begin(), jumps.end());
  record->hole_count = static_cast<uint16_t>(holes.size());
  record->other_count = static_cast<uint8_t>(others.size());
  record->jump_count = static_cast<uint8_t>(jumps.size());
  while (holes.empty() || holes.size() % kHoleGroup != 0) holes.push_back({.offset = record->size});
  record->hole_groups = static_cast<uint8_t>(holes.size() / kHoleGroup);
  std::copy_n(holes.begin(), kHoleGroup, record->holes);
  record->first_hole = static_cast<uint32_t>(hole_.size());
  hole_.insert(hole_.end(), holes.begin() + kHoleGroup, holes.end());
}

uint32_t Builder::stencil(const char *name, std::string_view code, uint32_t attributes, uint32_t reads,
                          uint32_t writes, uint32_t dead) {
  StencilRec record = {};
  label_.push_back(string(name));
  record.code = static_cast<uint32_t>(text_.size());
  record.first_reloc = static_cast<uint32_t>(reloc_.size());
  record.live_before = (attributes & kFaults) != 0 ? ~uint32_t{0} : reads;
  record.writes = writes;
  record.dead = dead;
  record.insns = 1;
  for (size_t i = 0; i < code.size();) {
    if (code[i] == ' ' || code[i] == '\n') {
      i++;
    } else if (code[i] == '{') {
      size_t end = code.find('}', i);
      uint32_t width = 0;
      std::string_view token = code.substr(i + 1, end - i - 1);
      const auto offset = static_cast<uint32_t>(text_.size()) - record.code;
      if (token[0] == 'f' || token[0] == 'x' || token[0] == 'e') add_exit(token, offset, &record);
      if (token[0] == 'f') width = 4;
      if (token[0] != 'f' && token[0] != 'e') relocation(token, offset, &width);
      text_.append(width, '\0');
      i = end + 1;
    } else {
      text_.push_back(static_cast<char>(strtol(std::string(code.substr(i, 2)).c_str(), nullptr, 16)));
      i += 2;
    }
  }
  record.size = static_cast<uint16_t>(text_.size() - record.code);
  take_holes(&record);
  if (record.exit_count != 0) attributes |= kHasExit;
  if (record.exit_count == 0 && record.other_count == 0 && record.jump_count == 0) attributes |= kOnlyHoles;
  record.attributes = static_cast<uint16_t>(attributes);
  record.exit_target[0] = of_runtime_ ? kHere : kTarget;
  record.exit_target[1] = of_runtime_ ? kHere : kNextPc;
  stencil_.push_back(record);
  return static_cast<uint32_t>(stencil_.size() - 1);
}

uint32_t Builder::encoding(const char *name, uint32_t shape_root) {
  enc_.push_back({string(name), shape_root, 0, kNone, {kNone, kNone, kNone, kNone}, 0});
  return static_cast<uint32_t>(enc_.size() - 1);
}

void Builder::candidate(Op code, uint32_t encoding, uint32_t guard, bool last) {
  if (child_[code] == kNone) child_[code] = static_cast<uint32_t>(cand_.size());
  const uint64_t inputs = child_[code] == cand_.size() ? 0xfff00000 : 0;  // the guard reads rd
  cand_.push_back({0xff000000, uint64_t{code} << 24, inputs, encoding, guard, last ? 1u : 0u, 0});
}

void Builder::runtime_stencils() {
  of_runtime_ = true;
  header_.head_poll = stencil("head_poll", "41 8b 45 00 85 c0  0f 85 {f:0}", kFallsThrough);
  header_.head_none = stencil("head_none", "", kFallsThrough);
  header_.exit_direct = stencil("exit_direct", "41 be {u:here}  e9 {i:direct}", kEndsBlock);
  header_.exit_head = stencil("exit_head", "41 be {u:here}  e9 {i:head}", kEndsBlock);
  header_.undefined = stencil(
      "undefined", "48 b8 {q:here}  49 89 45 08  41 c7 45 18 00000000  41 c7 45 04 02000000  c3", kEndsBlock);
  // As compilers make it: what seldom happens behind the jump to NEXT.
  header_.head_count =
      stencil("head_count", "41 8b 45 00 85 c0  75 16  48 b8 {q:here} 49 01 85 80000000  e9 {n} {e:0}",
              kFallsThrough);
  header_.count_down = stencil("count_down", "48 b8 {q:here} 83 28 01  0f 84 {x:0}", kFallsThrough);
  of_runtime_ = false;
}

void Builder::instructions() {
  const char *load_rs = "49 8b 85 {s:rs} ";
  const std::string store_rd = " 49 89 85 {s:rd} ";
  auto text = [&](const char *middle) { return std::string(load_rs) + middle + store_rd; };
  auto add = [&](Op code, const char *name, const std::string &stencil_code, uint32_t attributes,
                 uint32_t reads = 0) {
    uint32_t number = stencil(name, stencil_code, attributes, reads);
    candidate(code, encoding(name, number));
    return number;
  };
  auto edges = [&](uint32_t number, uint8_t reg, uint8_t width, uint8_t flags) {
    if (options_.handover) set_edges(&stencil_[number], reg, width, flags);
  };
  edges(add(kAddi, "ADDI", text("48 05 {s:imm}"), kFallsThrough), 0, 64, 0);
  edges(add(kAdd, "ADD", text("49 03 85 {s:rd}"), kFallsThrough), 0, 64, kLeadNarrowed | kLeadCommutes);
  edges(add(kAddLow, "ADDLOW", "45 8b 8d {s:rs} 41 81 c1 {s:imm} 4d 89 8d {s:rd}", kFallsThrough), 9, 32,
        kLeadNarrowed);
  edges(add(kLow, "LOW", "41 8b 85 {s:rs} 48 05 {s:imm}" + store_rd, kFallsThrough), 0, 32, 0);
  uint32_t dead = stencil("SUB", text("48 2d {s:imm}"), kFallsThrough);
  uint32_t subs = stencil("SUBS", text("48 2d {s:imm}") + "41 0f 94 85 {s:z_place}", kFallsThrough, 0, 1,
                          options_.dead_flags ? dead : kNone);
  candidate(kSubs, encoding("SUBS", subs));
  uint32_t bz = add(kBz, "BZ", "41 80 bd {s:z_place} 00  0f 85 {f:0} {e:1}", kEndsBlock, 1);
  add(kB, "B", "{e:0}", kEndsBlock);
  add(kJr, "JR",
      std::string(load_rs) +
          "48 89 c1 48 c1 e9 02 81 e1 ff0f0000 c1 e1 04 4c 01 e9 48 3b 81 00200000 75 06 ff a1 08200000"
          "49 89 45 08 41 c7 45 04 00000000 c3",
      kEndsBlock | kIndirect);
  edges(add(kLd, "LD", text("49 8b 84 04 {s:imm}"), kFallsThrough | kFaults), 0, 64, 0);
  add(kSt, "ST", std::string(load_rs) + "49 8b 8d {s:rd} 49 89 8c 04 {s:imm}", kFallsThrough | kFaults);
  add(kSvc, "SVC",
      "48 b8 {q:here} 49 89 45 08 41 c7 45 18 01000000 49 c7 45 20 {s:imm} 41 c7 45 04 02000000 "
      "c3",
      kEndsBlock | kFaults);
  const std::string sync = "48 b8 {q:next} 49 89 45 08 41 c7 45 04 03000000 c3";
  add(kIsync, "ISYNC", sync, kEndsBlock | kSyncs);
  add(kMode, "MODE", "49 c7 45 40 {s:imm}" + sync, kEndsBlock | kSyncs);
  // The stencil is chosen by the context variable; its value must be 0 or 1.
  uint32_t plain = stencil("MODAL mode=0", "48 c7 c0 {s:imm}" + store_rd, kFallsThrough);
  uint32_t negated = stencil("MODAL mode=1", "48 c7 c0 {s:negated}" + store_rd, kFallsThrough);
  uint32_t first = static_cast<uint32_t>(child_.size());
  child_.push_back(plain);
  child_.push_back(negated);
  shape_.push_back({kModeValue, 0, 2, first});
  candidate(kModal, encoding("MODAL", kNodeBit | 0));
  add(kBsel, "BSEL", "41 80 bd {s:z_place} 00  0f 85 {f:0} 0f 84 {x:1} cc", kEndsBlock, 1);
  add(kBnz, "BNZ", "41 80 bd {s:z_place} 00  0f 85 {f:1} {e:0}", kEndsBlock, 1);
  // As compilers make it: a conditional jump to NEXT over the jump to the exit. Goes on in the block
  // otherwise.
  add(kSkip, "SKIP", "41 80 bd {s:z_place} 00  0f 84 {n} {e:0}", kFallsThrough, 1);
  edges(add(kXori, "XORI", text("48 05 {s:xored}"), kFallsThrough), 0, 64, 0);
  add(kLdHelper, "LDH", text("48 05 {s:imm} e8 {i:helper}"), kFallsThrough | kFaults);
  uint32_t guarded = encoding("GUARDED", stencil("GUARDED", "48 c7 c0 {s:imm}" + store_rd, kFallsThrough));
  candidate(kGuarded, guarded, kRdNot15, false);
  candidate(kGuarded, encoding("GUARDED15", stencil("GUARDED15", "48 c7 c0 {s:negated} 49 89 85 00010000",
                                                    kFallsThrough)));
  add(kStZ, "STZ", "41 0f b6 85 {s:z_place}" + store_rd, kFallsThrough, 1);
  add(kOverflow, "OVERFLOW", "48 c7 c0 {s:big}" + store_rd, kFallsThrough);
  if (options_.fusion) {
    uint32_t both = stencil("SUBS+BZ", text("48 2d {s:imm}") + "41 0f 94 85 {s:z_place} 0f 84 {f:0} {e:1}",
                            kEndsBlock, 0, 1);
    stencil_[both].insns = 2;
    stencil_[subs].fuse_count = 1;
    fuse_.push_back({subs, bz, both});
  }
}

std::vector<uint8_t> Builder::build() {
  header_.magic = kPackMagic;
  header_.version = kPackVersion;
  header_.arch_name = string("test");
  header_.host_level = string("x86-64-v1");
  for (int unit = 1; unit < 4; unit++) header_.root[unit] = kNone;
  header_.unit_bytes[0] = header_.unit_piece[0] = 4;
  for (uint32_t &form : header_.follows) form = kNone;
  header_.pc_shift = 2;
  header_.address_bits = 64;
  header_.flag_count = 1;
  header_.flag_offset = kFlagZ;
  header_.state_bytes = kFlagZ + 8;
  header_.context_count = 1;
  header_.context_name[0] = string("mode");
  header_.image_bytes = static_cast<uint32_t>(image_bytes().size());
  header_.enter = image_place("enter");
  header_.icache_coherent = options_.coherent;
  forms();
  runtime_stencils();
  instructions();
  const std::vector<DecodeNode> nodes = {{24, 8, 0, 0}};
  const std::vector<RegRec> regs = {{string("R"), kRegisters, 16, 64, 8}, {string("Z"), kFlagZ, 1, 1, 1}};
  const std::vector<ExcRec> exceptions = {{string("undefined"), 0}, {string("svc"), 1}};
  const std::vector<FeatureRec> features = {
      {0, string("a"), 0, 0, 0}, {1, string("zab"), 1, 1, 0}, {3, string("za"), 1, 1, 0}};
  const std::vector<CpuRec> cpus = {{0, string("plain"), kNone, 0, 0},
                                    {1, string("reset"), kNone, 0, 1},
                                    {0, string("isa"), string("_"), 0, 0}};
  const std::vector<ResetRec> resets = {{0, 7, 0x1234567890}, {0, 7, 1}};
  const uint32_t key = string("syscall.64");
  const std::vector<KvRec> kv = {{string("abi"), string("test")}, {key, string("write")}};
  std::string image(image_bytes());
  image.resize((image.size() + 4095) & ~size_t{4095});
  std::string header(reinterpret_cast<const char *>(&header_), sizeof header_);
  return write_elf({{".text", text_},
                    {".pq.image", image},
                    {".pq.header", header},
                    {".pq.str", str_},
                    {".pq.node", bytes_of(nodes)},
                    {".pq.child", bytes_of(child_)},
                    {".pq.cand", bytes_of(cand_)},
                    {".pq.enc", bytes_of(enc_)},
                    {".pq.form", bytes_of(form_)},
                    {".pq.term", bytes_of(term_)},
                    {".pq.prog", bytes_of(prog_)},
                    {".pq.shape", bytes_of(shape_)},
                    {".pq.stencil", bytes_of(stencil_)},
                    {".pq.label", bytes_of(label_)},
                    {".pq.hole", bytes_of(hole_)},
                    {".pq.reloc", bytes_of(reloc_)},
                    {".pq.fuse", bytes_of(fuse_)},
                    {".pq.table", bytes_of(table_)},
                    {".pq.reg", bytes_of(regs)},
                    {".pq.exc", bytes_of(exceptions)},
                    {".pq.feature", bytes_of(features)},
                    {".pq.cpu", bytes_of(cpus)},
                    {".pq.reset", bytes_of(resets)},
                    {".pq.kv", bytes_of(kv)}});
}

}  // namespace

std::vector<uint8_t> build_pack(const PackOptions &options) {
  return Builder(options).build();
}

}  // namespace pyqemu::test
