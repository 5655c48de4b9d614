// Signal frames in the guest's layout, written and read as the table's `sigframe` items say.
#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <mutex>
#include <vector>

#include "derived_state.hpp"
#include "guest_memory.hpp"
#include "layouts.hpp"
#include "log.hpp"
#include "signals.hpp"
#include "word_pieces.hpp"

namespace pyqemu::user {
namespace {

constexpr size_t kMostFrameBytes = 16384;
constexpr size_t kTrampolineBytes = 64;  // of each of the two
constexpr size_t kFpFlags = 5;

enum class Source {
  kRegister,
  kConstant,
  kPc,
  kSigInfo,
  kMask,
  kStack,
  kFlags,
  kFault,
  kSyndrome,
  kHostFp,
  kFpStatus
};

struct Item {
  uint16_t offset, width;
  Source source;
  RegRef reg;
  uint64_t constant;
};

struct FrameLayout {
  size_t size = 0, align = 16, red_zone = 0, context_offset = 0, frame_offset = 0;
  size_t plain_offset = 0;  // where the frame begins of handlers that do not ask for a siginfo
  uint64_t flags_base = 0;
  std::vector<Item> items, fault_items;
  std::vector<Piece> flags, fp_status;
  std::vector<unsigned>
      fp_flags;  // bits of the guest's status register: invalid, division by zero, overflow, …
  RegRef signal, info, context, frame, link;
  bool has_frame = false, has_link = false, good = true;
};

struct HostFp {  // what the guest's registers do not hold of the floating-point environment
  uint32_t host_fp, fp_extra, fp_mode, reserved;
  uint64_t context[4];
};

bool parse_source(const Abi &abi, std::string_view name, Item *item) {
  struct Named {
    const char *name;
    Source source;
  };
  static constexpr Named kNamed[] = {{"pc", Source::kPc},
                                     {"siginfo", Source::kSigInfo},
                                     {"mask", Source::kMask},
                                     {"stack", Source::kStack},
                                     {"flags", Source::kFlags},
                                     {"fault_address", Source::kFault},
                                     {"syndrome", Source::kSyndrome},
                                     {"host_fp", Source::kHostFp}};
  for (const Named &named : kNamed)
    if (name == named.name) return item->source = named.source, true;
  if (name[0] == '=') {
    const char *number = name.data() + 1;
    item->source = Source::kConstant;
    item->constant = parse_number(number);
    return true;
  }
  item->source = Source::kRegister;
  if (name.starts_with("fp_status:")) {
    item->source = Source::kFpStatus;
    name.remove_prefix(10);
  } else if (name.starts_with("fp_control:")) {
    name.remove_prefix(11);
  }
  return abi.reg(name, &item->reg);
}

bool parse_items(const Abi &abi, const char *key, size_t frame_size, std::vector<Item> *items) {
  bool good = true;
  each_word(abi.text(key), [&](std::string_view word) {
    Item item = {};
    const char *at = word.data();
    item.offset = static_cast<uint16_t>(parse_number(at));
    item.width = static_cast<uint16_t>(parse_number(++at));
    at++;
    good &= parse_source(abi, word.substr(static_cast<size_t>(at - word.data())), &item) &&
            size_t{item.offset} + item.width <= frame_size;
    items->push_back(item);
  });
  return good;
}

FrameLayout parse_layout(const Abi &abi) {
  FrameLayout layout;
  layout.size = abi.value("sigframe.size");
  layout.align = abi.value("sigframe.align", 16);
  layout.red_zone = abi.value("sigframe.red_zone");
  layout.context_offset = abi.value("sigframe.entry.context_offset");
  layout.frame_offset = abi.value("sigframe.entry.frame_offset");
  layout.plain_offset = abi.value("sigframe.plain_offset");
  layout.flags_base = abi.value("sigframe.flags_base");
  layout.good = layout.size > 0 && layout.size <= kMostFrameBytes && layout.plain_offset < layout.size &&
                parse_pieces(abi, abi.text("sigframe.flags"), &layout.flags) &&
                parse_pieces(abi, abi.text("sigframe.fp_status"), &layout.fp_status) &&
                parse_items(abi, "sigframe.items", layout.size, &layout.items) &&
                parse_items(abi, "sigframe.fault_items", layout.size, &layout.fault_items) &&
                abi.reg(abi.text("sigframe.entry.signal"), &layout.signal) &&
                abi.reg(abi.text("sigframe.entry.info"), &layout.info) &&
                abi.reg(abi.text("sigframe.entry.context"), &layout.context);
  layout.has_frame = abi.reg(abi.text("sigframe.entry.frame"), &layout.frame);
  layout.has_link = abi.reg(abi.text("sigframe.entry.return"), &layout.link);
  each_word(abi.text("sigframe.fp_flags", "0 1 2 3 4"), [&](std::string_view word) {
    const char *bit = word.data();
    layout.fp_flags.push_back(static_cast<unsigned>(parse_number(bit)));
  });
  layout.good &= layout.fp_flags.size() == kFpFlags;
  return layout;
}

// The host's sticky flags as the guest's status register has them, and back.
uint64_t guest_fp_flags(const FrameLayout &layout, uint32_t flags) {
  uint64_t value = 0;
  for (size_t i = 0; i < kFpFlags; i++) value |= uint64_t{flags >> i & 1} << layout.fp_flags[i];
  return value;
}

uint32_t host_fp_flags(const FrameLayout &layout, uint64_t value) {
  uint32_t flags = 0;
  for (size_t i = 0; i < kFpFlags; i++) flags |= static_cast<uint32_t>(value >> layout.fp_flags[i] & 1) << i;
  return flags;
}

const FrameLayout &layout_of(const Abi &abi) {
  static const FrameLayout layout = parse_layout(abi);
  if (!layout.good) {
    complain("internal error: the pack's table has a bad sigframe");
    exit_now(kExitInternal);
  }
  return layout;
}

// The page with the code that handlers return to: that of frames with a siginfo, then that of plain ones.
uint64_t trampoline(Guest &guest) {
  static std::mutex mutex;
  std::lock_guard guard(mutex);
  if (guest.trampoline) return guest.trampoline;
  std::vector<uint32_t> code(2 * kTrampolineBytes / 4), plain(kTrampolineBytes / 4);
  put_code(guest.abi.text("sigframe.trampoline"), &code);
  put_code(guest.abi.text("sigframe.plain_trampoline"), &plain);
  std::copy(plain.begin(), plain.end(), code.begin() + kTrampolineBytes / 4);
  int64_t page = guest.space.map(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page < 0) return 0;
  memcpy(host_pointer(static_cast<uint64_t>(page)), code.data(), code.size() * sizeof code[0]);
  guest.space.protect(static_cast<uint64_t>(page), 4096, PROT_READ | PROT_EXEC);
  return guest.trampoline = static_cast<uint64_t>(page);
}

struct FrameContext {
  Thread &thread;
  const FrameLayout &layout;
  const Delivery *delivery;
  uint8_t *frame;
};

void put_item(const FrameContext &at, const Item &item) {
  const Thread &thread = at.thread;
  const bool narrow = thread.guest->abi.narrow();
  CpuHeader *cpu = thread.cpu;
  uint8_t *place = at.frame + item.offset;
  uint64_t value = 0;
  switch (item.source) {
    case Source::kRegister:
      memcpy(place, reinterpret_cast<const char *>(cpu) + item.reg.offset, item.width);
      return;
    case Source::kConstant:
      value = item.constant;
      break;
    case Source::kPc:
      value = cpu->pc;
      break;
    case Source::kSigInfo:
      if (narrow && item.width == kSigInfo.guest_bytes())
        kSigInfo.to_guest(place, at.delivery->info);
      else
        memcpy(place, at.delivery->info, item.width);
      return;
    case Source::kMask:
      value = at.delivery->saved_mask;
      break;
    case Source::kFault:
      value = at.delivery->syndrome ? reinterpret_cast<uint64_t>(at.delivery->info->si_addr) : 0;
      break;
    case Source::kSyndrome:
      value = at.delivery->syndrome;
      break;
    case Source::kFlags:
      value = at.layout.flags_base | get_pieces(cpu, at.layout.flags);
      break;
    case Source::kFpStatus:
      value = (get_reg(cpu, item.reg) & ~guest_fp_flags(at.layout, ~0u)) |
              guest_fp_flags(at.layout, host::fp_flags(cpu->host_fp) | cpu->fp_extra) |
              get_pieces(cpu, at.layout.fp_status);
      break;
    case Source::kStack: {
      stack_t stack = {host_pointer(thread.alt_stack), thread.alt_flags, thread.alt_size};
      if (narrow)
        kStack.to_guest(place, &stack);
      else
        memcpy(place, &stack, sizeof stack);
      return;
    }
    case Source::kHostFp: {
      HostFp fp{cpu->host_fp, cpu->fp_extra, cpu->fp_mode, 0, {}};
      memcpy(fp.context, cpu->context, sizeof fp.context);
      memcpy(place, &fp, sizeof fp);
      return;
    }
  }
  memcpy(place, &value, item.width);
}

void take_item(const FrameContext &at, const Item &item, uint64_t *mask) {
  Thread &thread = at.thread;
  CpuHeader *cpu = thread.cpu;
  const uint8_t *place = at.frame + item.offset;
  uint64_t value = 0;
  if (item.width <= 8) memcpy(&value, place, item.width);
  switch (item.source) {
    case Source::kRegister:
      memcpy(reinterpret_cast<char *>(cpu) + item.reg.offset, place, item.width);
      return;
    case Source::kPc:
      cpu->pc = value;
      return;
    case Source::kMask:
      *mask = value;
      return;
    case Source::kFlags:
      set_pieces(cpu, at.layout.flags, value);
      return;
    case Source::kFpStatus:
      set_reg(cpu, item.reg, value & ~guest_fp_flags(at.layout, ~0u) & ~piece_mask(at.layout.fp_status));
      set_pieces(cpu, at.layout.fp_status, value);
      cpu->host_fp = host::with_fp_flags(
          cpu->host_fp, (host::fp_flags(cpu->host_fp) & 32) | host_fp_flags(at.layout, value));
      cpu->fp_extra &= ~31u;
      return;
    case Source::kStack: {
      stack_t stack;
      if (thread.guest->abi.narrow())
        kStack.to_host(&stack, place);
      else
        memcpy(&stack, place, sizeof stack);
      set_alt_stack(thread, reinterpret_cast<uint64_t>(stack.ss_sp), stack.ss_size, stack.ss_flags);
      return;
    }
    case Source::kHostFp: {
      HostFp fp;
      memcpy(&fp, place, sizeof fp);
      // Guest memory can hold anything: only the sticky and rounding bits that generated code sets are taken
      // back.
      constexpr uint32_t kSafe = 0xe07f;
      cpu->host_fp = (cpu->host_fp & ~kSafe) | (fp.host_fp & kSafe);
      cpu->fp_extra = fp.fp_extra & 63;
      cpu->fp_mode = fp.fp_mode;
      memcpy(cpu->context, fp.context, sizeof fp.context);
      return;
    }
    case Source::kConstant:
    case Source::kSigInfo:
    case Source::kFault:
    case Source::kSyndrome:
      return;
  }
}

}  // namespace

bool on_alt_stack(const Thread &thread, uint64_t sp) {
  return thread.alt_size && sp > thread.alt_stack && sp - thread.alt_stack <= thread.alt_size;
}

int64_t set_alt_stack(Thread &thread, uint64_t address, uint64_t bytes, int flags) {
  constexpr int kAutoDisarm = static_cast<int>(0x80000000);
  int mode = flags & ~kAutoDisarm;
  if (mode != 0 && mode != SS_ONSTACK && mode != SS_DISABLE) return -EINVAL;
  if (mode == SS_DISABLE) {
    thread.alt_stack = thread.alt_size = 0;
  } else {
    if (bytes < thread.guest->abi.value("min_signal_stack", 2048)) return -ENOMEM;
    thread.alt_stack = address;
    thread.alt_size = bytes;
  }
  thread.alt_flags = flags;
  return 0;
}

bool enter_handler(Thread &thread, const Delivery &delivery) {
  Guest &guest = *thread.guest;
  const FrameLayout &layout = layout_of(guest.abi);
  uint64_t sp = get_reg(thread.cpu, guest.abi.sp);
  bool on_alt = on_alt_stack(thread, sp);
  if ((delivery.action->flags & kSaOnStack) && thread.alt_size && !on_alt) {
    sp = thread.alt_stack + thread.alt_size;
    on_alt = true;
  } else {
    sp -= layout.red_zone;
  }
  // A handler that does not ask for a siginfo may have a frame without one.
  const bool plain = layout.plain_offset && !(delivery.action->flags & kSaSigInfo);
  const size_t skipped = plain ? layout.plain_offset : 0, size = layout.size - skipped;
  uint64_t frame = (sp - size) & ~uint64_t{layout.align - 1};
  if (on_alt && frame < thread.alt_stack) return false;
  alignas(16) uint8_t bytes[kMostFrameBytes];
  memset(bytes, 0, layout.size);
  FrameContext at{thread, layout, &delivery, bytes};
  for (const Item &item : layout.items) put_item(at, item);
  if (delivery.syndrome)
    for (const Item &item : layout.fault_items) put_item(at, item);
  if (!write_guest(frame, bytes + skipped, size)) return false;
  set_reg(thread.cpu, layout.signal, static_cast<uint64_t>(delivery.signal));
  if (delivery.action->flags & kSaSigInfo) {
    set_reg(thread.cpu, layout.info, frame);
    set_reg(thread.cpu, layout.context, frame + layout.context_offset);
  }
  if (layout.has_frame) set_reg(thread.cpu, layout.frame, frame + layout.frame_offset);
  bool own = delivery.action->flags & kSaRestorer;
  if (layout.has_link)
    set_reg(thread.cpu, layout.link,
            own ? delivery.action->restorer : trampoline(guest) + (plain ? kTrampolineBytes : 0));
  set_reg(thread.cpu, guest.abi.sp, frame);
  guest.abi.enter_function(thread.cpu, delivery.action->handler);
  if (thread.alt_flags & static_cast<int>(0x80000000)) {  // SS_AUTODISARM
    thread.alt_stack = thread.alt_size = 0;
    thread.alt_flags = SS_DISABLE;
  }
  return true;
}

bool leave_handler(Thread &thread, uint64_t *mask, bool plain) {
  const FrameLayout &layout = layout_of(thread.guest->abi);
  uint64_t frame = get_reg(thread.cpu, thread.guest->abi.sp);
  const size_t skipped = plain ? layout.plain_offset : 0;
  alignas(16) uint8_t bytes[kMostFrameBytes];
  if (frame % layout.align || !read_guest(bytes + skipped, frame, layout.size - skipped)) return false;
  FrameContext at{thread, layout, nullptr, bytes};
  // First what has all of the environment: the guest may have changed what is in its own registers too.
  for (bool host_fp : {true, false})
    for (const Item &item : layout.items)
      if ((item.source == Source::kHostFp) == host_fp) take_item(at, item, mask);
  derive_state(thread.guest->abi, thread.cpu);
  return true;
}

void finish_return(Thread &thread, int signal) {
  Guest &guest = *thread.guest;
  if (!guest.trampoline || thread.cpu->pc - guest.trampoline >= 2 * kTrampolineBytes) return;
  const FrameLayout &layout = layout_of(guest.abi);
  const bool plain = thread.cpu->pc - guest.trampoline >= kTrampolineBytes;
  uint64_t frame = get_reg(thread.cpu, guest.abi.sp), mask = 0;
  for (const Item &item : layout.items)
    if (item.source == Source::kMask &&
        !get_guest(&mask, frame + item.offset - (plain ? layout.plain_offset : 0)))
      return;
  if (!(mask & signal_bit(signal)) && leave_handler(thread, &mask, plain)) thread.mask = mask;
}

}  // namespace pyqemu::user
