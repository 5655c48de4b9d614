// Python module pyqemu_runtime: packs, engines, CPUs and guest memory for tests and tools. No hot path of the
// emulator passes here.
#include <fcntl.h>
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "faults.hpp"
#include "pack_file.hpp"

namespace nb = nanobind;
using namespace nb::literals;
using namespace pyqemu;

namespace {

// Guest memory at a guest address that is this process's own, with `guard` bytes around it that cannot be
// accessed.
class Memory {
 public:
  Memory(size_t size, uint64_t address, size_t guard) : size_(pages(size)), guard_(pages(guard)) {
    int fixed = address != 0 ? MAP_FIXED_NOREPLACE : 0;
    void *memory = mmap(reinterpret_cast<void *>(address - (address != 0 ? guard_ : 0)), size_ + 2 * guard_,
                        PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | fixed, -1, 0);
    if (memory == MAP_FAILED) throw std::runtime_error("no memory there");
    data_ = static_cast<uint8_t *>(memory) + guard_;
    if (mprotect(data_, size_, PROT_READ | PROT_WRITE) == 0) return;
    munmap(memory, size_ + 2 * guard_);
    throw std::runtime_error("not so much memory");
  }
  ~Memory() { munmap(data_ - guard_, size_ + 2 * guard_); }
  Memory(const Memory &) = delete;
  Memory &operator=(const Memory &) = delete;

  uint64_t address() const { return reinterpret_cast<uint64_t>(data_); }
  size_t size() const { return size_; }
  uint8_t *at(uint64_t address, size_t bytes) const {
    if (address < this->address() || address - this->address() > size_ ||
        bytes > size_ - (address - this->address()))
      throw std::out_of_range("beyond the memory");
    return data_ + (address - this->address());
  }

 private:
  static size_t pages(size_t bytes) { return (bytes + 4095) & ~size_t{4095}; }

  uint8_t *data_ = nullptr;
  size_t size_;
  size_t guard_;
};

struct PyPack {
  explicit PyPack(const std::string &path) {
    const char *error = "";
    pack = Pack::open(path.c_str(), &error);
    if (pack == nullptr) throw std::runtime_error(error);
  }
  const PackTables &tables() const { return static_cast<const PackFile &>(*pack).tables(); }

  std::unique_ptr<Pack> pack;
};

struct PyEngine {
  PyEngine(nb::object owner, size_t code_cache_bytes, uint32_t max_block_insns, bool chain, uint64_t membase,
           uint32_t log, bool regions)
      : pack_object(owner), pack(nb::cast<PyPack &>(owner)) {
    EngineOptions options;
    options.code_cache_bytes = code_cache_bytes;
    options.max_block_insns = max_block_insns;
    options.chain = chain;
    options.membase = reinterpret_cast<void *>(membase);
    options.log = log;
    options.regions = regions;
    options.log_context = &log_text;
    options.log_sink = [](void *context, const char *text) { *static_cast<std::string *>(context) += text; };
    const char *error = "";
    engine = Engine::create(*pack.pack, options, &error);
    if (engine == nullptr) throw std::runtime_error(error);
    if (regions) engine->set_change_check([](void *, uint64_t, size_t) { return size_t{0}; }, nullptr);
  }

  void add_archive(const std::string &path, nb::bytes key, uint64_t origin) {
    ArchiveKey copy;
    if (key.size() != copy.size()) throw std::invalid_argument("a key has 32 bytes");
    memcpy(copy.data(), key.c_str(), copy.size());
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) throw std::runtime_error(strerror(errno));
    const char *error = engine->add_archive(fd, copy, origin);
    close(fd);
    if (error != nullptr) throw std::runtime_error(error);
  }

  nb::object pack_object;  // keeps it alive
  PyPack &pack;
  std::string log_text;
  std::unique_ptr<Engine> engine;
};

class PyCpu {
 public:
  PyCpu(nb::object owner, const std::string &model)
      : engine_object_(owner), engine_(nb::cast<PyEngine &>(owner)) {
    cpu_ = engine_.engine->new_cpu(model);
    if (cpu_ == nullptr) throw std::invalid_argument("no such CPU model");
  }
  ~PyCpu() { engine_.engine->free_cpu(cpu_); }
  PyCpu(const PyCpu &) = delete;
  PyCpu &operator=(const PyCpu &) = delete;

  CpuHeader *cpu() const { return cpu_; }
  size_t state_bytes() const { return engine_.pack.pack->header().state_bytes; }

  nb::int_ get(const std::string &name, uint32_t index) const {
    RegRef reg = find(name, index);
    const size_t bytes = (reg.width + 7u) / 8;
    return nb::steal<nb::int_>(nb::handle(_PyLong_FromByteArray(state() + reg.offset, bytes, 1, 0)));
  }
  void set(const std::string &name, nb::int_ value, uint32_t index) {
    RegRef reg = find(name, index);
    if (nb::cast<size_t>(value.attr("bit_length")()) > reg.width || value < nb::int_(0))
      throw std::invalid_argument("the value does not fit the register");
    nb::bytes raw = nb::cast<nb::bytes>(value.attr("to_bytes")((reg.width + 7u) / 8, "little"));
    memcpy(state() + reg.offset, raw.c_str(), raw.size());
  }

  const char *run() {
    StopKind stop;
    {
      nb::gil_scoped_release release;
      stop = binding::run_guarded(*engine_.engine, cpu_, &fault_signal, &fault_address);
    }
    if (fault_signal != 0) return "fault";
    switch (stop) {
      case StopKind::kInterrupted:
        return "interrupted";
      case StopKind::kException:
        return "exception";
      case StopKind::kBadFetch:
        return "bad fetch";
      case StopKind::kFailed:
        break;
    }
    throw std::runtime_error(engine_.engine->error());
  }
  void interrupt() { engine_.engine->interrupt(cpu_); }
  void step_over() {
    if (!engine_.engine->step_over(cpu_)) throw std::runtime_error("the instruction cannot be fetched");
  }

  nb::object exception() const {
    const PackTables &tables = engine_.pack.tables();
    if (cpu_->exception >= tables.exc.size()) return nb::none();
    return nb::str(tables.string(tables.exc[cpu_->exception].name));
  }
  std::vector<uint64_t> exception_args() const {
    const PackTables &tables = engine_.pack.tables();
    uint32_t count = cpu_->exception < tables.exc.size() ? tables.exc[cpu_->exception].argument_count : 0;
    return {cpu_->exc_args, cpu_->exc_args + (count < 4 ? count : 4)};
  }
  uint64_t &context(const std::string &name) const {
    const PackHeader &header = engine_.pack.pack->header();
    for (uint32_t i = 0; i < header.context_count; i++)
      if (name == engine_.pack.pack->string(header.context_name[i])) return cpu_->context[i];
    throw nb::key_error(name.c_str());
  }

  int fault_signal = 0;
  uint64_t fault_address = 0;

 private:
  uint8_t *state() const { return reinterpret_cast<uint8_t *>(cpu_); }
  RegRef find(const std::string &name, uint32_t index) const {
    auto reg = engine_.pack.pack->reg(name, index);
    if (!reg) throw nb::key_error(name.c_str());
    return *reg;
  }

  nb::object engine_object_;
  PyEngine &engine_;
  CpuHeader *cpu_;
};

std::vector<std::tuple<std::string, uint32_t, uint32_t>> registers(const PyPack &pack) {
  std::vector<std::tuple<std::string, uint32_t, uint32_t>> result;
  for (const RegRec &reg : pack.tables().reg)
    result.emplace_back(pack.pack->string(reg.name), reg.width, reg.count);
  return result;
}

nb::dict stats(const PyEngine &engine) {
  EngineStats stats = engine.engine->stats();
  nb::dict result;
  result["blocks"] = stats.blocks;
  result["guest_insns"] = stats.guest_insns;
  result["guest_bytes"] = stats.guest_bytes;
  result["host_bytes"] = stats.host_bytes;
  result["flushes"] = stats.flushes;
  result["invalidations"] = stats.invalidations;
  result["translate_ns"] = stats.translate_ns;
  result["regions"] = stats.regions;
  result["regions_refused"] = stats.regions_refused;
  return result;
}

}  // namespace

NB_MODULE(pyqemu_runtime, module) {
  module.doc() = "pyqemu's execution engine, for tests and tools";
  nb::class_<Memory>(
      module, "Memory",
      "Guest memory of `size` bytes at `address` (0: anywhere), and `guard` bytes on both sides of it "
      "whose access is a fault.")
      .def(nb::init<size_t, uint64_t, size_t>(), "size"_a, "address"_a = 0, "guard"_a = 0)
      .def_prop_ro("address", &Memory::address)
      .def_prop_ro("size", &Memory::size)
      .def(
          "read",
          [](const Memory &memory, uint64_t address, size_t bytes) {
            return nb::bytes(reinterpret_cast<const char *>(memory.at(address, bytes)), bytes);
          },
          "address"_a, "size"_a)
      .def(
          "write",
          [](const Memory &memory, uint64_t address, nb::bytes data) {
            memcpy(memory.at(address, data.size()), data.c_str(), data.size());
          },
          "address"_a, "data"_a)
      .def(
          "view",
          [](nb::handle self) {
            const Memory &memory = nb::cast<const Memory &>(self);
            char *data = reinterpret_cast<char *>(memory.at(memory.address(), memory.size()));
            return nb::steal(
                PyMemoryView_FromMemory(data, static_cast<Py_ssize_t>(memory.size()), PyBUF_WRITE));
          },
          nb::keep_alive<0, 1>(), "A writable memoryview of all of it.");
  nb::class_<PyPack>(module, "Pack")
      .def(nb::init<const std::string &>(), "path"_a)
      .def_prop_ro("architecture",
                   [](const PyPack &pack) { return pack.pack->string(pack.pack->header().arch_name); })
      .def_prop_ro("registers", &registers, "(name, width in bits, number of elements) of each")
      .def(
          "value",
          [](const PyPack &pack, const std::string &key) -> nb::object {
            const char *value = pack.pack->value(key);
            return value != nullptr ? nb::object(nb::str(value)) : nb::none();
          },
          "key"_a);
  nb::class_<PyEngine>(module, "Engine")
      .def(nb::init<nb::object, size_t, uint32_t, bool, uint64_t, uint32_t, bool>(), "pack"_a,
           "code_cache_bytes"_a = 16u << 20, "max_block_insns"_a = 64, "chain"_a = true, "membase"_a = 0,
           "log"_a = 0, "regions"_a = false,
           "`regions`: archives may be added; no guest code changes then without a call of invalidate.")
      .def("add_archive", &PyEngine::add_archive, "path"_a, "key"_a, "origin"_a,
           "Lets the optimised regions of the archive at `path` be used for the module at guest address "
           "`origin`.")
      .def(
          "invalidate",
          [](PyEngine &engine, uint64_t address, size_t size) { engine.engine->invalidate(address, size); },
          "address"_a, "size"_a)
      .def(
          "translate",
          [](PyEngine &engine, PyCpu &cpu, uint64_t pc) { return engine.engine->translate(cpu.cpu(), pc); },
          "cpu"_a, "pc"_a, "Translates one block; the guest bytes that it covers.")
      .def_prop_ro("stats", &stats)
      .def_prop_ro(
          "log", [](PyEngine &engine) { return engine.log_text; }, "What was logged of translated blocks.");
  nb::class_<PyCpu>(module, "Cpu")
      .def(nb::init<nb::object, const std::string &>(), "engine"_a, "model"_a = "")
      .def("get", &PyCpu::get, "name"_a, "index"_a = 0)
      .def("set", &PyCpu::set, "name"_a, "value"_a, "index"_a = 0)
      .def(
          "get_context", [](const PyCpu &cpu, const std::string &name) { return cpu.context(name); },
          "name"_a)
      .def(
          "set_context",
          [](PyCpu &cpu, const std::string &name, uint64_t value) { cpu.context(name) = value; }, "name"_a,
          "value"_a)
      .def_prop_rw(
          "pc", [](const PyCpu &cpu) { return cpu.cpu()->pc; },
          [](PyCpu &cpu, uint64_t pc) { cpu.cpu()->pc = pc; })
      .def_prop_rw(
          "host_fp", [](const PyCpu &cpu) { return cpu.cpu()->host_fp; },
          [](PyCpu &cpu, uint32_t value) { cpu.cpu()->host_fp = value; })
      .def_prop_rw(
          "fp_extra", [](const PyCpu &cpu) { return cpu.cpu()->fp_extra; },
          [](PyCpu &cpu, uint32_t value) { cpu.cpu()->fp_extra = value; })
      .def_prop_rw(
          "fp_mode", [](const PyCpu &cpu) { return cpu.cpu()->fp_mode; },
          [](PyCpu &cpu, uint32_t value) { cpu.cpu()->fp_mode = value; })
      .def_prop_ro(
          "address", [](const PyCpu &cpu) { return reinterpret_cast<uint64_t>(cpu.cpu()); },
          "Where the CPU is in this process.")
      .def_prop_ro(
          "state",
          [](nb::handle self) {
            const PyCpu &cpu = nb::cast<const PyCpu &>(self);
            return nb::steal(PyMemoryView_FromMemory(reinterpret_cast<char *>(cpu.cpu()),
                                                     static_cast<Py_ssize_t>(cpu.state_bytes()),
                                                     PyBUF_WRITE));
          },
          nb::keep_alive<0, 1>(), "A writable memoryview of its header and registers (docs/pack.md).")
      .def_prop_ro("exception", &PyCpu::exception, "Name of the exception that stopped the CPU.")
      .def_prop_ro("exception_args", &PyCpu::exception_args)
      .def_ro("fault_signal", &PyCpu::fault_signal)
      .def_ro("fault_address", &PyCpu::fault_address)
      .def("run", &PyCpu::run,
           "Until something stops it: 'exception', 'bad fetch', 'fault' or 'interrupted'.")
      .def("step_over", &PyCpu::step_over, "Goes on behind the instruction that raised an exception.")
      .def("interrupt", &PyCpu::interrupt);
}
