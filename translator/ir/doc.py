"""Writes docs/ir.md from the operation table: `python -m pyqemu.translator.ir.doc > docs/ir.md`."""

from __future__ import annotations

import sys

from pyqemu.translator.ir.attributes import DEFAULTS, KINDS, Kind
from pyqemu.translator.ir.ops import OPS, Effect, OpSpec
from pyqemu.translator.ir.printer import print_static

_INTRODUCTION = """\
# The IR

*Made from the operation table by `python -m pyqemu.translator.ir.doc`; a test holds that it is current.*

A function is a list of blocks with arguments; there are no phi nodes. Values are bit vectors `iN` and
fixed vectors `vKxN` of K lanes of N bits, lane 0 lowest. There are no floating-point types: a float is
its bit pattern, and the operation says how it is read. Every operation is total. An instruction's
meaning has no parameters and ends in `next`, `goto`, `goto_indirect` or `raise`; an outlined function
has parameters and results and ends in `ret`. A *region* is the meaning of many instructions: it begins with
`dispatch`, `here` in it is the address of the guest module, and it never ends in `next`.

```
func @ADD_imm "sf=1,S=0" {
^entry:
  %0:i64 = read<S[$rn:5] zero=31>
  %1:i64 = hole<(shl $imm:12 12)>
  %2:i64 = add %0 %1
  %3:i64 = const<0>
  %4:i1 = eq %2 %3
  branch %4 ^out(%0) ^out(%2)
^out(%x:i64):
  write<S[$rd:5]> %x
  next
}

func @slow(%a:i64, %b:i64) -> (i64) {
^entry:
  %0:i64 = umulh %a %b
  ret %0
}
```

Comments run from `;` to the end of the line, and commas are blanks. Attributes stand in `<…>`: the
first one listed below without its name (unless it has a default), others as `name=value`; one that has
its default may be left out. A register's index follows its name in brackets. Names with other
characters than letters, digits, `_` and `.` are quoted.

Decode-time expressions are s-expressions: integers; `$name:5` and `$name:s7`, an unsigned and a signed
field of so many bits; `here`, the instruction's own address; `(ctx name width)`, a context variable;
`(table [1 2 3] e)`, an element of a table; and `(op e …)` with the operations of
`translator/static.py`.

The interpreter (`translator/ir/interp.py`) is what operations mean. It gives NaN results as a pattern
of its own, so that a description which forgets to choose its NaN is noticed.

Signatures: `T` any type, `E` T's shape with elements of one bit, `S` an element of vector T, `X` a type
that the operation states, `iN` and `iM` any width, `E|i1` a mask or one bit for all.
"""

_GROUPS: tuple[tuple[str, str, str], ...] = (
    ("Constants and decode-time values", "const", "hole"),
    ("Arithmetic", "add", "clmul"),
    ("Comparison and selection", "eq", "select"),
    ("Widths, pieces and lanes", "zext", "lookup"),
    ("Floating point", "fadd", "fp_set_mode"),
    ("Guest state", "read", "set_ctx"),
    ("Guest memory, calls", "load", "call"),
    ("Regions", "at", "poll"),
    ("Terminators", "jump", "raise"),
)


def render() -> str:
    """The whole of docs/ir.md."""
    names = list(OPS)
    parts = [_INTRODUCTION]
    for title, first, last in _GROUPS:
        rows = [_row(OPS[name]) for name in names[names.index(first) : names.index(last) + 1]]
        parts.append(
            f"\n## {title}\n\n| operation | gives | attributes | effects | meaning |\n|---|---|---|---|---|\n"
        )
        parts.extend(rows)
    return "".join(parts)


def _row(spec: OpSpec) -> str:
    operands = f"{spec.name} {spec.operands}".strip().replace("|", "\\|")
    attributes = ", ".join(map(_attribute, spec.attrs))
    effects = ", ".join(
        (effect.name or "").lower().replace("_", " ")
        for effect in Effect
        if effect in spec.effects and effect.value
    )
    meaning = spec.meaning.replace("|", "\\|")
    return f"| `{operands}` | {spec.result} | {attributes} | {effects} | {meaning} |\n"


def _attribute(key: str) -> str:
    kind = KINDS[key]
    shown = {Kind.STATIC_OR_NONE: "static or none", Kind.INT_OR_NONE: "int or none"}.get(
        kind, kind.name.lower()
    )
    default = DEFAULTS.get(key)
    if kind is Kind.STATIC and default is not None:
        default = print_static(default)
    return f"`{key}`: {shown}" + (f" ({default})" if default not in (None, ()) else "")


if __name__ == "__main__":
    sys.stdout.write(render())
