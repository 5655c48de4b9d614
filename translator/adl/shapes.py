"""The shapes of an encoding: elaborate, split where a static position is open, elaborate again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from pyqemu.translator.adl import ast
from pyqemu.translator.adl.body import Demand, Unreachable
from pyqemu.translator.adl.errors import DescriptionError
from pyqemu.translator.adl.knowledge import Knowledge
from pyqemu.translator.ir.function import Function
from pyqemu.translator.static import Apply, Ctx, Element, Field, Here, StaticExpr
from pyqemu.translator.target import ShapeChoice, ShapeLeaf, ShapeTree, Undefined

#: The way from the root of a shape tree to a leaf: what was decided how.
Decisions = Sequence[tuple[StaticExpr, int]]
#: Makes the function for what is known; raises Demand where that does not suffice.
Attempt = Callable[[Knowledge, str], Function | Undefined]


@dataclass(slots=True)
class Explorer:
    """Walks through the decisions of one encoding."""

    attempt: Attempt
    limit: int
    leaves: int = 0
    #: Where shapes were split: how often into how many, by place.
    splits: dict[ast.Span, tuple[int, str]] = field(default_factory=dict[ast.Span, tuple[int, str]])

    def explore(self, knowledge: Knowledge, label: str = "") -> ShapeTree:
        """The tree of shapes below what is known."""
        try:
            result = self.attempt(knowledge, label)
        except Unreachable:
            return Undefined()
        except Demand as demand:
            return self._split(demand, label)
        if isinstance(result, Undefined):
            return result
        self.leaves += 1
        if self.leaves > self.limit:
            raise self._too_many()
        return ShapeLeaf(label, result)

    def _split(self, demand: Demand, label: str) -> ShapeTree:
        expr, children = demand.split.expr, demand.split.children
        before = self.splits.get(demand.span, (0, ""))
        if len(children) > before[0]:
            self.splits[demand.span] = (len(children), f"{demand.what}, over {show(expr)}")
        if len(children) > self.limit:
            raise self._too_many()
        below: dict[int, ShapeTree] = {}
        for value, knowledge in children.items():
            decision = decided(expr, value)
            below[value] = self.explore(knowledge, f"{label},{decision}" if label else decision)
        if all(isinstance(child, Undefined) for child in below.values()):
            return Undefined()
        return ShapeChoice(expr, below)

    def _too_many(self) -> DescriptionError:
        span, (count, what) = max(self.splits.items(), key=lambda item: item[1][0])
        return DescriptionError(
            span,
            f"this encoding has more than {self.limit} shapes; most come from {what}: {count} values",
            "compute it at run time, use a hole where a stencil need not differ, or raise `limit shapes`",
        )


def paths(
    tree: ShapeTree, above: tuple[tuple[StaticExpr, int], ...] = ()
) -> Iterator[tuple[tuple[tuple[StaticExpr, int], ...], ShapeLeaf]]:
    """All shapes of a tree, each with the decisions that lead to it."""
    if isinstance(tree, ShapeLeaf):
        yield above, tree
    elif isinstance(tree, ShapeChoice):
        for value, child in tree.children.items():
            yield from paths(child, (*above, (tree.expr, value)))


def replay(knowledge: Knowledge, decisions: Decisions) -> Knowledge | None:
    """What is known after some decisions; None if they exclude each other."""
    for expr, value in decisions:
        split = knowledge.split(expr)
        if split is None or value not in split.children:
            return None
        knowledge = split.children[value]
    return knowledge


def decided(expr: StaticExpr, value: int) -> str:
    """A decision as text: `sf=1`, `rd==31`, `!(rn==rd)`."""
    if isinstance(expr, Apply) and expr.op in _INFIX and expr.op in ("eq", "ne", "lt", "le"):
        return show(expr) if value else f"!({show(expr)})"
    return f"{show(expr)}={value}"


_INFIX = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "mod": "%", "and": "&", "or": "|", "xor": "^",
    "shl": "<<", "shr": ">>", "eq": "==", "ne": "!=", "lt": "<", "le": "<=",
}  # fmt: skip


def show(expr: StaticExpr) -> str:
    """A decode-time expression in the description's notation, without blanks."""
    match expr:
        case int():
            return str(expr)
        case Field() | Ctx():
            return expr.name
        case Here():
            return "here"
        case Element(_, index):
            return f"table[{show(index)}]"
        case Apply("select", (condition, then, otherwise)):
            return f"({_part(condition)}?{_part(then)}:{_part(otherwise)})"
        case Apply(op, (left, right)) if op in _INFIX:
            return f"{_part(left)}{_INFIX[op]}{_part(right)}"
        case Apply("neg" | "inv" as op, (operand,)):
            return f"{'-' if op == 'neg' else '~'}{_part(operand)}"
        case Apply(op, args):
            return f"{op}({','.join(show(arg) for arg in args)})"


def _part(expr: StaticExpr) -> str:
    text = show(expr)
    return f"({text})" if isinstance(expr, Apply) and expr.op in _INFIX else text
