// The contexts that a guest's code is in, and how they follow from one another.
#pragma once

#include <cstdint>

#include "pack_file.hpp"
#include "reserved_array.hpp"

namespace pyqemu {

// What decoding depends on besides the word: context variables and the CPU model's features. `id` stands for
// all of it; there are few.
struct DecodeContext {
  uint64_t values[4] = {};
  uint64_t features = 0;
  uint32_t id = 0;
  bool stays = true;  // where an encoding says nothing else, the next instruction has the same

  bool operator==(const DecodeContext &other) const;
};

// Contexts stay where they are. Adding is for who has the engine's lock; what there is may be read without.
class Contexts {
 public:
  static constexpr uint32_t kBits = 16;  // of DecodeContext::id

  explicit Contexts(const PackTables &tables) : tables_(tables) {}
  bool reserve() { return contexts_.reserve(size_t{1} << kBits); }

  uint32_t size() const { return contexts_.size(); }
  const DecodeContext &operator[](uint32_t id) const { return contexts_[id]; }
  // The context that is like `wanted`, whatever its id; null if there are too many.
  const DecodeContext *find(DecodeContext wanted);
  // That of what comes after an instruction in `context`, whose encoding says `next` (null: nothing); null if
  // there are too many.
  const DecodeContext *after(const DecodeContext &context, const uint32_t next[4], uint64_t word);

 private:
  DecodeContext values_after(const DecodeContext &context, const uint32_t next[4], uint64_t word) const;

  const PackTables &tables_;
  ReservedArray<DecodeContext> contexts_;
};

}  // namespace pyqemu
