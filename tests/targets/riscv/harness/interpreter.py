"""RISC-V's registers and exceptions for the shared interpreter of cases."""

from __future__ import annotations

from pyqemu.translator.adl.load import DescribedTarget
from pyqemu.translator.cpu_models import cpu_model
from tests.targets.harness import interpreter
from tests.targets.harness.interpreter import Machine
from tests.targets.harness.machine import SIGBUS, SIGTRAP
from tests.targets.riscv.harness.machine import RISCV, State

_HOST_MODE = {1: 3, 2: 2, 3: 1}

Run = interpreter.Run[State]


def host_mode(frm: int) -> int:
    """The rounding mode of fp_set_mode."""
    return _HOST_MODE.get(frm, 0)


def mode_kind(frm: int) -> int:
    """The description's frm_kind."""
    return 1 if frm == 4 else 2 if frm > 4 else 0


def reversed_flags(flags: int) -> int:
    """fflags as the host's sticky flags, and back."""
    return int(f"{flags & 31:05b}"[::-1], 2)


class Interpreter(interpreter.Interpreter[State]):
    """An interpreter of cases for a CPU model, or for the one that has everything."""

    def __init__(self, target: DescribedTarget, model: str = "max") -> None:
        super().__init__(target, RISCV[target.address_width], cpu_model(target, model))

    def begin(self, state: State, machine: Machine) -> None:
        """See the base class."""
        frm = state.fcsr >> 5
        machine.registers["GPR"] = dict(enumerate(state.x))
        machine.registers["FPR"] = dict(enumerate(state.f))
        machine.registers["FCSR"][0] = frm << 5
        machine.env.ctx["frm_kind"] = mode_kind(frm)
        machine.env.fp.rounding, machine.env.fp.flags = host_mode(frm), reversed_flags(state.fcsr)

    def state(self, machine: Machine) -> State:
        """See the base class."""
        x, f = (tuple(machine.registers[name][k] for k in range(32)) for name in ("GPR", "FPR"))
        return State((0, *x[1:]), machine.registers["FCSR"][0] | reversed_flags(machine.env.fp.flags), f)

    def raised(self, name: str, values: tuple[int, ...], machine: Machine) -> tuple[int, int | None] | None:
        """See the base class."""
        match name, values:
            case "ebreak", _:
                return SIGTRAP, None
            case "alignment", (int(address),):
                return SIGBUS, address
            case "counter_read", (int(rd),):
                machine.ignored_x = rd
                return None
            case _:
                raise NotImplementedError(name)
