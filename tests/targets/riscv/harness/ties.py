"""Cases whose exact results often lie half way between two floats, in the mode in which these go away from zero."""

from __future__ import annotations

from dataclasses import replace

from pyqemu.translator.target import Encoding
from tests.targets.riscv.harness.generate import BOX, Generator
from tests.targets.riscv.harness.machine import State
from tests.targets.words import with_field

_AWAY, _DYNAMIC = 4, 7
_PRECISION = {16: 11, 32: 24, 64: 53}


class TieGenerator(Generator):
    """Significands are short, or a bit longer than another format's; exponents near, or a precision apart."""

    def word(self, encoding: Encoding) -> int:
        """Rounds to nearest, ties away, by itself or by frm."""
        word = with_field(encoding, super().word(encoding), "rm", self.rng.choice((_AWAY, _DYNAMIC)))
        assert self._is(encoding, word)
        return word

    def state(self) -> State:
        """See Generator."""
        x = (0, *(self._integer() for _ in range(31)))
        width = self.rng.choice((16, 32, 64))
        f = tuple(self._tying(width) for _ in range(32))
        return replace(super().state(), x=x, f=f, fcsr=_AWAY << 5 | self.rng.choice((0, self.rng.getrandbits(5))))

    def _integer(self) -> int:
        if self._mask >> 32 == 0:
            return self.rng.getrandbits(32)
        bits = self.rng.choice((*_PRECISION.values(), *(p + 1 for p in _PRECISION.values())))
        value = (self.rng.getrandbits(bits) | 1 | 1 << bits - 1) << self.rng.randrange(64 - bits)
        return self.rng.choice((value, -value)) & (1 << 64) - 1

    def _tying(self, width: int) -> int:
        rng = self.rng
        precision = _PRECISION[width]
        fraction, bias = precision - 1, (1 << width - precision - 1) - 1
        halves = precision // 2, (precision + 1) // 2, (precision + 2) // 2
        bits = rng.choice((1, 1, 2, *halves, 11, 12, 24, 25, precision))
        bits = min(bits, precision)
        significand = (rng.getrandbits(bits) | 1 | 1 << bits - 1) << precision - bits
        near = rng.choice((0, 0, precision, -precision)) + rng.randrange(-2, 3)
        match rng.randrange(5):
            case 0:  # products and quotients are subnormal
                exponent = bias // 2 + rng.randrange(-3, precision)
            case 1:
                exponent = rng.randrange(3)
            case _:
                exponent = bias + near
        value = rng.getrandbits(1) << width - 1 | exponent << fraction | significand & (1 << fraction) - 1
        return value | BOX.get(width, 0)
