"""The contexts that code is read in: values of the context variables, one object for all that are equal."""

from __future__ import annotations

from collections.abc import Mapping

from pyqemu.translator.static import evaluate
from pyqemu.translator.target import Encoding, Target, following


class Contexts:
    """Which context comes behind which, remembered."""

    def __init__(self, target: Target, first: Mapping[str, int]) -> None:
        self._variables = target.context
        self._follows = {v.name: v.follows for v in target.context if v.follows is not None}
        self._known: dict[tuple[int, ...], Mapping[str, int]] = {tuple(first.values()): first}
        self._behind: dict[tuple[int, ...], Mapping[str, int]] = {}

    def same(self, context: Mapping[str, int]) -> Mapping[str, int]:
        """The context that stands for all that are equal to it."""
        return self._known.setdefault(tuple(context.values()), context)

    def come_back(self, context: Mapping[str, int]) -> Mapping[str, int]:
        """The context behind an instruction in `context` that has called something, which restores its caller's; the
        same as behind one that says nothing of it.
        """
        if not self._follows:
            return context
        key = tuple(context.values())
        known = self._behind.get(key)
        if known is None:
            follows = {name: evaluate(value, {}, 0, context) for name, value in self._follows.items()}
            known = self._behind[key] = self.same({**context, **follows})
        return known

    def after(
        self, encoding: Encoding, fields: Mapping[str, int], context: Mapping[str, int]
    ) -> tuple[Mapping[str, int], Mapping[str, int], Mapping[str, int]]:
        """The contexts behind an instruction: where it falls through, where it goes, and where it is come back to."""
        behind = self.come_back(context)
        if not encoding.next:
            return behind, behind, behind
        falls, goes = (
            self.same({**context, **following(self._variables, encoding, fields, context, falls=falls)})
            for falls in (True, False)
        )
        return falls, goes, behind
