// A forked child has its own code cache: what it translates, chains and drops does not change the parent's.
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "check.hpp"
#include "test_pack.hpp"

using namespace pyqemu;
using namespace pyqemu::test;

namespace {

void loop_code(Pages &code, int32_t step) {
  put(code, 0,
      {word(kAddi, 1, 0, 100), word(kAddi, 2, 2, step), word(kSubs, 1, 1, 1), word(kBz, 0, 0, 2),
       word(kB, 0, 0, -3), word(kSvc)});
}

int child_of(Machine &m, Pages &code) {
  for (int32_t step = 2; step < 5; step++) {
    loop_code(code, step);
    m.engine->invalidate(code.address(), 4096);
    reg(m.cpu, 2) = 0;
    CHECK(m.run_at(code.address()) == StopKind::kException);
    CHECK(reg(m.cpu, 2) == 100u * static_cast<uint64_t>(step));
  }
  return result();
}

void fork_once(Machine &m, Pages &code) {
  m.engine->before_fork();
  const pid_t child = fork();
  m.engine->after_fork(child == 0);
  if (child == 0) _exit(child_of(m, code));
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
}

// Parent and child translate different code in turn: each finds what it has made unchanged.
void in_turn(Machine &m) {
  Pages mine(4096);
  int to_child[2], to_parent[2];
  REQUIRE(pipe(to_child) == 0 && pipe(to_parent) == 0);
  m.engine->before_fork();
  const pid_t child = fork();
  m.engine->after_fork(child == 0);
  const int in = child == 0 ? to_child[0] : to_parent[0], out = child == 0 ? to_parent[1] : to_child[1];
  const int32_t base = child == 0 ? 1000 : 2000;
  char token = 0;
  if (child != 0) CHECK(write(out, &token, 1) == 1);
  for (int32_t turn = 0; turn < 20; turn++) {
    CHECK(read(in, &token, 1) == 1);
    const size_t at = static_cast<size_t>(turn) * 4;
    put(mine, at, {word(kAddi, 1, 0, base + turn), word(kB, 0, 0, 1), word(kSvc)});
    for (int32_t earlier = 0; earlier <= turn; earlier++) {
      CHECK(m.run_at(mine.address() + static_cast<uint64_t>(earlier) * 16) == StopKind::kException);
      CHECK(reg(m.cpu, 1) == static_cast<uint64_t>(base + earlier));
    }
    CHECK(write(out, &token, 1) == 1);
  }
  if (child == 0) _exit(result());
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  for (int fd : {to_child[0], to_child[1], to_parent[0], to_parent[1]}) close(fd);
  m.engine->invalidate(mine.address(), mine.size());  // other code may come to lie there
}

}  // namespace

int main() {
  Machine m;
  Pages code(4096);
  loop_code(code, 1);
  for (int turn = 0; turn < 3; turn++) {
    reg(m.cpu, 2) = 0;
    CHECK(m.run_at(code.address()) == StopKind::kException && reg(m.cpu, 2) == 100);
    fork_once(m, code);
  }
  in_turn(m);
  // While another thread runs, and while the world is stopped.
  CpuHeader *other = m.engine->new_cpu("");
  Pages endless(4096);
  put(endless, 0, {word(kAddi, 1, 1, 1), word(kB, 0, 0, -1)});
  other->pc = endless.address();
  std::thread runner([&] { CHECK(m.engine->run(other) == StopKind::kInterrupted); });
  while (__atomic_load_n(&reg(other, 1), __ATOMIC_RELAXED) == 0) std::this_thread::yield();
  for (int turn = 0; turn < 10; turn++) fork_once(m, code);
  m.engine->stop_world();
  fork_once(m, code);
  m.engine->resume_world();
  m.engine->interrupt(other);
  runner.join();
  m.engine->free_cpu(other);
  reg(m.cpu, 2) = 0;
  CHECK(m.run_at(code.address()) == StopKind::kException && reg(m.cpu, 2) == 100);
  return result();
}
