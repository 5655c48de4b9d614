"""Programs made into regions: functions before and after the passes, and an archive on an engine."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pyqemu.hostgen.archive import ArchiveKind
from pyqemu.hostgen.tables import feature_mask
from pyqemu.tools.installed import InstalledPack
from pyqemu.tools.workshop import LeftOut, Workshop
from pyqemu.translator.ir.function import Function
from pyqemu.translator.ir.verifier import verify
from pyqemu.translator.lift.instructions import Reader
from pyqemu.translator.lift.region import Region, lift
from pyqemu.translator.lift.trace import trace
from pyqemu.translator.passes.pipeline import run_passes
from pyqemu.translator.passes.region_pipeline import region_pipeline
from tests.regions.area import CODE, CODE_BYTES, Area
from tests.regions.hosted import Host
from tests.regions.programs import Program, Subject
from tests.regions.stepping import Decoder, KnownShapes

_KEY = bytes(range(32))


@dataclass(frozen=True, slots=True)
class Stages:
    """A program's region as lifted, and after all passes; functions by the guest addresses of the entries."""

    lifted: Mapping[int, Function]
    optimised: Mapping[int, Function]


@dataclass(frozen=True, slots=True)
class Hosts:
    """Engines without and with the regions of a module's programs."""

    baseline: Host
    optimised: Host
    left_out: tuple[LeftOut, ...]
    compiled: int


class Workbench:
    """What all batches have in common: the architecture, one host level's pack, the memory."""

    def __init__(self, subject: Subject, pack: InstalledPack, area: Area) -> None:
        self.subject = subject
        self.area = area
        shapes = KnownShapes(subject.target)
        self.decoder = Decoder(subject.target, shapes)
        self.level = pack.level
        self._pack = pack
        self._workshop = Workshop(subject.target, pack.level)
        self._reader = Reader(subject.target, shapes, area, {variable.name: 0 for variable in subject.target.context})

    def put(self, programs: Sequence[Program]) -> None:
        """Makes the programs the module's code."""
        code = bytearray(CODE_BYTES)
        for program in programs:
            code[program.offset : program.offset + len(program.code)] = program.code
        self.area.put_code(bytes(code))

    def compile(self, programs: Sequence[Program]) -> Hosts:
        """Engines for the module, whose programs these are."""
        regions, left_out = self._workshop.compile(self._reader, [program.plan for program in programs])
        archive = self._workshop.archive(self._kind(), regions, self.area)
        optimised = self.host(regions=True)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "module.pqa"
            path.write_bytes(archive)
            optimised.add_archive(path, _KEY, CODE)
        return Hosts(self.host(regions=False), optimised, tuple(left_out), len(regions))

    def after_each_pass(self, program: Program) -> Iterator[tuple[str, Mapping[int, Function]]]:
        """The region as lifted and after each pass in turn; the code is still there."""
        region = self._lift(program)
        if region is None:
            return
        yield "as lifted", _by_entry(region)
        for one in region_pipeline(region, self.subject.target.registers):
            run_passes(region.function, [one])
            yield f"after {one}", _by_entry(region)

    def stages(self, program: Program) -> Stages | None:
        """A program's region before and after the passes; None if it begins with what regions do not do."""
        lifted, optimised = self._lift(program), self._lift(program)
        if lifted is None or optimised is None:
            return None
        verify(lifted.function)
        run_passes(optimised.function, region_pipeline(optimised, self.subject.target.registers))
        verify(optimised.function)
        return Stages(_by_entry(lifted), _by_entry(optimised))

    def _lift(self, program: Program) -> Region | None:
        plan = program.plan
        reader = self._reader.within(plan.context)
        found = trace(reader, plan.entries, plan.allows)
        return lift(found, reader, plan.name, self.subject.target.functions()) if found.entries else None

    def _kind(self) -> ArchiveKind:
        target, model = self.subject.target, self.subject.model
        features = feature_mask(model.features, target.features)
        return ArchiveKind(self._pack.digest, bytes(16), features, CODE_BYTES, _KEY)

    def host(self, *, regions: bool = False, longest: int = 64) -> Host:
        """An engine; its blocks have at most `longest` instructions."""
        target, model = self.subject.target, self.subject.model.name
        return Host(target, self._pack.path, model, self.area, regions=regions, longest=longest)


def _by_entry(region: Region) -> dict[int, Function]:
    return {CODE + entry: region.function for entry in region.entries}
