// What tests run the test pack with: memory in pages, an engine and a CPU.
#include <sys/mman.h>

#include <cstring>

#include "check.hpp"
#include "test_pack.hpp"

namespace pyqemu::test {

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
