// The engine's parts put together. Its methods are in engine.cpp (CPUs, forks, faults), executor.cpp (the run
// loop, translation on demand), install.cpp (optimised regions) and invalidate.cpp (guest code that changes,
// flushes).
#pragma once

#include <array>
#include <atomic>
#include <cstring>
#include <ctime>
#include <memory>

#include "block_table.hpp"
#include "chaining.hpp"
#include "code_cache.hpp"
#include "decoder.hpp"
#include "engine.hpp"
#include "pack_file.hpp"
#include "regions.hpp"
#include "translator.hpp"
#include "world.hpp"

namespace pyqemu {

class EngineImpl final : public Engine {
 public:
  EngineImpl(const PackFile &pack, const EngineOptions &options);
  const char *prepare();  // null, or what is wrong

  CpuHeader *new_cpu(std::string_view model) override;
  CpuHeader *clone_cpu(const CpuHeader *from) override;
  void free_cpu(CpuHeader *cpu) override;
  void set_fetch_check(FetchCheck check, void *context) override;
  void set_change_check(FetchCheck check, void *context) override;
  void set_hot(HotBlock hot, void *context) override {
    hot_ = hot;
    hot_context_ = context;
  }
  StopKind run(CpuHeader *cpu) override;
  void interrupt(CpuHeader *cpu) override;
  void invalidate(uint64_t address, size_t bytes) override;
  bool guest_pc_of(const CpuHeader *cpu, uintptr_t host_pc, uint64_t *guest_pc) const override;
  void leave_from_handler(CpuHeader *cpu, void *ucontext, uint64_t guest_pc) override;
  bool recover_fetch(void *ucontext) override;
  bool step_over(CpuHeader *cpu) override;
  void before_fork() override;
  void after_fork(bool child) override;
  void stop_world() override { world_.stop(); }
  void resume_world() override { world_.resume(); }
  void enter_blocking(CpuHeader *) override {}
  void leave_blocking(CpuHeader *) override { world_.wait_until_running(); }
  const char *add_archive(int fd, const ArchiveKey &key, uint64_t origin) override;
  size_t translate(CpuHeader *cpu, uint64_t pc) override;
  EngineStats stats() const override;
  const char *error() const override { return error_.load(); }
  const Pack &pack() const override { return pack_; }

 private:
  struct Check {
    FetchCheck function = nullptr;
    void *context = nullptr;

    size_t operator()(uint64_t address, size_t bytes, size_t otherwise) const {
      if (function == nullptr) return otherwise;
      size_t answer = function(context, address, bytes);
      return answer < bytes ? answer : bytes;
    }
  };
  // How far an exit that was taken got: it is to be chained to the block that the loop finds next.
  struct Taken {
    uint32_t slot = kNone;
    uint64_t epoch = 0;
    bool looked_up = false;  // an indirect jump: fill the jump cache
  };

  static Thread &thread_of(const CpuHeader *cpu) { return *reinterpret_cast<Thread *>(cpu->owner); }

  const void *host_pointer(uint64_t guest) const {
    return reinterpret_cast<const void *>(reinterpret_cast<uintptr_t>(options_.membase) + guest);
  }

  StopKind loop(Thread &thread);
  uint32_t find_or_translate(Thread &thread, uint64_t pc);
  uint32_t translate_locked(Thread &thread, uint64_t pc, size_t available, size_t changeable);
  bool serve_poll(Thread &thread);
  void connect(Thread &thread, const Taken &taken, uint32_t block);
  void leave_head(Thread &thread, uint32_t block);
  void report_hot(Thread &thread, uint32_t block);
  void remember_target(Thread &thread, uint32_t block);
  bool refresh_context(Thread &thread);
  void take_context(CpuHeader *cpu, uint32_t context) const;
  bool code_offset(const CpuHeader *cpu, uintptr_t host_pc, uint32_t *offset) const;
  void empty_jump_cache(Thread &thread);
  void drop_changed_code(Thread &thread);
  bool guest_code_is(uint64_t address, std::span<const uint8_t> expected) const;
  void retire(uint32_t block);
  void drop(uint32_t block);
  void flush(Thread &thread);
  void clear_all();
  CpuHeader *make_cpu(uint64_t features);

  uint32_t find_region(Thread &thread, uint64_t pc);
  bool make_way(uint64_t pc);
  bool may_install(std::span<const RangeRec> ranges, uint64_t origin) const;
  bool has_code_of(const RegionChoice &choice) const;
  bool room_for(const RegionParts &parts) const;
  uint32_t install(const RegionChoice &choice, uint32_t context, uint64_t pc);
  uint32_t add_exits(const MappedArchive &archive, const RegionParts &parts);
  void add_entry(const MappedArchive &archive, const EntryRec &entry, uint32_t region, uint32_t context);
  void uninstall(uint32_t number);

  const PackFile &pack_;
  const PackTables &tables_;
  EngineOptions options_;
  Check fetch_check_, change_check_;
  HotBlock hot_ = nullptr;
  void *hot_context_ = nullptr;
  mutable World world_;
  BlockTable blocks_;
  std::unique_ptr<CodeCache> cache_;
  std::unique_ptr<Regions> regions_;
  Profile profile_;
  Decoder decoder_;
  std::unique_ptr<Translator> translator_;
  Contexts contexts_;
  uint64_t (*enter_)(CpuHeader *cpu, void *membase, uintptr_t code) = nullptr;
  std::atomic<const char *> error_{nullptr};
  std::atomic<uint64_t> retired_{0};        // by CPUs that are no more
  std::atomic<uint64_t> epoch_{0};          // counts flushes
  std::atomic<uint64_t> invalidations_{0};  // counts calls of invalidate
  void *fork_copy_ = nullptr;
  std::array<uint8_t, kMaxFetchBytes> fetched_;
  uint64_t flushes_ = 0, dropped_ = 0, installs_ = 0;
  uint64_t translate_ticks_ = 0, first_tick_ = 0;
  timespec first_time_ = {};
};

}  // namespace pyqemu
