"""Which code becomes which region, and in which context."""

from __future__ import annotations

from pyqemu.translator.lift.plan import plan_hot, plan_program
from tests.translator.lift.support import Module, reader
from tests.translator.program.test_discover import of_two_contexts
from tests.translator.program.toy import BASE, NOP, TEXT, code, jump


def test_regions_are_in_the_context_of_their_function() -> None:
    """By module offset."""
    plans = {plan.entries[0] - (TEXT - BASE): plan.context["lane"] for plan in plan_program(of_two_contexts(), BASE)}
    assert plans == {0: 1, 12: 2, 24: 1, 36: 0, 44: 0}


def test_hot_code_is_in_the_context_of_its_reader() -> None:
    """Whatever another reader of the same code is in."""
    first = reader(NOP, jump(4))
    other = first.within({"trap_div": 0, "lane": 3, "it": 0})
    assert [plan.context["lane"] for one in (first, other) for plan in plan_hot(one, [0])] == [0, 3]
    assert first.within(dict(first.context)) is first
    assert other.on(Module(code(NOP)), first.context).context is first.context
