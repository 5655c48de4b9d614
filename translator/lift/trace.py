"""Which instructions a region has: all that control reaches from its entries without leaving what it may use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
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

    def inside(self, offset: int, context: Mapping[str, int]) -> bool:
        """Whether control at `offset` in a context stays in the region."""
        found = self.instructions.get(offset)
        return found is not None and found.context is context


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

    def has(self, offset: int, context: Mapping[str, int]) -> bool:
        """Whether the instruction at `offset` in a context was found."""
        known = self.found.get(offset)
        return known is not None and known.context is context

    def enters(self, offset: int) -> bool:
        """Whether the region can be entered at an instruction that was found: in the reader's context."""
        return self.has(offset, self.reader.context)

    def instruction(self, offset: int, context: Mapping[str, int]) -> Instruction | None:
        """The instruction at `offset` in a context if the region may have it. It has one in one context only."""
        known = self.found.get(offset)
        if known is not None:
            return known if known.context is context else None
        if len(self.found) >= self.limit or not self.allowed(offset):
            return None
        made = self.reader.read(offset, context)
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
    pending = [offset for offset in entries if walk.instruction(offset, reader.context)]
    functions = frozenset(pending)
    walk.entries.update(dict.fromkeys(pending))
    while pending:
        pending = [offset for start in pending for offset in _follow(walk, start)]
    walk.leaders |= _merges(walk)
    _find_calls(walk, functions)
    heads = _loop_heads(walk)
    walk.entries.update(dict.fromkeys(head for head in sorted(heads) if walk.enters(head)))
    return Trace(
        walk.found, frozenset(walk.leaders), tuple(walk.entries), frozenset(heads), walk.called, walk.return_sites
    )


def _merges(walk: _Walk) -> set[int]:
    """Instructions that two others end at, as where a branch goes into the middle of one."""
    going = (i for i in walk.found.values() if i.meaning.goes_on and walk.has(i.end, i.falls_to))
    return {offset for offset, count in Counter(i.end for i in going).items() if count > 1}


def _find_calls(walk: _Walk, functions: frozenset[int]) -> None:
    """Finds calls that can stay inside, if a return has but few places to come back to."""
    called: set[int] = set()
    sites: list[int] = []
    for instruction in walk.found.values():
        if instruction.goes_to is not walk.reader.context:
            continue
        inside = [t for t, kind in walk.reader.targets(instruction) if kind == "call" and t in functions]
        if inside and walk.enters(instruction.end):
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
        meaning, offset, context = instruction.meaning, instruction.end, instruction.falls_to
        onward += [
            target
            for target, kind in walk.reader.targets(instruction)
            if kind != "call" and walk.instruction(target, instruction.goes_to)
        ]
        if meaning.resumes or not meaning.goes_on:
            break
        if walk.has(offset, context) and offset in walk.leaders:
            return onward
        if not walk.instruction(offset, context):
            return onward + _behind(walk, offset, context)
        if meaning.gotos:
            return [*onward, offset]
    if meaning.goes_on and walk.instruction(offset, context):
        onward.append(offset)
    context = instruction.comes_back
    if meaning.resumes and context is walk.reader.context and walk.instruction(offset, context):
        walk.entries[offset] = None
        onward.append(offset)
    return onward


def _behind(walk: _Walk, offset: int, context: Mapping[str, int]) -> list[int]:
    """The instruction behind one that regions do not do, made an entry."""
    made = walk.reader.read(offset, context) if walk.allowed(offset) else None
    if made is None or not made.meaning.unsupported or made.falls_to is not walk.reader.context:
        return []
    if not walk.instruction(made.end, walk.reader.context):
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
            if walk.has(target, instruction.goes_to) and (kind != "call" or target in walk.called)
        ]
        if instruction.meaning.returns and instruction.goes_to is walk.reader.context:
            onward += walk.return_sites
        offset = instruction.end
        goes_on = instruction.meaning.goes_on and walk.has(offset, instruction.falls_to)
        if onward or not goes_on or offset in walk.leaders:
            return [*onward, offset] if goes_on else onward
