"""Where the parts of the optimising translator are put together: guest code in, compiled regions and archives out.

`pyqemu-aot` and the translation worker use it.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pyqemu.hostgen.archive import ArchiveKind, build_archive, support_for
from pyqemu.hostgen.hosts import x86_64
from pyqemu.hostgen.image import Image
from pyqemu.hostgen.objects import Piece
from pyqemu.hostgen.pack import machine_for
from pyqemu.hostgen.region_object import CompiledRegion, compile_regions
from pyqemu.hostgen.regions import RegionText, region_text
from pyqemu.translator.adl.keep import load_kept
from pyqemu.translator.adl.load import DescribedTarget
from pyqemu.translator.errors import UnsupportedError
from pyqemu.translator.lift.instructions import GuestCode, Reader
from pyqemu.translator.lift.plan import RegionPlan
from pyqemu.translator.lift.region import lift
from pyqemu.translator.lift.trace import trace
from pyqemu.translator.passes.pipeline import run_passes
from pyqemu.translator.passes.region_pipeline import region_pipeline


def settle_memory() -> None:
    """For processes that make many regions: the collector need not look at what was loaded, nor often at the rest,
    since most of it is freed by its counts of references.
    """
    gc.freeze()
    gc.set_threshold(500_000, 20, 20)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A region that was not made, and why."""

    name: str
    why: str


class Workshop:
    """Makes regions of one architecture for one host level. `membase` 0: guest addresses are the host's."""

    def __init__(self, target: DescribedTarget, level: str, *, zero_membase: bool = True) -> None:
        self.target = target
        self.host = x86_64.host(level)
        self.machine = machine_for(target, self.host)
        self._zero_membase = zero_membase
        self._support: dict[str, Piece] = {}
        self._reader: Reader | None = None

    @staticmethod
    def open(path: Path, level: str) -> Workshop:
        """A workshop for the architecture that was kept at `path` (translator.adl.keep)."""
        return Workshop(load_kept(path), level)

    def reader(self, code: GuestCode, context: Mapping[str, int]) -> Reader:
        """What decodes a module's instructions."""
        if self._reader is None:
            self._reader = Reader(self.target, self.target, code, context)
        return self._reader.on(code, context)

    def compile(self, reader: Reader, plans: Iterable[RegionPlan]) -> tuple[list[CompiledRegion], list[LeftOut]]:
        """Regions for plans, in one LLVM module, whatever their context; those that cannot be made are said to be left
        out.
        """
        texts: list[RegionText] = []
        left_out: list[LeftOut] = []
        for plan in plans:
            try:
                text = self._text(reader.within(plan.context), plan)
            except UnsupportedError as error:
                left_out.append(LeftOut(plan.name, str(error)))
                continue
            if text is None:
                left_out.append(LeftOut(plan.name, "begins with what regions do not do"))
            else:
                texts.append(text)
        return (compile_regions(texts, self.host) if texts else []), left_out

    def _text(self, reader: Reader, plan: RegionPlan) -> RegionText | None:
        found = trace(reader, plan.entries, plan.allows)
        if not found.entries:
            return None
        region = lift(found, reader, plan.name, self.target.functions())
        run_passes(region.function, region_pipeline(region, self.target.registers))
        return region_text(region, self.machine, zero_membase=self._zero_membase)

    def archive(self, kind: ArchiveKind, regions: Sequence[CompiledRegion], code: GuestCode) -> bytes:
        """The archive of compiled regions, with the support code that they need."""
        image = Image(self.machine, self.target.functions(), self._support)
        image.require(support_for(regions))
        image.link()
        return build_archive(kind, regions, image, code)
