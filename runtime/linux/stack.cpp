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
  size_t word_bytes;

  uint64_t bytes(const void *data, size_t size) {
    at -= size;
    memcpy(host_pointer(at), data, size);
    return at;
  }
  uint64_t words(const std::vector<uint64_t> &values) {
    at -= values.size() * word_bytes;
    for (size_t i = 0; i < values.size(); i++)  // little-endian: a word is the value's low half
      memcpy(host_pointer(at + i * word_bytes), &values[i], word_bytes);
    return at;
  }
  uint64_t string(const char *text) { return bytes(text, strlen(text) + 1); }
};

// Pairs of a type and a value.
std::vector<uint64_t> auxiliary_vector(const Guest &guest, const LoadedProgram &program, uint64_t platform,
                                       uint64_t random, uint64_t path) {
  const Abi &abi = guest.abi;
  std::vector<uint64_t> aux;
  auto add = [&](uint64_t type, uint64_t value) { aux.insert(aux.end(), {type, value}); };
  add(AT_HWCAP, feature_bits(guest, "hwcap"));
  add(AT_HWCAP2, feature_bits(guest, "hwcap2"));
  add(AT_PAGESZ, abi.page_size);
  add(AT_CLKTCK, abi.value("clock_ticks", 100));
  add(AT_PHDR, program.headers);
  add(AT_PHENT, program.header_bytes);
  add(AT_PHNUM, program.header_count);
  add(AT_BASE, program.linker_base);
  add(AT_FLAGS, 0);
  add(AT_ENTRY, program.entry);
  add(AT_UID, getuid());
  add(AT_EUID, geteuid());
  add(AT_GID, getgid());
  add(AT_EGID, getegid());
  add(AT_SECURE, getauxval(AT_SECURE));
  if (uint64_t size = abi.value("min_signal_stack")) add(51 /* AT_MINSIGSTKSZ */, size);
  add(AT_RANDOM, random);
  add(AT_EXECFN, path);
  if (platform) add(AT_PLATFORM, platform);
  add(AT_NULL, 0);
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
  Pusher push{static_cast<uint64_t>(base) + bytes + kPage - 8, guest.abi.word_bytes};
  uint64_t path = push.string(program->path.c_str());
  std::vector<uint64_t> pointers(1 + program->arguments.size() + 1 + environment.size() + 1);
  size_t env_at = 1 + program->arguments.size() + 1;
  for (size_t i = environment.size(); i-- > 0;) pointers[env_at + i] = push.string(environment[i]);
  guest.args_end = push.at;
  for (size_t i = program->arguments.size(); i-- > 0;)
    pointers[1 + i] = push.string(program->arguments[i].c_str());
  guest.args = push.at;
  pointers[0] = program->arguments.size();
  const char *platform_name = feature_text(guest, "platform");
  uint64_t platform = *platform_name ? push.string(platform_name) : 0;
  char seed[16] = {};
  if (getrandom(seed, sizeof seed, GRND_NONBLOCK) < 0) memcpy(seed, &path, sizeof path);
  uint64_t random = push.bytes(seed, sizeof seed);

  std::vector<uint64_t> aux = auxiliary_vector(guest, *program, platform, random, path);
  size_t table_bytes = (pointers.size() + aux.size()) * push.word_bytes;
  push.at = ((push.at - table_bytes) & ~uint64_t{15}) + table_bytes;
  guest.auxv = push.words(aux);
  guest.auxv_bytes = aux.size() * push.word_bytes;
  program->stack_pointer = guest.stack_top = push.words(pointers);
  return true;
}

}  // namespace pyqemu::user
