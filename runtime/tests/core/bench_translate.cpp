// Measures start-up and translation, without running: ns per guest instruction and per block.
// `bench_translate [PACK CODE]` takes a real pack, and a file of guest code of which blocks are formed one
// after the other.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cinttypes>
#include <cstring>
#include <ctime>

#include "check.hpp"
#include "test_pack.hpp"

using namespace pyqemu;
using namespace pyqemu::test;

namespace {

// CPU time of this thread, so that a busy machine disturbs less.
double now() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

void sweep(const Pack &pack, uint64_t begin, uint64_t end) {
  const char *error = "";
  double start = now();
  auto engine = Engine::create(pack, {}, &error);
  if (engine == nullptr) {
    fprintf(stderr, "%s\n", error);
    exit(1);
  }
  engine->set_change_check([](void *, uint64_t, size_t) -> size_t { return 0; },
                           nullptr);  // as for a program's text
  CpuHeader *cpu = engine->new_cpu("");
  double created = now();
  for (int turn = 0; turn < 3; turn++) {
    const EngineStats before = engine->stats();
    double from = now();
    for (uint64_t pc = begin; pc < end;) {
      size_t bytes = engine->translate(cpu, pc);
      pc += bytes != 0 ? bytes : 4;
    }
    double took = now() - from;
    const EngineStats after = engine->stats();
    const double insns = static_cast<double>(after.guest_insns - before.guest_insns);
    printf("turn %d: %.0f insns, %" PRIu64
           " blocks, %.1f ns/insn, %.1f ns/insn inside, %.1f ns/block, %.1f host bytes/insn\n",
           turn, insns, after.blocks - before.blocks, took / insns,
           static_cast<double>(after.translate_ns - before.translate_ns) / insns,
           took / static_cast<double>(after.blocks - before.blocks),
           static_cast<double>(after.host_bytes - before.host_bytes) / insns);
    engine->invalidate(begin, end - begin);
    if (engine->error() != nullptr) fprintf(stderr, "%s\n", engine->error());
  }
  printf("engine and CPU created in %.0f us\n", (created - start) / 1000);
  engine->free_cpu(cpu);
}

}  // namespace

int main(int argc, char **argv) {
  const char *error = "";
  if (argc == 3) {
    double start = now();
    auto pack = Pack::open(argv[1], &error);
    if (pack == nullptr) {
      fprintf(stderr, "%s\n", error);
      return 1;
    }
    printf("pack opened in %.0f us\n", (now() - start) / 1000);
    int fd = open(argv[2], O_RDONLY | O_CLOEXEC);
    struct stat info = {};
    REQUIRE(fd >= 0 && fstat(fd, &info) == 0);
    void *code = mmap(nullptr, static_cast<size_t>(info.st_size), PROT_READ, MAP_PRIVATE, fd, 0);
    REQUIRE(code != MAP_FAILED);
    sweep(*pack, reinterpret_cast<uint64_t>(code),
          reinterpret_cast<uint64_t>(code) + static_cast<uint64_t>(info.st_size));
    return 0;
  }
  Machine m;
  constexpr size_t kWords = 200000;
  Pages code(kWords * 4);
  uint32_t seed = 1;
  for (size_t i = 0; i < kWords; i++) {
    seed = seed * 1664525 + 1013904223;
    static constexpr Op kMix[] = {kAddi, kAddi, kSubs, kLd, kSt, kXori, kModal, kGuarded};
    const uint32_t r = seed >> 8;
    put(code, i,
        {i % 6 == 5 ? word(kBz, 0, 0, 20)
                    : word(kMix[r % 8], r >> 3 & 15, r >> 7 & 15, static_cast<int32_t>(r >> 9))});
  }
  sweep(*m.pack, code.address(), code.address() + kWords * 4);
  return 0;
}
