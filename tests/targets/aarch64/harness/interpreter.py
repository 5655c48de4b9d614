"""AArch64's registers and exceptions for the shared interpreter of cases."""

from __future__ import annotations

from pyqemu.translator.adl.load import DescribedTarget
from pyqemu.translator.cpu_models import cpu_model
from pyqemu.translator.ir.interp import GuestFault
from tests.targets.aarch64.harness.machine import AARCH64, State
from tests.targets.harness import interpreter
from tests.targets.harness.interpreter import Machine
from tests.targets.harness.machine import SIGBUS, SIGTRAP

_FLAGS = ((31, "NF"), (30, "ZF"), (29, "CF"), (28, "VF"))

Run = interpreter.Run[State]


class Interpreter(interpreter.Interpreter[State]):
    """An interpreter of cases for a CPU model, or for the one that has everything."""

    def __init__(self, target: DescribedTarget, model: str = "max") -> None:
        super().__init__(target, AARCH64, cpu_model(target, model))

    def begin(self, state: State, machine: Machine) -> None:
        """See the base class."""
        registers, env = machine.registers, machine.env
        registers["GPR"] = dict(enumerate((*state.x, state.sp)))
        registers["V"] = dict(enumerate(state.v))
        for bit, flag in _FLAGS:
            registers[flag][0] = state.nzcv >> bit & 1
        registers["FPCR"][0] = state.fpcr
        registers["FPSR"][0] = state.fpsr & 0xF8000080
        registers["TPIDR_EL0"][0] = state.tpidr
        env.fp.rounding, env.fp.flags = state.fpcr >> 22 & 3, state.fpsr & 31
        env.ctx["fz"] = state.fpcr >> 24 & 1

    def state(self, machine: Machine) -> State:
        """See the base class."""
        registers = machine.registers
        general = tuple(registers["GPR"][k] for k in range(32))
        sticky = machine.env.fp.flags
        denormal = (sticky & 32) << 2 if machine.env.ctx["fz"] else 0
        return State(
            general[:31],
            general[31],
            sum(registers[flag][0] << bit for bit, flag in _FLAGS),
            registers["FPCR"][0],
            registers["FPSR"][0] | sticky & 31 | denormal,
            registers["TPIDR_EL0"][0],
            tuple(registers["V"][k] for k in range(32)),
        )

    def raised(self, name: str, values: tuple[int, ...], machine: Machine) -> tuple[int, int | None] | None:
        """See the base class."""
        match name, values:
            case "brk", _:
                return SIGTRAP, None
            case "alignment", (int(address),):
                return SIGBUS, address
            case "counter_read", (int(rt),):
                machine.ignored_x = rt
                return None
            case _:
                raise NotImplementedError(name)

    def retry(self, fault: GuestFault, machine: Machine) -> bool:
        """A tagged address faults first, and is used without its tag then, as the runtime does it."""
        if machine.env.ctx["tbi"] or not fault.address >> 56:
            return False
        machine.env.ctx["tbi"] = 1
        return True

    def retried(self, machine: Machine) -> None:
        """See the base class."""
        machine.env.ctx["tbi"] = 0
