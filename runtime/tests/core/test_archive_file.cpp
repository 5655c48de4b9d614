// Regions in machine code, and the tables around them.
#include "test_archive_file.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "blake2b_tree.hpp"
#include "check.hpp"

extern "C" const char test_text_begin[], test_text_end[], test_region_support[], test_region_loop[],
    test_loop_inner[], test_loop_step[], test_region_load[], test_load_access[], test_load_landing[],
    test_region_forever[], test_region_step[], test_step_end[];

// R0 … R15 lie at 256 + 8n of the CPU state (r13), Z at 384. The table follows the text: its element 0 is the
// origin.
asm(R"(
  .pushsection .rodata
  .globl test_text_begin, test_text_end, test_region_support, test_region_loop, test_loop_inner, test_loop_step
  .globl test_region_load, test_load_access, test_load_landing, test_region_forever, test_region_step, test_step_end
  .hidden test_text_begin, test_text_end, test_region_support, test_region_loop, test_loop_inner, test_loop_step
  .hidden test_region_load, test_load_access, test_load_landing, test_region_forever, test_region_step, test_step_end
  .p2align 12
test_text_begin:
test_region_support:
  ret
  .p2align 4
test_region_loop:
  cmpl $0, (%r13); jne 3f
  incq 376(%r13)
  mov 264(%r13), %rax; mov 272(%r13), %rcx
test_loop_inner:
1:
  cmpl $0, (%r13); jne 2f
test_loop_step:
  add $3, %rcx
  sub $1, %rax
  jnz 1b
  mov %rax, 264(%r13); mov %rcx, 272(%r13); movb $1, 384(%r13)
  jmp *(test_table + 8)(%rip)
2:
  mov %rax, 264(%r13); mov %rcx, 272(%r13)
3:
  mov test_table(%rip), %rax
  mov %rax, 8(%r13); movl $0, 4(%r13)
  ret
  .p2align 4
test_region_load:
  cmpl $0, (%r13); jne 4f
  incq 376(%r13)
  mov 264(%r13), %rax; add $5, %rax; mov 288(%r13), %rcx
  push %rcx
test_load_access:
  mov 16(%r12, %rcx), %rdx
  pop %rcx
  add $1, %rax
  mov %rax, 264(%r13); mov %rdx, 280(%r13)
  jmp *(test_table + 16)(%rip)
test_load_landing:
  pop %rcx
  mov %rax, 264(%r13)
  mov test_table(%rip), %rax; add $0x44, %rax
  mov %rax, 8(%r13); movl $4, 4(%r13)
  ret
4:
  mov test_table(%rip), %rax; add $0x40, %rax
  mov %rax, 8(%r13); movl $0, 4(%r13)
  ret
  .p2align 4
test_region_forever:
  incq 376(%r13)
  mov 264(%r13), %rax
5:
  cmpl $0, (%r13); jne 6f
  add $1, %rax
  jmp 5b
6:
  mov %rax, 264(%r13)
  mov test_table(%rip), %rax; add $0x80, %rax
  mov %rax, 8(%r13); movl $0, 4(%r13)
  ret
  .p2align 4
test_region_step:
  cmpl $0, (%r13); jne 7f
  incq 376(%r13); incq 296(%r13)
  jmp *(test_table + 24)(%rip)
7:
  mov test_table(%rip), %rax; add $0xc0, %rax
  mov %rax, 8(%r13); movl $0, 4(%r13)
  ret
test_step_end:
  .p2align 12
test_text_end:
test_table:
  .quad 0, 0, 0, 0
  .popsection
)");

namespace pyqemu::test {
namespace {

uint32_t in_text(const char *label) {
  return static_cast<uint32_t>(label - test_text_begin);
}

class ArchiveBuilder {
 public:
  ArchiveBuilder(const Pages &code, const ArchiveOptions &options) : code_(code), options_(options) {
    t_.text.assign(test_text_begin, test_text_end);
  }
  std::vector<uint8_t> build();

 private:
  void add(const char *begin, const char *end, std::vector<EntryRec> entries, std::vector<RangeRec> ranges,
           std::vector<ExitRec> exits, std::vector<FaultRec> faults);
  void sign();

  const Pages &code_;
  ArchiveOptions options_;
  ArchiveTables t_;
};

template <typename T>
uint32_t append(std::vector<T> &table, const std::vector<T> &more) {
  const auto first = static_cast<uint32_t>(table.size());
  table.insert(table.end(), more.begin(), more.end());
  return first;
}

void ArchiveBuilder::add(const char *begin, const char *end, std::vector<EntryRec> entries,
                         std::vector<RangeRec> ranges, std::vector<ExitRec> exits,
                         std::vector<FaultRec> faults) {
  RegionRec record = {};
  record.flags = options_.uses_support ? kUsesSupport : 0u;
  record.code = in_text(begin);
  record.code_bytes = static_cast<uint32_t>(end - begin);
  record.entry_count = static_cast<uint32_t>(entries.size());
  record.range_count = static_cast<uint32_t>(ranges.size());
  record.exit_count = static_cast<uint32_t>(exits.size());
  record.fault_count = static_cast<uint32_t>(faults.size());
  record.first_byte = static_cast<uint32_t>(t_.bytes.size());
  for (const RangeRec &range : ranges)
    t_.bytes.append(reinterpret_cast<const char *>(code_.data() + range.guest), range.bytes);
  record.byte_count = static_cast<uint32_t>(t_.bytes.size()) - record.first_byte;
  for (const EntryRec &entry : entries)
    t_.index.push_back({entry.guest, static_cast<uint32_t>(t_.regions.size())});
  record.first_entry = append(t_.entries, entries);
  record.first_range = append(t_.ranges, ranges);
  record.first_exit = append(t_.exits, exits);
  record.first_fault = append(t_.faults, faults);
  t_.regions.push_back(record);
}

// None if the table has fewer.
template <typename T>
std::span<const typename T::value_type> records(const T &table, uint64_t first, uint64_t count) {
  return first + count <= table.size() ? std::span(table).subspan(first, count)
                                       : std::span<const typename T::value_type>();
}

void ArchiveBuilder::sign() {
  auto set = [](uint8_t *mac, const Blake2b::Digest &digest) { memcpy(mac, digest.data(), digest.size()); };
  for (RegionRec &r : t_.regions)
    set(r.mac, Blake2bTree(options_.key)
                   .add(t_.header.digest, sizeof t_.header.digest)
                   .add(&r, sizeof r)
                   .add(records(t_.contexts, r.context, 1))
                   .add(records(t_.entries, r.first_entry, r.entry_count))
                   .add(records(t_.ranges, r.first_range, r.range_count))
                   .add(records(t_.bytes, r.first_byte, r.byte_count))
                   .add(records(t_.exits, r.first_exit, r.exit_count))
                   .add(records(t_.faults, r.first_fault, r.fault_count))
                   .add(records(t_.text, r.code, r.code_bytes))
                   .finish());
  set(t_.header.support_mac, Blake2bTree(options_.key).add(t_.text.data(), t_.header.support).finish());
  if (options_.bad_support) t_.header.support_mac[0] ^= 1;
  set(t_.header.mac, Blake2bTree(options_.key).add(&t_.header, sizeof t_.header).finish());
}

// The index as a table of 2^kIndexBits records.
std::string table_of(const std::vector<IndexRec> &index) {
  constexpr uint32_t kIndexBits = 4;
  std::vector<IndexRec> table(1 << kIndexBits, IndexRec{0, kNoRegion});
  for (const IndexRec &record : index) {
    uint32_t place = index_place(record.guest, kIndexBits);
    while (table[place].region != kNoRegion) place = (place + 1) % table.size();
    table[place] = record;
  }
  return bytes_of(table);
}

std::vector<uint8_t> ArchiveBuilder::build() {
  t_.header.magic = kArchiveMagic;
  t_.header.version = kArchiveVersion;
  t_.header.digest[0] = options_.digest;
  t_.header.features = options_.features;
  t_.contexts = {{{options_.mode}}, {{options_.mode + 1}}};
  t_.header.extent = kModuleBytes;
  t_.header.text_bytes = static_cast<uint32_t>(t_.text.size());
  t_.header.support = in_text(test_region_loop);
  t_.text[in_text(test_loop_step) + 3] = static_cast<char>(options_.loop_step);  // 48 83 c1 ib
  add(test_region_loop, test_region_load,
      {{kLoop, in_text(test_region_loop)}, {kLoop + 4, in_text(test_region_loop)}}, {{kLoop, 16}},
      {{kAfter, 0, 0}}, {});
  t_.entries.pop_back();  // the second entry is nobody's
  t_.regions.back().entry_count--;
  add(test_region_load, test_region_forever, {{kLoad, in_text(test_region_load)}},
      {{kLoad, 8}, {kLoad + 8, 8}}, {{kDone, 0, 0}},
      {{in_text(test_load_access), in_text(test_load_landing), kLoad + 4}});
  add(test_region_forever, test_region_step, {{kForever, in_text(test_region_forever)}}, {{kForever, 8}}, {},
      {});
  add(test_region_step, test_step_end, {{kStep, in_text(test_region_step)}}, {{kStep, 8}}, {{kLoop, 0, 0}},
      {});
  t_.header.exit_count = static_cast<uint32_t>(t_.exits.size());
  if (options_.damage) options_.damage(t_);
  sign();
  std::string header(reinterpret_cast<const char *>(&t_.header), sizeof t_.header);
  return write_elf({{".text", t_.text, 4096},
                    {".pq.archive", header},
                    {".pq.context", bytes_of(t_.contexts)},
                    {".pq.index", table_of(t_.index)},
                    {".pq.region", bytes_of(t_.regions)},
                    {".pq.entry", bytes_of(t_.entries)},
                    {".pq.range", bytes_of(t_.ranges)},
                    {".pq.bytes", t_.bytes},
                    {".pq.exit", bytes_of(t_.exits)},
                    {".pq.fault", bytes_of(t_.faults)},
                    {".pq.str", std::string(1, '\0')}});
}

}  // namespace

void put_module(Pages &code) {
  auto jump = [](uint32_t from, uint32_t to) {
    return word(kB, 0, 0, (static_cast<int32_t>(to) - static_cast<int32_t>(from)) / 4);
  };
  put(code, kLoop / 4,
      {word(kAddi, 2, 2, 3), word(kSubs, 1, 1, 1), word(kBnz, 0, 0, -2), jump(kLoop + 12, kAfter)});
  put(code, kLoad / 4,
      {word(kAddi, 1, 1, 5), word(kLd, 3, 4, 16), word(kAddi, 1, 1, 1), jump(kLoad + 12, kDone)});
  put(code, kForever / 4, {word(kAddi, 1, 1, 1), word(kB, 0, 0, -1)});
  put(code, kStep / 4, {word(kAddi, 5, 5, 1), jump(kStep + 4, kLoop)});
  put(code, kAfter / 4,
      {word(kSubs, 6, 6, 1), word(kBnz, 0, 0, 2), jump(kAfter + 8, kDone), word(kAddi, 1, 0, 10),
       jump(kAgain + 4, kLoop)});
  put(code, kDone / 4, {word(kSvc)});
}

std::vector<uint8_t> build_archive(const Pages &code, const ArchiveOptions &options) {
  return ArchiveBuilder(code, options).build();
}

int file_of(const std::vector<uint8_t> &bytes) {
  const int fd = memfd_create("archive", MFD_CLOEXEC);
  REQUIRE(fd >= 0 && write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  return fd;
}

namespace {

EngineOptions with_regions(EngineOptions options) {
  options.regions = true;
  return options;
}

}  // namespace

RegionMachine::RegionMachine(EngineOptions options, std::optional<ArchiveOptions> archive)
    : Machine(with_regions(options)) {
  put_module(code);
  engine->set_change_check([](void *, uint64_t, size_t) -> size_t { return 0; }, nullptr);
  if (archive) add(build_archive(code, *archive), code.address());
}

const char *RegionMachine::add(const std::vector<uint8_t> &archive, uint64_t origin) {
  const int fd = file_of(archive);
  const char *problem = engine->add_archive(fd, ArchiveOptions().key, origin);
  close(fd);
  return problem;
}

}  // namespace pyqemu::test
