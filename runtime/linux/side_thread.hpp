// A host thread beside the guest's: it does something now and then, as long as there is something to do.
#pragma once

#include <atomic>
#include <cstdint>

namespace pyqemu::user {

class SideThread {
 public:
  // What is done: gives the milliseconds until it is to be done again; 0: the thread ends.
  using Step = uint32_t (*)(void *context);

  // Starts the thread; one before it has to be about to end. The first step comes after `wait` milliseconds.
  // False if there can be no thread.
  bool start(Step step, void *context, uint32_t wait);
  // Ends the thread and waits for that.
  void stop();
  // In the child of a fork, which has no such thread.
  void forget() { running_.store(0); }

 private:
  static void *main(void *self);
  bool sleep(uint32_t milliseconds);

  Step step_ = nullptr;
  void *context_ = nullptr;
  uint32_t wait_ = 0;
  std::atomic<uint32_t> running_{0}, stopped_{0};  // waited for as futexes: these survive a fork
};

}  // namespace pyqemu::user
