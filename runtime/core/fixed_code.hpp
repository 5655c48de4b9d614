// Code that every block is given: a short stencil with one field, which is copied without a look at its
// records.
#pragma once

#include <cstdint>
#include <cstring>

#include "stencils.hpp"

namespace pyqemu {

class FixedCode {
 public:
  // From stencil `number`, whose field is its only value, which is `here`, or its only exit; false if that is
  // not how it is.
  bool load(const PackTables &tables, Stencils &stencils, uint32_t number);

  uint32_t size() const { return size_; }
  // Where the field lies.
  uint32_t field() const { return field_; }

  void copy_to(uint8_t *to) const { memcpy(to, code_, size_); }
  void set_value(uint8_t *copy, uint64_t value) const {
    if (wide_)
      memcpy(copy + field_, &value, 8);
    else
      memcpy(copy + field_, &value, 4);
  }

 private:
  uint8_t code_[32] = {};
  uint32_t size_ = 0, field_ = 0;
  bool wide_ = false;
};

}  // namespace pyqemu
