"""The operation table: every IR operation, its signature, effects and meaning, in one place.

The builder, verifier, printer, parser, interpreter and docs/ir.md are driven by it. Adding an
operation means a row here, its meaning in `interp.py`, its lowering in `hostgen.lower`, and a test.

Signatures are strings over type variables: `T` any type, `E` T's shape with 1-bit elements, `S` an element of
vector T, `iN` that very type, `X` a result type that the operation states. Results state their type in the
text form.
"""
# ruff: noqa: E501 (one row of the table a line)

from __future__ import annotations

from dataclasses import dataclass
from enum import Flag, auto


class Effect(Flag):
    """What an operation may do besides giving results; passes ask for nothing else."""

    PURE = 0
    READS_STATE = auto()
    WRITES_STATE = auto()
    LOADS = auto()
    STORES = auto()
    FP = auto()  # reads the rounding mode, raises sticky flags
    CALLS = auto()
    ENDS_BLOCK = auto()
    LEAVES = auto()  # control leaves the instruction (or function)
    MARKS = auto()  # stays where it is among accesses


@dataclass(frozen=True, slots=True)
class OpSpec:
    """One row: operand and result signature, attributes (name: kind), effects, one sentence of meaning."""

    name: str
    operands: str
    result: str
    attrs: tuple[str, ...]
    effects: Effect
    meaning: str


# fmt: off
_P = Effect.PURE
_ROWS: tuple[tuple[str, str, str, str, Effect, str], ...] = (
    # name            operands    result attributes  effects  meaning
    ("const", "", "X", "value", _P, "the constant `value` (splatted over a vector)"),
    ("hole", "", "X", "expr", _P, "a decode-time integer, cut to the type's width"),
    ("any", "", "X", "", _P, "some value; whoever has it must not depend on which"),
    ("add", "T T", "T", "", _P, "a + b modulo 2^N"),
    ("sub", "T T", "T", "", _P, "a - b modulo 2^N"),
    ("mul", "T T", "T", "", _P, "low half of the product"),
    ("umulh", "T T", "T", "", _P, "high half of the unsigned product"),
    ("smulh", "T T", "T", "", _P, "high half of the signed product"),
    ("udiv", "T T", "T", "", _P, "unsigned quotient; x/0 = 0"),
    ("sdiv", "T T", "T", "", _P, "signed quotient towards zero; x/0 = 0, MIN/-1 = MIN"),
    ("urem", "T T", "T", "", _P, "unsigned remainder; x%0 = x"),
    ("srem", "T T", "T", "", _P, "signed remainder, sign of a; x%0 = x, MIN%-1 = 0"),
    ("and", "T T", "T", "", _P, "bitwise and"),
    ("or", "T T", "T", "", _P, "bitwise or"),
    ("xor", "T T", "T", "", _P, "bitwise exclusive or"),
    ("not", "T", "T", "", _P, "bitwise complement"),
    ("neg", "T", "T", "", _P, "two's complement"),
    ("shl", "T T", "T", "", _P, "a << b; 0 if b >= N"),
    ("lshr", "T T", "T", "", _P, "a >> b with zeros; 0 if b >= N"),
    ("ashr", "T T", "T", "", _P, "a >> b with the sign; all sign if b >= N"),
    ("rotr", "T T", "T", "", _P, "a rotated right by b modulo N"),
    ("umin", "T T", "T", "", _P, "unsigned minimum"),
    ("umax", "T T", "T", "", _P, "unsigned maximum"),
    ("smin", "T T", "T", "", _P, "signed minimum"),
    ("smax", "T T", "T", "", _P, "signed maximum"),
    ("uadd_sat", "T T", "T", "", _P, "unsigned sum, saturated"),
    ("sadd_sat", "T T", "T", "", _P, "signed sum, saturated"),
    ("usub_sat", "T T", "T", "", _P, "unsigned difference, saturated"),
    ("ssub_sat", "T T", "T", "", _P, "signed difference, saturated"),
    ("abs", "T", "T", "", _P, "absolute value of a signed value; MIN stays MIN"),
    ("clz", "T", "T", "", _P, "leading zeros; N for 0"),
    ("ctz", "T", "T", "", _P, "trailing zeros; N for 0"),
    ("popcount", "T", "T", "", _P, "number of ones"),
    ("bitrev", "T", "T", "", _P, "bits in reverse order"),
    ("bswap", "T", "T", "", _P, "bytes in reverse order (N a multiple of 8)"),
    ("clmul", "T T", "X", "", _P, "carry-less product, elements twice as wide"),
    ("eq", "T T", "E", "", _P, "a = b"),
    ("ne", "T T", "E", "", _P, "a != b"),
    ("ult", "T T", "E", "", _P, "a < b, unsigned"),
    ("ule", "T T", "E", "", _P, "a <= b, unsigned"),
    ("slt", "T T", "E", "", _P, "a < b, signed"),
    ("sle", "T T", "E", "", _P, "a <= b, signed"),
    ("add_carry", "T T E", "E", "", _P, "carry out of a + b + c"),
    ("add_overflow", "T T E", "E", "", _P, "signed overflow of a + b + c"),
    ("select", "E|i1 T T", "T", "", _P, "b where a is 1, else c"),
    ("zext", "T", "X", "", _P, "widened with zeros (each element)"),
    ("sext", "T", "X", "", _P, "widened with the sign (each element)"),
    ("trunc", "T", "X", "", _P, "low bits (of each element)"),
    ("bitcast", "T", "X", "", _P, "the same bits as another type of the same total width"),
    ("concat", "iN iM", "X", "", _P, "a above b"),
    ("extract", "iN", "X", "lo", _P, "bits lo .. lo+width-1 of a"),
    ("insert", "iN iM", "X", "lo", _P, "a with b in place of its bits from lo on"),
    ("splat", "iN", "X", "", _P, "every lane is a"),
    ("lane", "T", "S", "index", _P, "lane `index` of a"),
    ("with_lane", "T S", "T", "index", _P, "a with b in lane `index`"),
    ("shuffle", "T T", "X", "mask", _P, "lane i is lane mask[i] of a followed by b"),
    ("vtable", "T T2", "X", "", _P, "lane i is a[b[i]], or 0 if b[i] >= lanes of a; b's lanes are as wide as a's"),
    ("lookup", "iN", "X", "table", _P, "element a of constant table `table`; 0 beyond its end"),
    # Floating point; elements of 16, 32 or 64 bits read as IEEE 754.
    ("fadd", "T T", "T", "", Effect.FP, "a + b; the bits of a NaN result are unspecified, as below"),
    ("fsub", "T T", "T", "", Effect.FP, "a - b"),
    ("fmul", "T T", "T", "", Effect.FP, "a * b"),
    ("fdiv", "T T", "T", "", Effect.FP, "a / b"),
    ("fsqrt", "T", "T", "", Effect.FP, "square root"),
    ("fma", "T T T", "T", "", Effect.FP, "a * b + c, rounded once; infinity * 0 beside a quiet NaN raises nothing"),
    ("fcvt", "T", "X", "", Effect.FP, "another format"),
    ("ftosi", "T", "X", "rm", Effect.FP, "to signed integer, saturating, NaN gives 0 and invalid"),
    ("ftoui", "T", "X", "rm", Effect.FP, "to unsigned integer, likewise"),
    ("sitof", "T", "X", "", Effect.FP, "from signed integer"),
    ("uitof", "T", "X", "", Effect.FP, "from unsigned integer"),
    ("frint", "T", "T", "rm exact", Effect.FP, "to an integral value; raises inexact if `exact`"),
    ("feq", "T T", "E", "signal", Effect.FP, "a = b, ordered; `signal`: any NaN raises invalid, else only signalling ones"),
    ("flt", "T T", "E", "signal", Effect.FP, "a < b, ordered"),
    ("fle", "T T", "E", "signal", Effect.FP, "a <= b, ordered"),
    ("funord", "T T", "E", "signal", Effect.FP, "a or b is a NaN"),
    ("fp_flags", "", "i8", "", Effect.FP, "sticky flags: 1 invalid 2 zero-divide 4 overflow 8 underflow 16 inexact 32 denormal input (by fp_raise only)"),
    ("fp_set_flags", "i8", "", "", Effect.FP | Effect.WRITES_STATE, "sets the sticky flags"),
    ("fp_raise", "i8", "", "", Effect.FP | Effect.WRITES_STATE, "ors into the sticky flags"),
    ("fp_set_mode", "i8", "", "", Effect.FP | Effect.WRITES_STATE, "rounding mode: 0 nearest-even 1 up 2 down 3 zero"),
    # Guest state. `index`: an int, a decode-time expression, or none for a single register.
    # `zero`: the index that reads 0 and drops writes, or none.
    ("read", "", "X", "reg index zero", Effect.READS_STATE, "the whole of register `reg[index]`"),
    ("write", "T", "", "reg index zero", Effect.WRITES_STATE, "sets the whole of register `reg[index]`"),
    ("set_ctx", "iN", "", "ctx", Effect.WRITES_STATE, "sets context variable `ctx`; an indirect goto follows"),
    # Guest memory. Addresses are i64 (zero-extended from narrower guests); access width is the value's type.
    ("load", "i64", "X", "order endian", Effect.LOADS, "loads from guest address a; order: plain acquire seqcst; endian: le be"),
    ("store", "i64 T", "", "order endian", Effect.STORES, "stores b to guest address a; order: plain release seqcst"),
    ("cas", "i64 T T", "T", "endian", Effect.LOADS | Effect.STORES, "if memory at a equals b, stores c; gives the value before; seqcst"),
    ("rmw", "i64 T", "T", "op endian", Effect.LOADS | Effect.STORES, "atomic `op` (add and or xor swap umin umax smin smax) of memory at a with b; gives the value before"),
    ("fence", "", "", "order", Effect.LOADS | Effect.STORES, "memory barrier: acquire release seqcst"),
    ("isync", "", "", "", Effect.LOADS | Effect.STORES | Effect.WRITES_STATE, "changed code is seen from the next instruction on"),
    ("call", "...", "...", "fn", Effect.CALLS | Effect.FP | Effect.READS_STATE | Effect.WRITES_STATE, "calls outlined function `fn`"),
    # Regions: functions of many instructions; `here` is the address where the guest module begins.
    ("at", "...", "", "pc state", Effect.MARKS, "accesses from here on are of the instruction at `pc`; a fault shows register (or `ctx NAME`) state[i] as operand i, others as they are"),
    ("poll", "", "i1", "", Effect.MARKS, "1 if the runtime wants control"),
    # Terminators.
    ("jump", "", "", "", Effect.ENDS_BLOCK, "to a block of this function, with arguments"),
    ("branch", "i1", "", "", Effect.ENDS_BLOCK, "to the first successor if a is 1, else to the second"),
    ("dispatch", "", "", "entries", Effect.ENDS_BLOCK, "to the successor of the entry, `here` + entries[i], at which the region was entered"),
    ("leave", "", "", "target", Effect.ENDS_BLOCK | Effect.LEAVES, "lets the runtime do what it was polled for; the guest goes on at `target`"),
    ("ret", "...", "", "", Effect.ENDS_BLOCK | Effect.LEAVES, "returns from an outlined function"),
    ("next", "", "", "", Effect.ENDS_BLOCK | Effect.LEAVES, "goes on with the next guest instruction"),
    ("goto", "", "", "target kind", Effect.ENDS_BLOCK | Effect.LEAVES, "goes to guest address `target` (decode-time); kind: plain call return"),
    ("goto_indirect", "i64", "", "kind", Effect.ENDS_BLOCK | Effect.LEAVES, "goes to guest address a"),
    ("raise", "...", "", "exception pc", Effect.ENDS_BLOCK | Effect.LEAVES, "takes a guest exception with arguments; it is the instruction at `pc`"),
)
# fmt: on

OPS: dict[str, OpSpec] = {
    name: OpSpec(name, operands, result, tuple(attrs.split()), effects, meaning)
    for name, operands, result, attrs, effects, meaning in _ROWS
}


def having(effects: Effect) -> frozenset[str]:
    """Names of the operations with any of `effects`; what passes look at for each operation is best a set."""
    return frozenset(name for name, spec in OPS.items() if spec.effects & effects)


#: What stands before a context variable's name where registers' names stand: in what `at` shows.
CONTEXT_PLACE = "ctx "

ACCESSES = having(Effect.LOADS | Effect.STORES)
LEAVING = having(Effect.LEAVES)
PURE = frozenset(name for name, spec in OPS.items() if spec.effects == Effect.PURE)
