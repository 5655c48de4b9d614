// Code that every block is given: a short stencil with few fields, which is copied without a look at its
// records.
#pragma once

#include <cstdint>
#include <cstring>

#include "pack_file.hpp"

namespace pyqemu {

class FixedCode {
 public:
  // From stencil `number`, which has `values` values (0 or 1, which is `here`) and `exits` exits, each with
  // one field, and refers to the image once at most; false if that is not how it is.
  bool load(const PackTables &tables, uint32_t number, uint32_t values, uint32_t exits);

  uint32_t size() const { return size_; }
  // Where the rel32 of an exit lies.
  uint32_t exit_field(uint32_t exit) const { return exit_fields_[exit]; }

  // Exactly the code; in the usual case two pieces that overlap.
  void copy_to(uint8_t *to) const {
    if (size_ - kPiece <= kPiece) [[likely]] {
      memcpy(to, code_, kPiece);
      memcpy(to + size_ - kPiece, code_ + size_ - kPiece, kPiece);
    } else {
      memcpy(to, code_, size_);
    }
  }
  // The code, and more behind it, to be written over.
  void copy_roughly_to(uint8_t *to) const { memcpy(to, code_, sizeof code_); }
  // In the copy at offset `at` of the code cache, lets the jump to the image go there, if there is one.
  void set_image_jump(uint8_t *copy, uint32_t at) const {
    if (image_field_ == kNone) return;
    const uint32_t distance = image_target_ - (at + image_field_);
    memcpy(copy + image_field_, &distance, sizeof distance);
  }
  // Fills the field of the value, if there is one.
  void set_value(uint8_t *copy, uint64_t value) const {
    if (value_bytes_ == 8)
      memcpy(copy + value_field_, &value, 8);
    else if (value_bytes_ == 4)
      memcpy(copy + value_field_, &value, 4);
  }

 private:
  static constexpr uint32_t kPiece = 8;

  bool load_value(const RelocRec &reloc);
  void load_exit(const StencilRec &stencil, uint32_t exit);
  bool load_jump(const StencilRec &stencil, const RelocRec &reloc);

  uint8_t code_[64] = {};
  uint32_t size_ = 0, value_field_ = 0, value_bytes_ = 0;
  uint32_t image_field_ = kNone, image_target_ = 0;
  uint32_t exit_fields_[kMaxExits] = {};
};

}  // namespace pyqemu
