"""Which instructions a region has: all that control reaches from its entries without leaving what it may use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pyqemu.translator.lift.instructions import Instruction, Reader

#: Places that a return inside a region is compared with, at most.
_MOST_RETURN_SITES = 6


@dataclass(frozen=True, slots=True)
class Trace:
    """Instructions by module offset; where blocks begin; entries; heads of loops.

    Calls of `called` stay inside, and what they return to are the `return_sites`.
    """

    instructions: dict[int, Instruction]
    leaders: frozenset[int]
    entries: tuple[int, ...]
    loop_heads: frozenset[int]
    called: frozenset[int] = frozenset()
    return_sites: tuple[int, ...] = ()

    def inside(self, offset: int) -> bool:
        """Whether control at `offset` stays in the region."""
        return offset in self.instructions


@dataclass(slots=True)
class _Walk:
    reader: Reader
    allowed: Callable[[int], bool]
    limit: int
    found: dict[int, Instruction] = field(default_factory=dict[int, Instruction])
    entries: dict[int, None] = field(default_factory=dict[int, None])  # ordered
    leaders: set[int] = field(default_factory=set[int])
    called: frozenset[int] = frozenset()
    return_sites: tuple[int, ...] = ()

    def instruction(self, offset: int) -> Instruction | None:
        """The instruction at `offset` if the region may have it."""
        known = self.found.get(offset)
        if known is not None:
            return known
        if len(self.found) >= self.limit or not self.allowed(offset):
            return None
        made = self.reader.read(offset)
        if made is None or made.meaning.unsupported:
            return None
        self.found[offset] = made
        return made


def trace(
    reader: Reader, entries: Iterable[int], allowed: Callable[[int], bool], limit: int = 2000
) -> Trace:
    """Follows control from `entries`, in breadth, over at most `limit` instructions for which `allowed` holds.

    A call of one of `entries` can stay inside the region. What comes behind a call, an exception or an instruction
    that regions do not do becomes an entry as well, and so do heads of loops.
    """
    walk = _Walk(reader, allowed, limit)
    pending = [offset for offset in entries if walk.instruction(offset)]
    functions = frozenset(pending)
    walk.entries.update(dict.fromkeys(pending))
    while pending:
        pending = [offset for start in pending for offset in _follow(walk, start)]
    walk.leaders |= _merges(walk)
    _find_calls(walk, functions)
    heads = _loop_heads(walk)
    walk.entries.update(dict.fromkeys(sorted(heads)))
    return Trace(
        walk.found, frozenset(walk.leaders), tuple(walk.entries), frozenset(heads), walk.called, walk.return_sites
    )


def _merges(walk: _Walk) -> set[int]:
    """Instructions that two others end at, as where a branch goes into the middle of one."""
    ends = Counter(instruction.end for instruction in walk.found.values() if instruction.meaning.goes_on)
    return {offset for offset, count in ends.items() if count > 1 and offset in walk.found}


def _find_calls(walk: _Walk, functions: frozenset[int]) -> None:
    """Finds calls that can stay inside, if a return has but few places to come back to."""
    called: set[int] = set()
    sites: list[int] = []
    for instruction in walk.found.values():
        inside = [t for t, kind in walk.reader.targets(instruction) if kind == "call" and t in functions]
        if inside and instruction.end in walk.found:
            called.update(inside)
            sites.append(instruction.end)
    if len(sites) <= _MOST_RETURN_SITES:
        walk.called, walk.return_sites = frozenset(called), tuple(sorted(sites))


def _follow(walk: _Walk, offset: int) -> list[int]:
    """Goes straight on from a leader; gives the leaders that it leads to and that are new."""
    if offset in walk.leaders:
        return []
    walk.leaders.add(offset)
    onward: list[int] = []
    while True:
        instruction = walk.found[offset]
        meaning, offset = instruction.meaning, instruction.end
        onward += [t for t, kind in walk.reader.targets(instruction) if kind != "call" and walk.instruction(t)]
        if meaning.resumes or not meaning.goes_on:
            break
        if offset in walk.leaders:
            return onward
        if not walk.instruction(offset):
            return onward + _behind(walk, offset)
        if meaning.gotos:
            return [*onward, offset]
    if meaning.goes_on and walk.instruction(offset):
        onward.append(offset)
    if meaning.resumes and walk.instruction(offset):
        walk.entries[offset] = None
        onward.append(offset)
    return onward


def _behind(walk: _Walk, offset: int) -> list[int]:
    """The instruction behind one that regions do not do, made an entry."""
    made = walk.reader.read(offset) if walk.allowed(offset) else None
    if made is None or not made.meaning.unsupported or not walk.instruction(made.end):
        return []
    walk.entries[made.end] = None
    return [made.end]


def _loop_heads(walk: _Walk) -> set[int]:
    """Leaders that a walk in depth from the entries comes back to while it is still below them."""
    heads: set[int] = set()
    done: set[int] = set()
    for entry in walk.entries:
        active: dict[int, list[int]] = {}
        stack = [entry]
        while stack:
            at = stack[-1]
            if at not in active and at not in done:
                active[at] = _successors(walk, at)
            onward = active.get(at)
            if not onward:
                active.pop(at, None)
                done.add(stack.pop())
                continue
            following = onward.pop()
            if following in active:
                heads.add(following)
            elif following not in done:
                stack.append(following)
    return heads


def _successors(walk: _Walk, offset: int) -> list[int]:
    """Leaders that follow a leader within the region."""
    while True:
        instruction = walk.found[offset]
        onward = [
            target
            for target, kind in walk.reader.targets(instruction)
            if (target in walk.called if kind == "call" else target in walk.found)
        ]
        if instruction.meaning.returns:
            onward += walk.return_sites
        offset = instruction.end
        goes_on = instruction.meaning.goes_on and offset in walk.found
        if onward or not goes_on or offset in walk.leaders:
            return [*onward, offset] if goes_on else onward
