"""32-bit Arm's registers and exceptions for the shared interpreter of cases."""

from __future__ import annotations

from pyqemu.translator.adl.load import DescribedTarget
from tests.targets.arm.harness.machine import ARM, State
from tests.targets.harness import interpreter
from tests.targets.harness.interpreter import Endless, Machine
from tests.targets.harness.machine import CODE, PAGE, SIGBUS, SIGTRAP

FLAGS = (
    (31, "NF"), (30, "ZF"), (29, "CF"), (28, "VF"), (27, "QF"), (19, "GE3"), (18, "GE2"), (17, "GE1"), (16, "GE0"),
)  # fmt: skip
FP_FLAGS = ((31, "FP_N"), (30, "FP_Z"), (29, "FP_C"), (28, "FP_V"))
_T, _E = 5, 9
_RMODE, _FZ = 22, 24
MODES, STICKY = 0x07FF0000, 0x08000080  # of FPSCR what is in FPCR, and in FPSR

Run = interpreter.Run[State]


class Interpreter(interpreter.Interpreter[State]):
    """An interpreter of cases for a CPU model, or for the one that has everything."""

    def __init__(self, target: DescribedTarget, model: str = "max") -> None:
        super().__init__(target, ARM, next(cpu for cpu in target.cpus if cpu.name == model))

    def begin(self, state: State, machine: Machine) -> None:
        """See the base class."""
        registers, env = machine.registers, machine.env
        registers["G"] = dict(enumerate((*state.r, 0)))
        registers["D"] = dict(enumerate(state.d))
        for bit, flag in FLAGS:
            registers[flag][0] = state.cpsr >> bit & 1
        registers["TPIDRURW"][0], registers["TPIDRURO"][0] = state.tpidrurw, state.tpidruro
        env.ctx["t"], env.ctx["big"] = state.cpsr >> _T & 1, state.cpsr >> _E & 1
        for bit, flag in FP_FLAGS:
            registers[flag][0] = state.fpscr >> bit & 1
        registers["FPCR"][0], registers["FPSR"][0] = state.fpscr & MODES, state.fpscr & STICKY
        env.fp.rounding, env.fp.flags = state.fpscr >> _RMODE & 3, state.fpscr & 31
        env.ctx["fz"] = state.fpscr >> _FZ & 1

    def state(self, machine: Machine) -> State:
        """See the base class."""
        registers, sticky = machine.registers, machine.env.fp.flags
        denormal = (sticky & 32) << 2 if machine.env.ctx["fz"] else 0
        fp_flags = sum(registers[flag][0] << bit for bit, flag in FP_FLAGS)
        return State(
            tuple(registers["G"][k] for k in range(15)),
            sum(registers[flag][0] << bit for bit, flag in FLAGS)
            | machine.env.ctx["t"] << _T
            | machine.env.ctx["big"] << _E,
            fp_flags | registers["FPCR"][0] | registers["FPSR"][0] | sticky & 31 | denormal,
            registers["TPIDRURW"][0],
            registers["TPIDRURO"][0],
            tuple(registers["D"][k] for k in range(32)),
        )

    def misaligned(self, pc: int, machine: Machine) -> bool:
        """See the base class."""
        return CODE <= pc < CODE + PAGE and pc % (2 if machine.env.ctx["t"] else 4) != 0

    def raised(self, name: str, values: tuple[int, ...], machine: Machine) -> tuple[int, int | None] | None:
        """See the base class."""
        match name, values:
            case "bkpt", _:
                return SIGTRAP, None
            case "alignment", (int(address),):
                return SIGBUS, address
            case "svc", _:
                raise Endless  # a jump into the middle of a word made one; such a case is left out
            case _:
                raise NotImplementedError(name)
