// The environment of riscv-tests as a Linux program: a test that passes exits with 0, one that fails with its number.
#pragma once

#define RVTEST_RV32U
#define RVTEST_RV64U
#define RVTEST_RV32UF
#define RVTEST_RV64UF
#define TESTNUM gp

#define RVTEST_CODE_BEGIN \
  .text;                  \
  .globl _start;          \
  _start:                 \
  li TESTNUM, 0;

#define RVTEST_CODE_END

#define RVTEST_EXIT \
  li a7, 93;        \
  ecall;

#define RVTEST_PASS \
  li a0, 0;         \
  RVTEST_EXIT

#define RVTEST_FAIL  \
  mv a0, TESTNUM;    \
  RVTEST_EXIT

#define EXTRA_DATA
#define RVTEST_DATA_BEGIN EXTRA_DATA .align 4;
#define RVTEST_DATA_END

// Assemblers have known Zicond since binutils 2.41.
.macro czero.eqz rd, value, condition
  .insn r 0x33, 5, 7, \rd, \value, \condition
.endm
.macro czero.nez rd, value, condition
  .insn r 0x33, 7, 7, \rd, \value, \condition
.endm
