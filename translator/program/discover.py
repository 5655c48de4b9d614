"""Finds a program's code by recursive descent from all that is known to be code, and from jump tables found on the way.

It goes from the surest to what is only likely: entry points, unwind tables and symbols; then addresses that code
makes, and words in data, where they lead to code nothing else has reached; then what lies between, if it can be
executed to its end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from pyqemu.translator.program.constants import ConstantFinder
from pyqemu.translator.program.flow import Exit, FlowReader, Place, Step
from pyqemu.translator.program.image import Extent, Image, Segment
from pyqemu.translator.program.jump_tables import TableFinder
from pyqemu.translator.program.listing import Listing, Origin
from pyqemu.translator.program.program import Program, build_program

#: Is told how many bytes of code have been reached, of how many.
Progress = Callable[[int, int], None]
_STEPS_BETWEEN_REPORTS = 4096
#: A block longer than this is no code, if nothing leads to it.
_LONGEST_BLOCK = 1024


def discover(image: Image, reader: FlowReader, progress: Progress | None = None) -> Program:
    """The code of a program. `reader` keeps what it has learnt of the architecture, for the next program."""
    known = _known(image, reader)
    image = _unmarked(image, reader)
    finder = _Discovery(image, reader, progress)
    finder.from_known(known)
    finder.from_constants()
    finder.from_pointers()
    finder.from_gaps()
    return build_program(image, finder.listing, finder.entries, finder.reached, finder.unresolved, reader.stays)


def _known(image: Image, reader: FlowReader) -> list[list[Place]]:
    """Functions by entry points, unwind tables and symbols; then the starts of pieces of code. Where pointers to code
    tell its context, addresses that are no pointers are left to what comes later.
    """
    starts, pieces = [extent.start for extent in image.extents], [piece.address for piece in image.code]
    if reader.marked:
        starts = pieces = []
    functions = [*image.roots, *starts, *(symbol.address for symbol in image.symbols)]
    return [[reader.place(pointer) for pointer in pointers] for pointers in (functions, pieces)]


def _unmarked(image: Image, reader: FlowReader) -> Image:
    """The image with symbols and extents of symbols at addresses, where pointers to code tell more than these."""
    if not reader.marked:
        return image
    symbols = [replace(symbol, address=reader.place(symbol.address).address) for symbol in image.symbols]
    extents = {Extent(*(reader.place(at).address for at in (e.start, e.end))) for e in image.extents}
    return replace(image, symbols=tuple(symbols), extents=tuple(sorted(extents)))


@dataclass(slots=True)
class _Discovery:
    """One search. `entries` are where functions begin."""

    image: Image
    reader: FlowReader
    progress: Progress | None = None
    listing: Listing = field(init=False)
    entries: set[int] = field(default_factory=set[int])
    reached: dict[Origin, int] = field(default_factory=dict[Origin, int])
    _work: list[Place] = field(default_factory=list[Place])
    #: Instructions that may begin an address of code, and were not looked at.
    _makers: list[int] = field(default_factory=list[int])
    #: Indirect jumps that were not looked at yet, and those that were not understood: whether they seem to have tables.
    _indirect: list[int] = field(default_factory=list[int])
    _open: dict[int, bool] = field(default_factory=dict[int, bool])
    _changed: bool = False
    _origin: Origin = Origin.KNOWN
    _ends: frozenset[int] = frozenset()
    _bytes: int = 0

    def __post_init__(self) -> None:
        self.listing = Listing(self.image, self.reader.sizes)
        self._ends = frozenset(extent.end for extent in self.image.extents)

    # --- where to begin ---

    def from_known(self, known: Iterable[Iterable[Place]]) -> None:
        """Follows what is known to be code, the surest first."""
        for places in known:
            self._follow(Origin.KNOWN, places)

    def from_constants(self) -> None:
        """Follows addresses of code that instructions make, also those that are found so. One that says another
        context than its maker's is data's more likely.
        """
        finder = ConstantFinder(self.listing)
        while self._makers:
            makers, self._makers = self._makers, []
            places = [
                place
                for maker in makers
                for place in map(self.reader.place, finder.addresses(maker))
                if not self.reader.marked or self._says_same(place, maker)
            ]
            self._follow(Origin.CONSTANT, places, new_only=True)

    def _says_same(self, place: Place, maker: int) -> bool:
        marked = self.reader.marked
        return place.context[marked] == self.listing.steps[maker].context[marked]

    def from_pointers(self) -> None:
        """Follows words in data that have the value of an address in code, and what is found by that."""
        self._follow(Origin.POINTER, map(self.reader.place, self.image.words()), new_only=True)
        self.from_constants()

    def from_gaps(self) -> None:
        """Follows what is left over and can be code: landing pads, and where jumps lead that were not understood. It is
        taken to be in the context of what comes before it.
        """
        for piece in self.image.code:
            address, context = piece.address, self._first_context(piece)
            while address < piece.end:
                step = self.listing.steps.get(address)
                if step is not None:
                    address += step.size
                    context = step.following if self.reader.stays(step.following) else context
                    continue
                senseless = self.listing.literals.get(address) or self._senseless(piece, Place(address, context))
                if senseless:
                    address += senseless
                else:
                    self._follow(Origin.GAP, [Place(address, context)], entries=False)
                    address += self.listing.steps[address].size

    def _first_context(self, piece: Segment) -> Mapping[str, int]:
        """That of the first instruction of a piece of code that was found."""
        steps, size = self.listing.steps, self.reader.alignment
        found = (steps[at] for at in range(piece.address, piece.end, size) if at in steps)
        return next((step.context for step in found), self.reader.context)

    def _senseless(self, piece: Segment, place: Place) -> int:
        """How many bytes from `place` on are surely no code: 0 if what begins there can be executed to an exit.

        Padding is none, nor are instructions that come to something that does not decode, from wherever they begin.
        """
        start = address = place.address
        step = self._step(piece, address, place.context)
        if step is None or step.flow.does_nothing or address % self.reader.alignment:
            return self.reader.alignment
        for _ in range(_LONGEST_BLOCK):
            if step is None or step.flow.exit is not Exit.NONE:
                break
            address += step.size
            if address in self.listing.steps:
                return 0
            step = self._step(piece, address, step.following)
        return 0 if step is not None and step.flow.exit is not Exit.NONE else address - start

    def _follow(
        self, origin: Origin, places: Iterable[Place], *, entries: bool = True, new_only: bool = False
    ) -> None:
        """Follows control from all `places` that can be code; `new_only`: and that are not reached already."""
        before, self._origin = self._bytes, origin
        for place in places:
            if (new_only and place.address in self.listing.steps) or not self._is_code(place):
                continue
            self._lead(place)
            if entries:
                self.entries.add(place.address)
            if new_only:
                self._walk_all()
        self._drain()
        self.reached[origin] = self.reached.get(origin, 0) + self._bytes - before

    def _is_code(self, place: Place) -> bool:
        piece, address = self.image.code_at(place.address), place.address
        if piece is None or address % self.reader.alignment or address in self.listing.literals:
            return False
        return self._step(piece, address, place.context) is not None

    def _step(self, piece: Segment, address: int, context: Mapping[str, int]) -> Step | None:
        at = address - piece.address
        return self.reader.step(piece.data[at : at + self.reader.longest], context)

    # --- following it ---

    def _drain(self) -> None:
        """Follows control from all leaders that are not done, and the tables of indirect jumps.

        A jump that was not understood is tried again when all others have been: more of the ways to it may be known.
        """
        while self._work or self._indirect:
            while self._work or self._indirect:
                self._walk_all()
                self._resolve()
            if self._changed:
                self._indirect, self._open, self._changed = [*self._open], {}, False

    def _walk_all(self) -> None:
        while self._work:
            self._walk(self._work.pop())

    def _lead(self, place: Place, source: int | None = None) -> None:
        """Says that a block begins at `place`, jumped to from `source`."""
        address = place.address
        if source is not None:
            self.listing.sources.setdefault(address, []).append(source)
        if address not in self.listing.leaders:
            self.listing.leaders.add(address)
            self.listing.origins[address] = self._origin
            self._work.append(place)

    def _walk(self, place: Place) -> None:
        """Decodes from `place` on until control goes elsewhere or comes to what is known."""
        address, context = place.address, place.context
        piece = self.image.code_at(address)
        if piece is None or address % self.reader.alignment:
            return
        steps = self.listing.steps
        while address < piece.end and address not in steps:
            step = self._step(piece, address, context)
            if step is None:
                return
            context = step.following
            steps[address] = step
            self._count(step.size)
            following = address + step.size
            if step.flow.makes_address:
                self._makers.append(address)
            if step.flow.exit is not Exit.NONE:
                if not self._leave(address, step, following):
                    return
                self.listing.leaders.add(following)
                self.listing.origins.setdefault(following, self._origin)
            address = following
        if address == piece.end:
            self._work.append(Place(address, context))  # what follows may be another piece

    def _leave(self, address: int, step: Step, following: int) -> bool:
        """Notes where an instruction may go; whether it may go on."""
        for to in step.gotos(address):
            self._lead(Place(to, step.going), address)
        for to in step.calls(address):
            if self._is_code(place := Place(to, step.going)):
                self.entries.add(to)
                self._lead(place)
        if step.flow.exit is Exit.INDIRECT:
            self._indirect.append(address)
        if step.flow.falls and following in self._ends and step.flow.exit is not Exit.BRANCH:
            self.listing.last.add(address)
            return False
        return step.flow.falls

    def _count(self, size: int) -> None:
        before, self._bytes = self._bytes, self._bytes + size
        every = _STEPS_BETWEEN_REPORTS * size
        if self.progress is not None and before // every != self._bytes // every:
            self.progress(self._bytes, sum(len(piece.data) for piece in self.image.code))

    # --- indirect jumps ---

    def _resolve(self) -> None:
        """Looks for the tables of indirect jumps that have none yet."""
        finder = TableFinder(self.image, self.listing, self.reader)
        jumps, self._indirect = self._indirect, []
        for jump in jumps:
            outcome = finder.find(jump)
            if outcome.table is None:
                self._open[jump] = outcome.looks_like_one
                continue
            self._changed = True
            self.listing.tables[jump] = outcome.table
            for to in dict.fromkeys(outcome.table.targets):
                self._lead(Place(to, self.listing.steps[jump].going), jump)

    @property
    def unresolved(self) -> tuple[int, ...]:
        """Indirect jumps that look as if they had a table, and none was understood."""
        return tuple(sorted(jump for jump, looks_like_one in self._open.items() if looks_like_one))
