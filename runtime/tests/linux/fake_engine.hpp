// An engine that runs nothing and notes which archives it was given.
#pragma once

#include <unistd.h>

#include <string>
#include <vector>

#include "engine.hpp"

class FakeEngine final : public pyqemu::Engine {
 public:
  struct Added {
    std::string content;  // of the file
    uint64_t origin;
  };
  std::vector<Added> added;

  const char *add_archive(int fd, const pyqemu::ArchiveKey &, uint64_t origin) override {
    char bytes[256];
    const ssize_t size = pread(fd, bytes, sizeof bytes, 0);
    added.push_back({std::string(bytes, size > 0 ? static_cast<size_t>(size) : 0), origin});
    return nullptr;
  }

  pyqemu::CpuHeader *new_cpu(std::string_view) override { return nullptr; }
  pyqemu::CpuHeader *clone_cpu(const pyqemu::CpuHeader *) override { return nullptr; }
  void free_cpu(pyqemu::CpuHeader *) override {}
  void set_fetch_check(pyqemu::FetchCheck, void *) override {}
  void set_change_check(pyqemu::FetchCheck, void *) override {}
  void set_hot(pyqemu::HotBlock, void *) override {}
  pyqemu::StopKind run(pyqemu::CpuHeader *) override { return pyqemu::StopKind::kFailed; }
  void interrupt(pyqemu::CpuHeader *) override {}
  void invalidate(uint64_t, size_t) override {}
  bool guest_pc_of(const pyqemu::CpuHeader *, uintptr_t, uint64_t *) const override { return false; }
  void leave_from_handler(pyqemu::CpuHeader *, void *, uint64_t) override {}
  bool step_over(pyqemu::CpuHeader *) override { return false; }
  bool recover_fetch(void *) override { return false; }
  void before_fork() override {}
  void after_fork(bool) override {}
  void stop_world() override {}
  void resume_world() override {}
  void enter_blocking(pyqemu::CpuHeader *) override {}
  void leave_blocking(pyqemu::CpuHeader *) override {}
  size_t translate(pyqemu::CpuHeader *, uint64_t) override { return 0; }
  pyqemu::EngineStats stats() const override { return {}; }
  const char *error() const override { return nullptr; }
  const pyqemu::Pack &pack() const override { return *pack_; }

 private:
  const pyqemu::Pack *pack_ = nullptr;
};
