"""The builder works out types and refuses what does not fit."""

from __future__ import annotations

import pytest

from pyqemu.translator.errors import VerifyError
from pyqemu.translator.ir.builder import Builder
from pyqemu.translator.ir.function import Function
from pyqemu.translator.ir.types import I1, I8, I64, Bits, Vec
from pyqemu.translator.ir.verifier import verify
from pyqemu.translator.static import Field


@pytest.fixture
def b() -> Builder:
    builder = Builder(Function("f"))
    builder.at(builder.block("entry"))
    return builder


def test_types_of_results(b: Builder) -> None:
    x, v = b.read("S", I64, Field("rn", 5), 31), b.read("V", Vec(4, 32), 3)
    assert b.value("add", x, x).type == I64
    assert b.value("ult", v, v).type == Vec(4, 1)
    assert b.value("lane", v, index=3).type == Bits(32)
    assert b.concat(x, b.const(1, I8)).type == Bits(72)
    assert b.shuffle(v, v, [0, 7]).type == Vec(2, 32)
    assert b.splat(x, 2).type == Vec(2, 64)
    assert b.value("clmul", b.const(3, I8), b.const(5, I8), type=Bits(16)).type == Bits(16)
    assert b.op("fp_flags").type == I8
    assert b.op("write", x, reg="S", index=1) is None
    assert [value.type for value in b.op("call", x, fn="f", type=[I64, I1])] == [I64, I1]


def test_select_takes_a_bit_or_a_mask(b: Builder) -> None:
    v, mask, bit = b.const(1, Vec(4, 32)), b.const(1, Vec(4, 1)), b.const(1, I1)
    assert b.select(mask, v, v).type == v.type
    assert b.select(bit, v, v).type == v.type
    with pytest.raises(VerifyError):
        b.select(b.const(1, Vec(2, 1)), v, v)


def test_conversions_that_change_nothing_are_no_operations(b: Builder) -> None:
    x = b.const(5, I64)
    assert b.zext(x, 64) is b.sext(x, 64) is b.trunc(x, 64) is b.bitcast(x, I64) is b.extract(x, 0, 64) is x
    assert b.insert(b.const(0, I64), x, 0) is x
    assert b.hole(-1, I8).type == I8
    assert b.current.ops[-1].attrs == {"value": 255}


BAD = [
    ("add", [I64, I8], None, {}),
    ("add", [I64], None, {}),
    ("zext", [I64], I64, {}),
    ("trunc", [I64], Vec(2, 32), {}),
    ("bitcast", [I64], Vec(2, 16), {}),
    ("extract", [I64], I8, {"lo": 57}),
    ("extract", [Vec(2, 32)], I8, {"lo": 0}),
    ("insert", [I64, I8], I64, {"lo": 57}),
    ("lane", [I64], None, {"index": 0}),
    ("lane", [Vec(2, 32)], None, {"index": 2}),
    ("shuffle", [Vec(2, 32), Vec(2, 32)], Vec(2, 32), {"mask": (0, 4)}),
    ("shuffle", [Vec(2, 32), Vec(2, 32)], Vec(2, 32), {"mask": [0, 1]}),
    ("fadd", [I8, I8], None, {}),
    ("ftosi", [I64], I64, {"rm": "up"}),
    ("load", [I64], Bits(12), {}),
    ("load", [Bits(32)], I64, {}),
    ("load", [I64], I64, {"order": "release"}),
    ("rmw", [I64, I64], None, {"op": "nand"}),
    ("read", [], None, {"reg": "S"}),
    ("read", [], I64, {"reg": 5}),
    ("const", [], I8, {"value": 256}),
    ("const", [], I8, {"value": True}),
    ("hole", [], Vec(2, 8), {"expr": 1}),
    ("add", [I64, I64], None, {"lo": 5}),
    ("nonsense", [], None, {}),
]


@pytest.mark.parametrize(("name", "types", "stated", "attrs"), BAD)
def test_refuses(b: Builder, name: str, types: list, stated, attrs: dict) -> None:
    operands = [b.const(1, ty) for ty in types]
    with pytest.raises(VerifyError):
        b.op(name, *operands, type=stated, **attrs)


def test_blocks(b: Builder) -> None:
    first, second = b.block("again", [I64]), b.block("again")
    assert (first.label, second.label) == ("again", "again.1")
    b.branch(b.read("Z", I1), first, second, [b.const(1, I64)])
    assert b.terminated
    with pytest.raises(VerifyError):
        b.const(1, I64)
    b.at(first).jump(second)
    b.at(second).next()
    verify(b.function)
