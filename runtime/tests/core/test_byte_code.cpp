// Byte code against the meanings in translator/static.py.
#include "byte_code.hpp"
#include "check.hpp"

using namespace pyqemu;

namespace {

int64_t eval(ProgOpCode code, int64_t a = 0, int64_t b = 0, int64_t c = 0, int32_t imm = 0) {
  static const int64_t table[] = {10, 20, 30};
  return apply_op({static_cast<uint8_t>(code), 0, 0, 0, 0, imm}, a, b, c, table);
}

}  // namespace

int main() {
  using enum ProgOpCode;
  CHECK(eval(kConst, 0, 0, 0, -3) == -3);
  CHECK(eval(kConst64, 0, 0, 0, 2) == 30);
  CHECK(eval(kConst64, 0, 0, 0, 3) == 0);
  CHECK(eval(kAdd, INT64_MAX, 1) == INT64_MIN);
  CHECK(eval(kSub, INT64_MIN, 1) == INT64_MAX);
  CHECK(eval(kMul, INT64_MIN, -1) == INT64_MIN);
  CHECK(eval(kDiv, -7, 2) == -4);
  CHECK(eval(kDiv, 7, -2) == -4);
  CHECK(eval(kDiv, -8, 2) == -4);
  CHECK(eval(kDiv, 7, 0) == 0);
  CHECK(eval(kDiv, INT64_MIN, -1) == INT64_MIN);
  CHECK(eval(kMod, -7, 2) == 1);
  CHECK(eval(kMod, 7, -2) == -1);
  CHECK(eval(kMod, 7, 0) == 7);
  CHECK(eval(kMod, INT64_MIN, -1) == 0);
  CHECK(eval(kShl, 1, 63) == INT64_MIN);
  CHECK(eval(kShl, 1, 64) == 0);
  CHECK(eval(kShl, 1, -1) == 0);
  CHECK(eval(kShr, -8, 1) == -4);
  CHECK(eval(kShr, -8, 100) == -1);
  CHECK(eval(kShr, 8, -1) == 0);
  CHECK(eval(kUshr, -1, 60) == 15);
  CHECK(eval(kUshr, -1, 64) == 0);
  CHECK(eval(kLt, -1, 0) == 1 && eval(kUlt, -1, 0) == 0);
  CHECK(eval(kLe, 0, 0) == 1 && eval(kUle, 0, -1) == 1);
  CHECK(eval(kEq, 4, 4) == 1 && eval(kNe, 4, 4) == 0);
  CHECK(eval(kSelect, 5, 1, 2) == 1 && eval(kSelect, 0, 1, 2) == 2);
  CHECK(eval(kBits, -1, 8) == 255 && eval(kBits, -1, 64) == -1 && eval(kBits, -1, 0) == 0);
  CHECK(eval(kSbits, 255, 8) == -1 && eval(kSbits, 127, 8) == 127 && eval(kSbits, 5, 0) == 0);
  CHECK(eval(kLog2, 1) == 0 && eval(kLog2, 0) == -1 && eval(kLog2, 255) == 7 && eval(kLog2, INT64_MIN) == 63);
  CHECK(eval(kPopcount, -1) == 64);
  CHECK(eval(kNeg, INT64_MIN) == INT64_MIN && eval(kInv, 0) == -1);
  CHECK(eval(kTable, 1, 3) == 20 && eval(kTable, 3, 3) == 0 && eval(kTable, -1, 3) == 0 &&
        eval(kTable, 2, 3, 0, 1) == 0);
  return result();
}
