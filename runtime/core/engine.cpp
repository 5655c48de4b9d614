// Creation of the engine, CPUs, mapping of host faults, forks, statistics.
#include "engine.hpp"

#include <sys/mman.h>

#include <cstring>

#include "cpu_model.hpp"
#include "engine_impl.hpp"
#include "host_code.hpp"

namespace pyqemu {
namespace {

constexpr size_t kCpuBytes = kJumpCacheOffset + kJumpCacheEntries * sizeof(JumpCacheEntry);
constexpr uint32_t kInitialMxcsr = 0x1f80;
constexpr uint32_t kForkCopyLimit = 32u << 20;  // a child of more than this starts with an empty cache

uint64_t nanoseconds_between(const timespec &from, const timespec &to) {
  return static_cast<uint64_t>(to.tv_sec - from.tv_sec) * 1000000000u + static_cast<uint64_t>(to.tv_nsec) -
         static_cast<uint64_t>(from.tv_nsec);
}

}  // namespace

std::unique_ptr<Engine> Engine::create(const Pack &pack, const EngineOptions &options, const char **error) {
  auto engine = std::make_unique<EngineImpl>(static_cast<const PackFile &>(pack), options);
  const char *problem = engine->prepare();
  if (problem == nullptr) return engine;
  if (error != nullptr) *error = problem;
  return nullptr;
}

EngineImpl::EngineImpl(const PackFile &pack, const EngineOptions &options)
    : pack_(pack), tables_(pack.tables()), options_(options), decoder_(tables_), contexts_(tables_) {}

const char *EngineImpl::prepare() {
  const char *problem = nullptr;
  cache_ = CodeCache::create(options_.code_cache_bytes, options_.regions,
                             tables_.image.first(tables_.header->image_bytes), &problem);
  if (cache_ == nullptr) return problem;
  regions_ = std::make_unique<Regions>(*cache_);
  if (!blocks_.reserve(cache_->size(), tables_.header->pc_shift) || !contexts_.reserve() ||
      !profile_.prepare(options_.count ? 0 : options_.hot_threshold, blocks_.blocks.capacity()))
    return "no memory for the engine's tables";
  if ((problem = decoder_.prepare()) != nullptr) return problem;
  translator_ =
      std::make_unique<Translator>(tables_, options_, *cache_, blocks_, decoder_, contexts_, profile_);
  if ((problem = translator_->prepare()) != nullptr) return problem;
  const uintptr_t enter = cache_->address(tables_.header->enter);
  memcpy(&enter_, &enter, sizeof enter);
  first_tick_ = host::ticks();
  clock_gettime(CLOCK_MONOTONIC, &first_time_);
  return nullptr;
}

CpuHeader *EngineImpl::make_cpu(uint64_t features) {
  void *memory =
      mmap(nullptr, kCpuBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  auto *cpu = static_cast<CpuHeader *>(memory);
  cpu->host_fp = kInitialMxcsr;
  auto *thread = new Thread;
  thread->cpu = cpu;
  empty_jump_cache(*thread);
  thread->features = features;
  cpu->owner = reinterpret_cast<uint64_t>(thread);
  world_.add(thread);
  return cpu;
}

CpuHeader *EngineImpl::new_cpu(std::string_view model) {
  CpuModel found;
  std::string error;
  if (!find_cpu_model(tables_, model, &found, &error)) return nullptr;
  CpuHeader *cpu = make_cpu(found.features);
  if (cpu != nullptr) reset_registers(tables_, found, cpu);
  return cpu;
}

CpuHeader *EngineImpl::clone_cpu(const CpuHeader *from) {
  CpuHeader *cpu = make_cpu(thread_of(from).features);
  if (cpu == nullptr) return nullptr;
  const uint64_t owner = cpu->owner;
  memcpy(static_cast<void *>(cpu), from, sizeof(CpuHeader));
  memcpy(reinterpret_cast<char *>(cpu) + kStateOffset, reinterpret_cast<const char *>(from) + kStateOffset,
         tables_.header->state_bytes - kStateOffset);
  cpu->owner = owner;
  cpu->poll = 0;
  memset(cpu->runtime, 0, sizeof cpu->runtime);
  cpu->retired = 0;
  return cpu;
}

void EngineImpl::free_cpu(CpuHeader *cpu) {
  Thread *thread = &thread_of(cpu);
  world_.remove(thread);
  retired_ += cpu->retired;
  delete thread;
  munmap(cpu, kCpuBytes);
}

void EngineImpl::set_fetch_check(FetchCheck check, void *context) {
  fetch_check_ = {check, context};
}

void EngineImpl::set_change_check(FetchCheck check, void *context) {
  change_check_ = {check, context};
}

void EngineImpl::interrupt(CpuHeader *cpu) {
  thread_of(cpu).interrupted.store(1);
  request_poll(cpu);
}

bool EngineImpl::guest_pc_of(const CpuHeader *cpu, uintptr_t host_pc, uint64_t *guest_pc) const {
  const MappedArchive *archive = nullptr;
  if (const FaultRec *fault = regions_->fault(host_pc, &archive)) {
    *guest_pc = archive->origin + fault->guest;
    return true;
  }
  uint32_t offset;
  return code_offset(cpu, host_pc, &offset) && blocks_.guest_pc(offset, guest_pc);
}

// Where in the code cache guest code is being run; false if it is not.
bool EngineImpl::code_offset(const CpuHeader *cpu, uintptr_t host_pc, uint32_t *offset) const {
  if (!cache_->contains(host_pc)) return false;
  *offset = cache_->offset(host_pc);
  if (!cache_->is_image(*offset)) return true;
  const uintptr_t caller = cpu->runtime[1];  // a helper: its thunk has told where it was called from
  if (!cache_->contains(caller) || cache_->is_image(cache_->offset(caller))) return false;
  *offset = cache_->offset(caller) - 1;
  return true;
}

// In a region the code at the landing does all the rest.
void EngineImpl::leave_from_handler(CpuHeader *cpu, void *ucontext, uint64_t guest_pc) {
  const MappedArchive *archive = nullptr;
  if (const FaultRec *fault = regions_->fault(host::context_pc(ucontext), &archive))
    return host::go_on_at(ucontext, cache_->address(archive->text + fault->landing));
  uint32_t offset;
  if (code_offset(cpu, host::context_pc(ucontext), &offset))
    if (const uint32_t context = blocks_.guest_context(offset); context != kNone) take_context(cpu, context);
  if (options_.count) cpu->retired--;  // the block's last, and it will be run again
  cpu->pc = guest_pc;
  cpu->exit_reason = kExitLeft;
  host::leave_to(ucontext, cache_->return_address(), cpu->runtime[0]);
}

bool EngineImpl::recover_fetch(void *ucontext) {
  return host::recover_fetch(ucontext);
}

// The copy is made before the fork: afterwards other threads of the parent change the shared memory again.
void EngineImpl::before_fork() {
  world_.lock();
  fork_copy_ = cache_->used() <= kForkCopyLimit ? cache_->copy() : nullptr;
}

void EngineImpl::after_fork(bool child) {
  if (child) {
    world_.forget_others();
    world_.for_each([](CpuHeader *cpu) { cpu->retired = 0; });
    retired_ = 0;
    const bool whole = fork_copy_ != nullptr;
    if (whole ? !cache_->adopt(fork_copy_) : !cache_->renew(tables_.image.first(tables_.header->image_bytes)))
      error_.store("no executable memory for the code cache of a forked child");
    if (!whole) clear_all();
  } else if (fork_copy_ != nullptr) {
    cache_->discard(fork_copy_);
  }
  fork_copy_ = nullptr;
  world_.unlock();
}

EngineStats EngineImpl::stats() const {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  const double ticks = static_cast<double>(host::ticks() - first_tick_);
  const double nanoseconds = static_cast<double>(nanoseconds_between(first_time_, now));
  EngineStats stats = {};
  stats.blocks = translator_->blocks_made();
  stats.guest_insns = translator_->guest_insns();
  stats.guest_bytes = translator_->guest_bytes();
  stats.host_bytes = translator_->host_bytes();
  stats.flushes = flushes_;
  stats.invalidations = dropped_;
  stats.retired = retired_;
  world_.lock();
  world_.for_each([&](const CpuHeader *cpu) { stats.retired += cpu->retired; });
  world_.unlock();
  stats.counters_run_out = profile_.times_run_out();
  stats.regions = installs_;
  stats.regions_refused = regions_->refused;
  stats.translate_ns =
      ticks > 0 ? static_cast<uint64_t>(static_cast<double>(translate_ticks_) / ticks * nanoseconds) : 0;
  return stats;
}

}  // namespace pyqemu
