"""The check for state that is written before an access that can fault."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from pyqemu.hostgen.check import late_accesses
from pyqemu.hostgen.library import Compiled
from pyqemu.translator.ir.builder import Builder
from pyqemu.translator.ir.function import Function
from pyqemu.translator.ir.types import I64
from pyqemu.translator.static import Field
from tests.hostgen.machine_code import Code, made


def _compiled(build: Callable[[Builder], None], functions: Mapping[str, Function] | None = None) -> Compiled:
    (runnable,) = Code("v3", outlined=functions or {}).compile([made("f", build)], ("rd",))
    return runnable.compiled


def _store_then_load(b: Builder) -> None:
    b.write(b.const(1, I64), "S", 1)
    b.write(b.load(b.read("S", I64, 0), I64), "S", 2)
    b.next()


def _load_then_store(b: Builder) -> None:
    value = b.load(b.read("S", I64, 0), I64)
    b.write(value, "S", Field("rd", 5), 31)
    b.next()


def test_state_written_before_an_access_is_found() -> None:
    assert late_accesses([_compiled(_store_then_load)], {})
    assert not late_accesses([_compiled(_load_then_store)], {})


@pytest.mark.parametrize("writes", [False, True])
def test_access_behind_a_call(writes: bool) -> None:
    """It is late if the function writes state, be it by another one."""
    inner, outer = Function("inner", results=(I64,)), Function("outer", results=(I64,))
    b = Builder(inner)
    b.at(b.block("entry"))
    if writes:
        b.write(b.const(1, I64), "Q")
    b.op("ret", b.read("S", I64, 1))
    b = Builder(outer)
    b.at(b.block("entry"))
    b.op("ret", *b.call("inner", [], [I64]))

    def load_behind(b: Builder) -> None:
        (address,) = b.call("outer", [], [I64])
        b.write(b.load(address, I64), "S", 2)
        b.next()

    functions = {"inner": inner, "outer": outer}
    assert bool(late_accesses([_compiled(load_behind, functions)], functions)) == writes
