// Tells AddressSanitizer of the stack that a vfork child has for itself; does nothing in other builds.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace pyqemu::user {

#if defined(__SANITIZE_ADDRESS__)
class OtherStack {
 public:
  OtherStack(void *stack, size_t bytes) : stack_(stack), bytes_(bytes) {
    __sanitizer_start_switch_fiber(&fake_, stack, bytes);
  }
  // On the new stack.
  void arrived() { __sanitizer_finish_switch_fiber(nullptr, &old_, &old_bytes_); }
  // Back on the old one. The other stack's functions have not returned: their marks go.
  void leave() {
    if (!old_) arrived();  // nobody got there
    __sanitizer_start_switch_fiber(nullptr, old_, old_bytes_);
    __sanitizer_finish_switch_fiber(fake_, nullptr, nullptr);
    ASAN_UNPOISON_MEMORY_REGION(stack_, bytes_);
  }

 private:
  void *stack_, *fake_ = nullptr;
  size_t bytes_, old_bytes_ = 0;
  const void *old_ = nullptr;
};
#else
class OtherStack {
 public:
  OtherStack(void *, size_t) {}
  void arrived() {}
  void leave() {}
};
#endif

}  // namespace pyqemu::user
