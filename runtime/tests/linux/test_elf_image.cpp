// Bad ELF files: each is refused with a reason or loaded; none crashes, hangs or takes memory without bound.
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <random>

#include "check.hpp"
#include "elf_image.hpp"
#include "fake_pack.hpp"
#include "loader.hpp"
#include "signals.hpp"

using namespace pyqemu::user;

namespace {

constexpr int kMutations = 10000;

// Of either class.
struct Wide {
  using Header = Elf64_Ehdr;
  using Segment = Elf64_Phdr;
  static constexpr uint8_t kClass = ELFCLASS64, kOther = ELFCLASS32;
  static constexpr const char *kWordBytes = "8", *kForeign = "32-bit";
};

struct Narrow {
  using Header = Elf32_Ehdr;
  using Segment = Elf32_Phdr;
  static constexpr uint8_t kClass = ELFCLASS32, kOther = ELFCLASS64;
  static constexpr const char *kWordBytes = "4", *kForeign = "64-bit";
};

template <typename Class>
struct File {
  typename Class::Header header;
  typename Class::Segment segments[3];
  char text[0x1800];
};

template <typename Class>
typename Class::Segment segment(uint32_t type, uint32_t flags, uint32_t offset, uint32_t address,
                                uint32_t file_bytes, uint32_t bytes) {
  typename Class::Segment made = {};
  made.p_type = type, made.p_flags = flags, made.p_offset = offset, made.p_vaddr = made.p_paddr = address;
  made.p_filesz = file_bytes, made.p_memsz = bytes, made.p_align = 0x1000;
  return made;
}

template <typename Class>
File<Class> good_file() {
  File<Class> file = {};
  memcpy(file.header.e_ident, ELFMAG, SELFMAG);
  file.header.e_ident[EI_CLASS] = Class::kClass;
  file.header.e_ident[EI_DATA] = ELFDATA2LSB;
  file.header.e_ident[EI_VERSION] = EV_CURRENT;
  file.header.e_type = ET_EXEC;
  file.header.e_machine = FakePack::kMachine;
  file.header.e_entry = 0x10000100;
  file.header.e_phoff = offsetof(File<Class>, segments);
  file.header.e_phentsize = sizeof(typename Class::Segment);
  file.header.e_phnum = 3;
  file.segments[0] = segment<Class>(PT_LOAD, PF_R | PF_X, 0, 0x10000000, 0x1000, 0x1000);
  file.segments[1] = segment<Class>(PT_LOAD, PF_R | PF_W, 0x1000, 0x10001000, 0x200, 0x2000);
  file.segments[2] = segment<Class>(PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 0);
  return file;
}

struct Setup {
  FakePack pack;
  Guest guest;
  Options options;
  int fd = memfd_create("elf", MFD_CLOEXEC);
  char no_arguments[8] = {};

  explicit Setup(const char *word_bytes) {
    const char *error;
    pack.values["word_bytes"] = word_bytes;
    REQUIRE(Abi::load(pack, &guest.abi, &error));
    guest.options = &options;
  }
  void write_file(const void *bytes, size_t size) {
    REQUIRE(ftruncate(fd, 0) == 0 && pwrite(fd, bytes, size, 0) == static_cast<ssize_t>(size));
  }
  FileKind kind(const char **why) {
    ElfImage image;
    return read_elf(fd, guest.abi, &image, why);
  }
};

template <typename Class>
FileKind kind_of(Setup &setup, const File<Class> &file, const char **why, size_t size = sizeof(File<Class>)) {
  setup.write_file(&file, size);
  return setup.kind(why);
}

// Loads the file in a child, which may not die of a signal and may not map more than it could ever need.
bool loads_or_refuses(Setup &setup) {
  pid_t child = fork();
  if (child == 0) {
    Process process;
    install_handlers(process);
    char *none[] = {nullptr};
    setup.options.program = "mutated";
    setup.options.arguments = none;
    setup.options.exec_fd = dup(setup.fd);
    LoadedProgram program;
    LoadFailure failure;
    bool loaded = load_program(setup.guest, &program, &failure);
    _exit(loaded ? 0 : failure.exit_code == 126 || failure.exit_code == 127 ? 1 : 2);
  }
  int status = 0;
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) < 2;
}

template <typename Class>
void test_reasons(Setup &setup) {
  const char *why;
  CHECK(kind_of(setup, good_file<Class>(), &why) == FileKind::kGuest);
  for (size_t size = 0; size < offsetof(File<Class>, text); size++) {
    FileKind kind = kind_of(setup, good_file<Class>(), &why, size);
    CHECK(kind == FileKind::kBroken || (size < 4 && kind == FileKind::kUnknown));
    CHECK(*why);
  }
  CHECK(kind_of(setup, good_file<Class>(), &why, 0x11ff) == FileKind::kBroken && strstr(why, "cut off"));
  auto refused = [&](auto change, FileKind expected, const char *part) {
    File<Class> file = good_file<Class>();
    change(file);
    bool right = kind_of(setup, file, &why) == expected && strstr(why, part);
    if (!right) fprintf(stderr, "wanted %s, got %s\n", part, why);
    return right;
  };
  CHECK(refused([](File<Class> &f) { f.header.e_machine = 1; }, FileKind::kForeign, "another architecture"));
  CHECK(refused([](File<Class> &f) { f.header.e_ident[EI_DATA] = ELFDATA2MSB; }, FileKind::kForeign,
                "byte order"));
  CHECK(refused([](File<Class> &f) { f.header.e_ident[EI_CLASS] = Class::kOther; }, FileKind::kForeign,
                Class::kForeign));
  CHECK(refused([](File<Class> &f) { f.header.e_type = ET_REL; }, FileKind::kBroken, "not a program"));
  CHECK(refused([](File<Class> &f) { f.segments[1].p_vaddr = 0x10000000; }, FileKind::kBroken, "overlap"));
  CHECK(refused([](File<Class> &f) { f.segments[1].p_vaddr = ~decltype(f.segments[1].p_vaddr){0xfff}; },
                FileKind::kBroken, "address space"));
  CHECK(refused([](File<Class> &f) { f.segments[1].p_memsz = ~decltype(f.segments[1].p_memsz){0}; },
                FileKind::kBroken, "address space"));
  CHECK(refused([](File<Class> &f) { f.segments[1].p_filesz = 0x3000; }, FileKind::kBroken, "larger"));
  CHECK(refused([](File<Class> &f) { f.segments[1].p_offset++; }, FileKind::kBroken, "aligned"));
  CHECK(refused([](File<Class> &f) { f.segments[0].p_type = f.segments[1].p_type = PT_NULL; },
                FileKind::kBroken, "no segment"));
  CHECK(refused([](File<Class> &f) { f.header.e_phnum = 65535; }, FileKind::kBroken, "outside"));
}

template <typename Class>
void test_terabytes(Setup &setup) {
  File<Class> file = good_file<Class>();
  file.segments[1].p_memsz = static_cast<decltype(file.segments[1].p_memsz)>(uint64_t{40} << 40 | 0xa0000000);
  setup.write_file(&file, sizeof file);
  CHECK(loads_or_refuses(setup));
}

template <typename Class>
void test_mutations(Setup &setup) {
  std::mt19937 dice(20);
  File<Class> original = good_file<Class>();
  int guests = 0;
  for (int i = 0; i < kMutations; i++) {
    File<Class> file = original;
    auto *bytes = reinterpret_cast<uint8_t *>(&file);
    for (uint32_t n = 1 + dice() % 3; n > 0; n--) {
      size_t at = 16 + dice() % (offsetof(File<Class>, text) - 16);
      bytes[at] =
          dice() % 2 ? static_cast<uint8_t>(dice()) : static_cast<uint8_t>(bytes[at] ^ 1u << dice() % 8);
    }
    size_t size = dice() % 8 ? sizeof file : dice() % sizeof file;
    const char *why;
    if (kind_of(setup, file, &why, size) != FileKind::kGuest) {
      CHECK(*why);
      continue;
    }
    guests++;
    if (!loads_or_refuses(setup)) {
      fprintf(stderr, "mutation %d\n", i);
      CHECK(false);
    }
  }
  CHECK(guests > 100 && guests < kMutations - 100);
}

template <typename Class>
void test_class() {
  Setup setup(Class::kWordBytes);
  test_reasons<Class>(setup);
  test_terabytes<Class>(setup);
  test_mutations<Class>(setup);
}

}  // namespace

int main() {
  test_class<Wide>();
  test_class<Narrow>();
  return result();
}
