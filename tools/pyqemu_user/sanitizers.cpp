// What AddressSanitizer and UBSan are to do in pyqemu-user; only in builds with them.

extern "C" {

// Faults are the guest's until pyqemu's handlers say otherwise, and the guest's data is never freed.
[[gnu::visibility("default")]] const char *__asan_default_options() {
  return "detect_leaks=0:handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_sigill=0:handle_abort=0:"
         "use_sigaltstack=0:exitcode=125";
}

[[gnu::visibility("default")]] const char *__ubsan_default_options() {
  return "print_stacktrace=1:handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_sigill=0:handle_abort=0:"
         "use_sigaltstack=0:exitcode=125";
}

}  // extern "C"
