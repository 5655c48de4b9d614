// The initial stack, laid out as the kernel's create_elf_tables does.
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "features.hpp"
#include "guest_memory.hpp"
#include "loader.hpp"
#include "log.hpp"

namespace pyqemu::user {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kDefaultStack = 8u << 20, kSmallestStack = 128u << 10, kLargestStack = uint64_t{1} << 30;

uint64_t stack_bytes(const Options &options) {
  uint64_t bytes = options.stack_bytes;
  if (!bytes) {
    rlimit limit;
    bytes = getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY ? limit.rlim_cur
                                                                                    : kDefaultStack;
  }
  return std::clamp(bytes, kSmallestStack, kLargestStack) & ~(kPage - 1);
}

std::vector<const char *> guest_environment(const Options &options) {
  std::vector<const char *> result;
  auto name_length = [](const char *entry) {
    const char *equals = strchr(entry, '=');
    return equals ? static_cast<size_t>(equals - entry) : strlen(entry);
  };
  auto drop = [&](const char *name) {
    size_t length = name_length(name);
    std::erase_if(result, [&](const char *entry) {
      return name_length(entry) == length && memcmp(entry, name, length) == 0;
    });
  };
  for (char **entry = environ; *entry; entry++) result.push_back(*entry);
  for (const char *name : options.unset_env) drop(name);
  for (const char *entry : options.set_env) {
    drop(entry);
    result.push_back(entry);
  }
  return result;
}

// Writes downwards from the top of the stack.
struct Pusher {
  uint64_t at;

  uint64_t bytes(const void *data, size_t size) {
    at -= size;
    memcpy(host_pointer(at), data, size);
    return at;
  }
  uint64_t string(const char *text) { return bytes(text, strlen(text) + 1); }
};

struct AuxEntry {
  uint64_t type, value;
};

std::vector<AuxEntry> auxiliary_vector(const Guest &guest, const LoadedProgram &program, uint64_t platform,
                                       uint64_t random, uint64_t path) {
  const Abi &abi = guest.abi;
  std::vector<AuxEntry> aux;
  aux.push_back({AT_HWCAP, feature_bits(guest, "hwcap")});
  aux.push_back({AT_HWCAP2, feature_bits(guest, "hwcap2")});
  aux.push_back({AT_PAGESZ, abi.page_size});
  aux.push_back({AT_CLKTCK, abi.value("clock_ticks", 100)});
  aux.push_back({AT_PHDR, program.headers});
  aux.push_back({AT_PHENT, sizeof(Elf64_Phdr)});
  aux.push_back({AT_PHNUM, program.header_count});
  aux.push_back({AT_BASE, program.linker_base});
  aux.push_back({AT_FLAGS, 0});
  aux.push_back({AT_ENTRY, program.entry});
  aux.push_back({AT_UID, getuid()});
  aux.push_back({AT_EUID, geteuid()});
  aux.push_back({AT_GID, getgid()});
  aux.push_back({AT_EGID, getegid()});
  aux.push_back({AT_SECURE, getauxval(AT_SECURE)});
  if (uint64_t size = abi.value("min_signal_stack")) aux.push_back({51 /* AT_MINSIGSTKSZ */, size});
  aux.push_back({AT_RANDOM, random});
  aux.push_back({AT_EXECFN, path});
  if (platform) aux.push_back({AT_PLATFORM, platform});
  aux.push_back({AT_NULL, 0});
  return aux;
}

}  // namespace

bool make_stack(Guest &guest, LoadedProgram *program, LoadFailure *failure) {
  std::vector<const char *> environment = guest_environment(*guest.options);
  size_t strings = program->path.size() + 1;
  for (const std::string &argument : program->arguments) strings += argument.size() + 1;
  for (const char *entry : environment) strings += strlen(entry) + 1;
  // Beyond what the limit says: what the arguments take, as the kernel gives a quarter of the stack to them.
  uint64_t bytes = stack_bytes(*guest.options) + ((strings + kPage - 1) & ~(kPage - 1));
  int prot = PROT_READ | PROT_WRITE | (program->executable_stack ? PROT_EXEC : 0);
  int64_t base = guest.space.map(0, bytes + kPage, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base < 0 || guest.space.protect(static_cast<uint64_t>(base), kPage, PROT_NONE) < 0) {
    failure->exit_code = kExitCannotRun;
    failure->text = program->path + ": no memory for its stack";
    return false;
  }
  Pusher push{static_cast<uint64_t>(base) + bytes + kPage - 8};
  uint64_t path = push.string(program->path.c_str());
  std::vector<uint64_t> pointers(1 + program->arguments.size() + 1 + environment.size() + 1);
  size_t env_at = 1 + program->arguments.size() + 1;
  for (size_t i = environment.size(); i-- > 0;) pointers[env_at + i] = push.string(environment[i]);
  guest.args_end = push.at;
  for (size_t i = program->arguments.size(); i-- > 0;)
    pointers[1 + i] = push.string(program->arguments[i].c_str());
  guest.args = push.at;
  pointers[0] = program->arguments.size();
  const char *platform_name = guest.abi.text("platform");
  uint64_t platform = *platform_name ? push.string(platform_name) : 0;
  char seed[16] = {};
  if (getrandom(seed, sizeof seed, GRND_NONBLOCK) < 0) memcpy(seed, &path, sizeof path);
  uint64_t random = push.bytes(seed, sizeof seed);

  std::vector<AuxEntry> aux = auxiliary_vector(guest, *program, platform, random, path);
  size_t pointer_bytes = pointers.size() * sizeof(uint64_t), aux_bytes = aux.size() * sizeof(AuxEntry);
  push.at = ((push.at - pointer_bytes - aux_bytes) & ~uint64_t{15}) + pointer_bytes + aux_bytes;
  guest.auxv = push.bytes(aux.data(), aux_bytes);
  guest.auxv_bytes = aux_bytes;
  program->stack_pointer = guest.stack_top = push.bytes(pointers.data(), pointer_bytes);
  return true;
}

}  // namespace pyqemu::user
