"""Decode trees: which encodings a word can belong to, found by a few table look-ups.

A tree only narrows down: a leaf's candidates are still compared in full, and their guards evaluated. Every
encoding that a word matches is among the candidates of the word's leaf, the preferred ones first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pyqemu.translator.target import DecodeBranch, DecodeLeaf, DecodeTree, Encoding

#: Leaves with more candidates are divided if any bits tell them apart.
_ENOUGH = 2
#: Most bits that one look-up uses.
_MOST_BITS = 8
_EMPTY = DecodeLeaf(())


@dataclass(slots=True)
class _Builder:
    encodings: Mapping[int, Encoding]
    width: int
    rank: Mapping[int, int]
    trees: dict[tuple[tuple[int, ...], int], DecodeTree] = field(
        default_factory=dict[tuple[tuple[int, ...], int], DecodeTree]
    )

    def tree(self, numbers: tuple[int, ...], looked_at: int) -> DecodeTree:
        """The tree for words that agree with the candidates in the bits `looked_at`."""
        if not numbers:
            return _EMPTY
        key = (numbers, looked_at)
        if key not in self.trees:
            best = self._best_range(numbers, looked_at) if len(numbers) > _ENOUGH else None
            if best is None:
                self.trees[key] = DecodeLeaf(tuple(sorted(numbers, key=lambda n: (self.rank[n], n))))
            else:
                self.trees[key] = self._branch(numbers, looked_at, *best)
        return self.trees[key]

    def _branch(self, numbers: tuple[int, ...], looked_at: int, shift: int, bits: int) -> DecodeTree:
        now = looked_at | ((1 << bits) - 1) << shift
        children = tuple(self.tree(bucket, now) for bucket in self._buckets(numbers, shift, bits))
        return DecodeBranch(shift, bits, children)

    def _buckets(self, numbers: tuple[int, ...], shift: int, bits: int) -> list[tuple[int, ...]]:
        """The candidates for each value of a range of bits."""
        buckets: list[list[int]] = [[] for _ in range(1 << bits)]
        whole = (1 << bits) - 1
        for number in numbers:
            encoding = self.encodings[number]
            mask, value = encoding.mask >> shift & whole, encoding.value >> shift & whole
            free = whole & ~mask
            place = free
            while True:  # all values of the free bits
                buckets[value | place].append(number)
                if not place:
                    break
                place = (place - 1) & free
        return [tuple(bucket) for bucket in buckets]

    def _best_range(self, numbers: tuple[int, ...], looked_at: int) -> tuple[int, int] | None:
        """The bits to look at next: shift and number of bits; None if nothing tells the candidates apart."""
        masks = [self.encodings[n].mask & ~looked_at for n in numbers]
        useful = 0
        for mask in masks:
            useful |= mask
        best: tuple[float, int, int] | None = None
        for shift in range(self.width):
            if not useful >> shift & 1:
                continue
            for bits in range(1, _MOST_BITS + 1):
                top = shift + bits - 1
                if top >= self.width or not useful >> top & 1 or (looked_at >> shift) & ((1 << bits) - 1):
                    continue
                cost = self._cost(numbers, masks, shift, bits)
                if cost is not None and (best is None or cost < best[0]):
                    best = (cost, shift, bits)
        return None if best is None else (best[1], best[2])

    def _cost(self, numbers: tuple[int, ...], masks: Sequence[int], shift: int, bits: int) -> float | None:
        """Expected candidates left for a word that is one of them, and a little for the table; None if
        no gain.
        """
        whole = (1 << bits) - 1
        copies = sum(1 << bits - (mask >> shift & whole).bit_count() for mask in masks)
        if copies > 6 * len(numbers) + (1 << bits):
            return None
        buckets = self._buckets(numbers, shift, bits)
        largest = max(len(bucket) for bucket in buckets)
        if largest == len(numbers) and all(len(bucket) in (0, largest) for bucket in buckets) and bits > 1:
            return None
        left = sum(len(bucket) ** 2 for bucket in buckets) / copies
        if left >= len(numbers):
            return None
        return left + (1 << bits) / 32


def build_tree(
    encodings: Sequence[Encoding], width: int, before: Mapping[int, frozenset[int]] | None = None
) -> DecodeTree:
    """The decode tree of a unit `width` bits wide; `before[n]` are the encodings that are preferred to n."""
    by_number = {encoding.number: encoding for encoding in encodings}
    rank = ranks(list(by_number), before or {})
    return _Builder(by_number, width, rank).tree(tuple(by_number), 0)


def ranks(numbers: Sequence[int], before: Mapping[int, frozenset[int]]) -> dict[int, int]:
    """How many preferences stand above each encoding (the longest chain); there are no cycles."""
    result: dict[int, int] = {}

    def rank(number: int) -> int:
        if number not in result:
            result[number] = max((rank(other) + 1 for other in before.get(number, ())), default=0)
        return result[number]

    for number in numbers:
        rank(number)
    return result


def leaf_of(tree: DecodeTree, word: int) -> DecodeLeaf:
    """The leaf that `word` comes to."""
    while isinstance(tree, DecodeBranch):
        tree = tree.children[word >> tree.shift & (1 << tree.bits) - 1]
    return tree
