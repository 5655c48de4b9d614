// Writes the test pack's tables, and its stencils from hexadecimal text.
#include "test_pack.hpp"

#include <sys/mman.h>

#include <cstring>

#include "check.hpp"

extern "C" const char test_image_begin[], test_image_enter[], test_image_helper[], test_image_end[];

// The pack's image: `enter` as docs/pack.md has it, and a helper with its thunk.
asm(R"(
  .pushsection .rodata
  .globl test_image_begin, test_image_enter, test_image_helper, test_image_end
  .hidden test_image_begin, test_image_enter, test_image_helper, test_image_end
  .p2align 4
test_image_begin:
test_image_enter:
  push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15
  sub $24, %rsp
  mov %rdi, %r12; mov %rsi, %r13; mov %rdi, 8(%rsp)
  stmxcsr (%rsp); ldmxcsr 28(%r12)
  lea -8(%rsp), %rax; mov %rax, 112(%r12)
  call *%rdx
  mov 8(%rsp), %r12
  stmxcsr 28(%r12); ldmxcsr (%rsp)
  mov 4(%r12), %eax
  add $24, %rsp
  pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp
  ret
test_image_helper:
  mov (%rsp), %rcx; mov %rcx, 120(%r12)
  push %rbp
  xor %ebp, %ebp
  mov (%r13,%rax), %rax
  pop %rbp
  ret
test_image_end:
  .popsection
)");

namespace pyqemu::test {
namespace {

// Values of every program: fields, here, mode, then these.
enum Value : uint16_t {
  kRd,
  kRs,
  kImm,
  kHere,
  kModeValue,
  kSixteen,
  kRdOffset,
  kRsOffset,
  kFour,
  kNextPc,
  kTimesFour,
  kTarget,
  k55,
  kXored,
  kNegated,
  kZOffset,
  kBig,
  kTooBig,
  kValueCount,
};

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
  uint32_t encoding(const char *name, uint32_t shape_root);
  void candidate(Op op, uint32_t encoding, uint32_t guard = kNone, bool last = true);
  uint32_t guard(std::initializer_list<ProgOp> ops);
  void runtime_stencils();
  void instructions();
  void program();

  PackOptions options_;
  PackHeader header_ = {};
  std::string str_{'\0'}, text_;
  std::vector<uint32_t> child_ = std::vector<uint32_t>(256, kNone);
  std::vector<Candidate> cand_;
  std::vector<EncodingRec> enc_;
  std::vector<ProgOp> prog_;
  std::vector<ProgRec> guards_;
  std::vector<ShapeNode> shape_;
  std::vector<StencilRec> stencil_;
  std::vector<RelocRec> reloc_;
  std::vector<FuseRec> fuse_;
  std::vector<int64_t> table_;
  uint16_t fields_ = 3;
};

ProgOp op(ProgOpCode code, uint16_t a = 0, uint16_t b = 0, int32_t imm = 0) {
  return {static_cast<uint8_t>(code), 0, a, b, 0, imm};
}

void Builder::program() {
  using enum ProgOpCode;
  for (int64_t i = 0; i < 16; i++) table_.push_back(kRegisters + 8 * i);
  prog_ = {op(kConst, 0, 0, 16),        op(kTable, kRd, kSixteen),
           op(kTable, kRs, kSixteen),   op(kConst, 0, 0, 4),
           op(kAdd, kHere, kFour),      op(kMul, kImm, kFour),
           op(kAdd, kHere, kTimesFour), op(kConst, 0, 0, 0x55),
           op(kXor, kImm, k55),         op(kNeg, kImm),
           op(kConst, 0, 0, kFlagZ),    op(kConst, 0, 0, 0x7fffffff),
           op(kMul, kBig, kBig)};
}

// `{s:V}` is a 32-bit hole, `{t:V}` one of the second instruction, `{q:V}` a 64-bit one, `{n}` NEXT, `{x:K}`
// exit K, `{i}` the helper.
void Builder::relocation(std::string_view token, uint32_t offset, uint32_t *width) {
  RelocRec record = {};
  record.offset = static_cast<uint16_t>(offset);
  *width = token[0] == 'q' ? 8 : 4;
  if (token.size() > 2) record.value = static_cast<uint16_t>(atoi(std::string(token.substr(2)).c_str()));
  RelocKind kind = RelocKind::kAbs32S;
  if (token[0] == 'q') kind = RelocKind::kAbs64;
  if (token[0] == 'n') kind = RelocKind::kNext;
  if (token[0] == 'x') kind = RelocKind::kExit;
  if (token[0] == 'i') kind = RelocKind::kImage;
  if (token[0] == 'n' || token[0] == 'x' || token[0] == 'i') record.addend = -4;
  record.insn = token[0] == 't';
  record.image = static_cast<uint32_t>(test_image_helper - test_image_begin);
  record.kind = static_cast<uint8_t>(kind);
  reloc_.push_back(record);
}

uint32_t Builder::stencil(const char *name, std::string_view code, uint32_t attributes, uint32_t reads,
                          uint32_t writes, uint32_t dead) {
  StencilRec record = {};
  record.name = string(name);
  record.code = static_cast<uint32_t>(text_.size());
  record.first_reloc = static_cast<uint32_t>(reloc_.size());
  record.attributes = attributes;
  record.reads = reads;
  record.writes = writes;
  record.dead = dead;
  record.align = 1;
  record.fields = fields_;
  record.op_count = fields_ == 0 ? 0 : kValueCount - kSixteen;
  for (size_t i = 0; i < code.size();) {
    if (code[i] == ' ' || code[i] == '\n') {
      i++;
    } else if (code[i] == '{') {
      size_t end = code.find('}', i);
      uint32_t width = 0;
      std::string_view token = code.substr(i + 1, end - i - 1);
      relocation(token, static_cast<uint32_t>(text_.size()) - record.code, &width);
      if (token[0] == 'x' && reloc_.back().value >= record.exit_count)
        record.exit_count = static_cast<uint8_t>(reloc_.back().value + 1);
      text_.append(width, '\0');
      i = end + 1;
    } else {
      text_.push_back(static_cast<char>(strtol(std::string(code.substr(i, 2)).c_str(), nullptr, 16)));
      i += 2;
    }
  }
  record.size = static_cast<uint32_t>(text_.size()) - record.code;
  record.reloc_count = static_cast<uint16_t>(reloc_.size() - record.first_reloc);
  record.exit_value[0] = fields_ == 0 ? 0 : static_cast<uint16_t>(kTarget);
  record.exit_value[1] = fields_ == 0 ? 0 : static_cast<uint16_t>(kNextPc);
  stencil_.push_back(record);
  return static_cast<uint32_t>(stencil_.size() - 1);
}

uint32_t Builder::encoding(const char *name, uint32_t shape_root) {
  enc_.push_back({string(name), 0, 0, 3, 0, shape_root});
  return static_cast<uint32_t>(enc_.size() - 1);
}

void Builder::candidate(Op code, uint32_t encoding, uint32_t guard, bool last) {
  if (child_[code] == kNone) child_[code] = static_cast<uint32_t>(cand_.size());
  cand_.push_back({0xff000000, uint64_t{code} << 24, encoding, guard, last ? 1u : 0u, 0});
}

uint32_t Builder::guard(std::initializer_list<ProgOp> ops) {
  guards_.push_back({static_cast<uint32_t>(prog_.size()), static_cast<uint32_t>(ops.size())});
  prog_.insert(prog_.end(), ops);
  return static_cast<uint32_t>(guards_.size() - 1);
}

void Builder::runtime_stencils() {
  fields_ = 0;
  header_.head_poll = stencil("head_poll", "41 8b 04 24 85 c0  0f 84 {n}  e9 {x:0}", kFallsThrough);
  header_.head_none = stencil("head_none", "e9 {n}", kFallsThrough);
  header_.exit_direct =
      stencil("exit_direct", "49 c7 44 24 10 {s:0}  41 c7 44 24 04 01000000  c3", kEndsBlock);
  header_.exit_here =
      stencil("exit_here", "48 b8 {q:0}  49 89 44 24 08  41 c7 44 24 04 00000000  c3", kEndsBlock);
  header_.undefined = stencil(
      "undefined", "48 b8 {q:0}  49 89 44 24 08  41 c7 44 24 18 00000000  41 c7 44 24 04 02000000  c3",
      kEndsBlock);
  header_.head_count = stencil(
      "head_count", "41 8b 04 24 85 c0  0f 85 {x:0}  49 81 84 24 80000000 {s:0}  e9 {n}", kFallsThrough);
  header_.head_profile =
      stencil("head_profile", "41 8b 04 24 85 c0  0f 85 {x:0}  48 b8 {q:0} 83 28 01  0f 84 {x:1}  e9 {n}",
              kFallsThrough);
  header_.exit_hot = stencil("exit_hot", "49 c7 44 24 10 {s:0}  41 c7 44 24 04 05000000  c3", kEndsBlock);
  fields_ = 3;
}

void Builder::instructions() {
  const char *load_rs = "49 8b 84 24 {s:7} ";
  const char *store_rd = " 49 89 84 24 {s:6} ";
  const std::string next = " e9 {n}";
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
  edges(add(kAddi, "ADDI", text("48 05 {s:2}") + next, kFallsThrough), 0, 64, 0);
  edges(add(kAdd, "ADD", text("49 03 84 24 {s:6}") + next, kFallsThrough), 0, 64,
        kLeadNarrowed | kLeadCommutes);
  edges(add(kAddLow, "ADDLOW", "45 8b 8c 24 {s:7} 41 81 c1 {s:2} 4d 89 8c 24 {s:6}" + next, kFallsThrough), 9,
        32, kLeadNarrowed);
  edges(add(kLow, "LOW", "41 8b 84 24 {s:7} 48 05 {s:2}" + (store_rd + next), kFallsThrough), 0, 32, 0);
  uint32_t dead = stencil("SUB", text("48 2d {s:2}") + next, kFallsThrough);
  uint32_t subs = stencil("SUBS", text("48 2d {s:2}") + "41 0f 94 84 24 {s:15}" + next, kFallsThrough, 0, 1,
                          options_.dead_flags ? dead : kNone);
  candidate(kSubs, encoding("SUBS", subs));
  uint32_t bz = add(kBz, "BZ", "41 80 bc 24 {s:15} 00  0f 85 {x:0} e9 {x:1}", kEndsBlock, 1);
  add(kB, "B", "e9 {x:0}", kEndsBlock);
  add(kJr, "JR",
      std::string(load_rs) +
          "48 89 c1 48 c1 e9 02 81 e1 ff0f0000 c1 e1 04 4c 01 e1 48 3b 81 00200000 75 06 ff a1 08200000"
          "49 89 44 24 08 41 c7 44 24 04 00000000 c3",
      kEndsBlock | kIndirect);
  edges(add(kLd, "LD", text("49 8b 84 05 {s:2}") + next, kFallsThrough | kFaults), 0, 64, 0);
  add(kSt, "ST", std::string(load_rs) + "49 8b 8c 24 {s:6} 49 89 8c 05 {s:2}" + next,
      kFallsThrough | kFaults);
  add(kSvc, "SVC",
      "48 b8 {q:3} 49 89 44 24 08 41 c7 44 24 18 01000000 49 c7 44 24 20 {s:2} 41 c7 44 24 04 02000000 c3",
      kEndsBlock | kFaults);
  const std::string sync = "48 b8 {q:9} 49 89 44 24 08 41 c7 44 24 04 03000000 c3";
  add(kIsync, "ISYNC", sync, kEndsBlock | kSyncs);
  add(kMode, "MODE", "49 c7 44 24 40 {s:2}" + sync, kEndsBlock | kSyncs);
  // The stencil is chosen by the context variable; its value must be 0 or 1.
  uint32_t plain = stencil("MODAL mode=0", "48 c7 c0 {s:2}" + (store_rd + next), kFallsThrough);
  uint32_t negated = stencil("MODAL mode=1", "48 c7 c0 {s:14}" + (store_rd + next), kFallsThrough);
  uint32_t first = static_cast<uint32_t>(child_.size());
  child_.push_back(plain);
  child_.push_back(negated);
  shape_.push_back(
      {guard({op(ProgOpCode::kConst, 0, 0, 0), op(ProgOpCode::kAdd, kModeValue, 5)}), 0, 2, first});
  candidate(kModal, encoding("MODAL", kNodeBit | 0));
  add(kBsel, "BSEL", "41 80 bc 24 {s:15} 00  0f 85 {x:0} 0f 84 {x:1} cc", kEndsBlock, 1);
  add(kBnz, "BNZ", "41 80 bc 24 {s:15} 00  0f 85 {x:1} e9 {x:0}", kEndsBlock, 1);
  // As compilers make it: a conditional jump to NEXT over the jump to the exit. Goes on in the block
  // otherwise.
  add(kSkip, "SKIP", "41 80 bc 24 {s:15} 00  0f 84 {n} e9 {x:0}", kFallsThrough, 1);
  edges(add(kXori, "XORI", text("48 05 {s:13}") + next, kFallsThrough), 0, 64, 0);
  add(kLdHelper, "LDH", text("48 05 {s:2} e8 {i}") + next, kFallsThrough | kFaults);
  uint32_t guarded =
      encoding("GUARDED", stencil("GUARDED", "48 c7 c0 {s:2}" + (store_rd + next), kFallsThrough));
  candidate(kGuarded, guarded, guard({op(ProgOpCode::kConst, 0, 0, 15), op(ProgOpCode::kNe, kRd, 5)}), false);
  candidate(kGuarded,
            encoding("GUARDED15",
                     stencil("GUARDED15", "48 c7 c0 {s:14} 49 89 84 24 00010000" + next, kFallsThrough)));
  add(kStZ, "STZ", "41 0f b6 84 24 {s:15}" + (store_rd + next), kFallsThrough, 1);
  add(kOverflow, "OVERFLOW", "48 c7 c0 {s:17}" + (store_rd + next), kFallsThrough);
  if (options_.fusion) {
    uint32_t both = stencil("SUBS+BZ", text("48 2d {s:2}") + "41 0f 94 84 24 {s:15} 0f 84 {x:0} e9 {x:1}",
                            kEndsBlock, 0, 1);
    fuse_.push_back({subs, bz, both});
  }
}

std::vector<uint8_t> Builder::build() {
  header_.magic = kPackMagic;
  header_.version = kPackVersion;
  header_.arch_name = string("test");
  header_.host_level = string("x86-64-v1");
  for (int unit = 1; unit < 4; unit++) header_.root[unit] = kNone;
  header_.unit_bytes[0] = 4;
  header_.pc_shift = 2;
  header_.address_bits = 64;
  header_.flag_count = 1;
  header_.flag_offset = kFlagZ;
  header_.state_bytes = kFlagZ + 8;
  header_.context_count = 1;
  header_.context_name[0] = string("mode");
  header_.image_bytes = static_cast<uint32_t>(test_image_end - test_image_begin);
  header_.enter = static_cast<uint32_t>(test_image_enter - test_image_begin);
  header_.icache_coherent = options_.coherent;
  program();
  runtime_stencils();
  instructions();
  const std::vector<FieldRec> fields = {
      {string("rd"), 0, 1, 4, 0, 0}, {string("rs"), 1, 1, 4, 0, 0}, {string("imm"), 2, 1, 16, 1, 0}};
  const std::vector<SliceRec> slices = {{20, 4, 0, 0}, {16, 4, 0, 0}, {0, 16, 0, 0}};
  const std::vector<DecodeNode> nodes = {{24, 8, 0, 0}};
  const std::vector<RegRec> regs = {{string("R"), kRegisters, 16, 64, 8}, {string("Z"), kFlagZ, 1, 1, 1}};
  const std::vector<ExcRec> exceptions = {{string("undefined"), 0}, {string("svc"), 1}};
  const std::vector<CpuRec> cpus = {{string("plain"), {0, 0}, 0, 0}, {string("reset"), {1, 0}, 0, 1}};
  const std::vector<ResetRec> resets = {{0, 7, 0x1234567890}};
  const uint32_t key = string("syscall.64");
  const std::vector<KvRec> kv = {{string("abi"), string("test")}, {key, string("write")}};
  std::string image(test_image_begin, header_.image_bytes);
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
                    {".pq.field", bytes_of(fields)},
                    {".pq.slice", bytes_of(slices)},
                    {".pq.prog", bytes_of(prog_)},
                    {".pq.guard", bytes_of(guards_)},
                    {".pq.shape", bytes_of(shape_)},
                    {".pq.stencil", bytes_of(stencil_)},
                    {".pq.reloc", bytes_of(reloc_)},
                    {".pq.fuse", bytes_of(fuse_)},
                    {".pq.table", bytes_of(table_)},
                    {".pq.reg", bytes_of(regs)},
                    {".pq.exc", bytes_of(exceptions)},
                    {".pq.cpu", bytes_of(cpus)},
                    {".pq.reset", bytes_of(resets)},
                    {".pq.kv", bytes_of(kv)}});
}

}  // namespace

std::vector<uint8_t> build_pack(const PackOptions &options) {
  return Builder(options).build();
}

Pages::Pages(size_t bytes) : size_((bytes + 4095) & ~size_t{4095}) {
  void *memory = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  data_ = static_cast<uint8_t *>(memory);
}

Pages::~Pages() {
  munmap(data_, size_);
}

Machine::Machine(EngineOptions options, PackOptions pack_options) {
  const std::vector<uint8_t> bytes = build_pack(pack_options);
  file = std::make_unique<Pages>(bytes.size());
  memcpy(file->data(), bytes.data(), bytes.size());
  const char *error = "";
  pack = Pack::from_memory({file->data(), bytes.size()}, &error);
  if (pack == nullptr) fprintf(stderr, "pack: %s\n", error);
  REQUIRE(pack != nullptr);
  engine = Engine::create(*pack, options, &error);
  if (engine == nullptr) fprintf(stderr, "engine: %s\n", error);
  REQUIRE(engine != nullptr);
  cpu = engine->new_cpu("");
  REQUIRE(cpu != nullptr);
}

Machine::~Machine() {
  engine->free_cpu(cpu);
}

StopKind Machine::run_at(uint64_t pc) {
  cpu->pc = pc;
  return engine->run(cpu);
}

void put(Pages &pages, size_t at, std::initializer_list<uint32_t> words) {
  for (uint32_t value : words) pages.words()[at++] = value;
}

}  // namespace pyqemu::test
