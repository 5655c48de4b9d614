"""Which registers `read` and `write` may mean, told apart by their decode-time indices."""

from __future__ import annotations

from dataclasses import dataclass

from pyqemu.translator.ir.function import Op
from pyqemu.translator.static import StaticExpr, apply

#: Hidden registers are a region's own: they are made values of, and are never seen in the guest's state. Names of
#: those that begin as a guest register begin with SHADOW (`~NF`: as NF); of those that begin as 0, with OWN.
SHADOW = "~"
OWN = "~."


@dataclass(frozen=True, slots=True)
class Location:
    """`reg[index]`, where `index` = `zero` is no storage at all."""

    reg: str
    index: StaticExpr | None
    zero: int | None

    @staticmethod
    def of(op: Op) -> Location:
        """What a `read` or `write` means; `zero` is dropped if the index cannot be it."""
        index, zero = op.attrs["index"], op.attrs["zero"]
        if index is None or (zero is not None and apply("eq", index, zero) == 0):
            zero = None
        return Location(op.attrs["reg"], index, zero)

    def may_alias(self, other: Location) -> bool:
        """Whether the two can be the same register for some values of the fields."""
        if self.reg != other.reg:
            return False
        if self.index is None or other.index is None:
            return True
        return apply("eq", self.index, other.index) != 0
