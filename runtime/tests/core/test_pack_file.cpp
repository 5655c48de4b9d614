// Opening packs: look-ups by name, and damage of every kind, which must never crash.
#include <unistd.h>

#include <cstring>
#include <random>

#include "check.hpp"
#include "test_pack.hpp"

using namespace pyqemu;
using namespace pyqemu::test;

namespace {

std::unique_ptr<Pack> open_bytes(const Pages &pages, size_t bytes) {
  const char *error = nullptr;
  auto pack = Pack::from_memory({pages.data(), bytes}, &error);
  CHECK((pack == nullptr) == (error != nullptr));
  return pack;
}

void look_up() {
  const auto bytes = build_pack();
  char path[] = "/tmp/pyqemu-test-XXXXXX";
  int fd = mkstemp(path);
  REQUIRE(fd >= 0 && write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  close(fd);
  const char *error = "";
  auto pack = Pack::open(path, &error);
  unlink(path);
  REQUIRE(pack != nullptr);
  CHECK(pack->reg("R", 3)->offset == kRegisters + 24 && pack->reg("R", 3)->width == 64);
  CHECK(pack->reg("Z")->offset == kFlagZ && pack->reg("Z")->width == 1);
  CHECK(!pack->reg("R", 16) && !pack->reg("Q"));
  CHECK(pack->exception("svc") == 1u && !pack->exception("other"));
  CHECK(std::string_view(pack->value("syscall.64")) == "write");
  CHECK(std::string_view(pack->value("abi")) == "test");
  CHECK(pack->value("syscall.65") == nullptr && pack->value("") == nullptr && pack->value("zz") == nullptr);
  CHECK(Pack::open("/nonexistent/pack", &error) == nullptr);
  CHECK(Pack::open("/", &error) == nullptr);
}

void truncated() {
  const auto bytes = build_pack();
  Pages pages(bytes.size());
  memcpy(pages.data(), bytes.data(), bytes.size());
  for (size_t length = 0; length < bytes.size(); length += 37) CHECK(open_bytes(pages, length) == nullptr);
  CHECK(open_bytes(pages, bytes.size()) != nullptr);
}

// Damages tables (but no host code): either that is seen, or something else is translated; no worse.
void damaged() {
  const auto bytes = build_pack();
  Pages pages(bytes.size());
  Pages code(4096);
  std::mt19937 random(7);
  int opened = 0, refused = 0;
  for (int round = 0; round < 1500; round++) {
    memcpy(pages.data(), bytes.data(), bytes.size());
    for (int k = 0; k < 1 + round % 4; k++) {
      size_t at = random() % bytes.size();
      pages.data()[at] = static_cast<uint8_t>(random() % 3 == 0 ? 0xff : random());
    }
    const char *error = nullptr;
    auto pack = Pack::from_memory({pages.data(), bytes.size()}, &error);
    if (pack == nullptr) {
      refused++;
      continue;
    }
    opened++;
    EngineOptions options;
    options.code_cache_bytes = 1 << 19;
    auto engine = Engine::create(*pack, options, &error);
    if (engine == nullptr) continue;
    CpuHeader *cpu = engine->new_cpu("");
    for (uint32_t i = 0; i < 64; i++) {
      code.words()[i] =
          random() % 2 ? word(static_cast<Op>(i % 20), 3, 4, 8) : static_cast<uint32_t>(random());
      engine->translate(cpu, code.address() + 4 * i);
    }
    engine->free_cpu(cpu);
  }
  CHECK(opened > 100 && refused > 100);
}

}  // namespace

int main() {
  look_up();
  truncated();
  damaged();
  return result();
}
