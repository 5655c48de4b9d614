"""LLVM itself: text of a module to an optimised module to an ELF object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

from pyqemu.hostgen.host import Host


class Effort(Enum):
    """How much LLVM's passes do for a module; the value says it to people."""

    FULL = "-O2"
    LOOPS = "a short list for loops"
    STRAIGHT = "a short list for straight code"
    LEAST = "blocks joined"


_STRAIGHT = ("simplify_cfg", "instruction_combine", "simplify_cfg")
#: Passes in place of LLVM's own lists. docs/passes.md says what they cost and win.
_SHORT: Mapping[Effort, tuple[str, ...]] = {
    Effort.STRAIGHT: _STRAIGHT,
    Effort.LOOPS: (*_STRAIGHT, "loop_unroll", "instruction_combine", "simplify_cfg"),
    Effort.LEAST: ("simplify_cfg",),
}


class Compilation:
    """A module on its way through LLVM. Errors of LLVM come as RuntimeError."""

    def __init__(self, text: str, triple: str, cpu: str, features: str) -> None:
        import llvmlite.binding  # slow to import, and not needed by those who only read packs

        self._llvm: Any = llvmlite.binding
        self._llvm.initialize_all_targets()
        self._llvm.initialize_all_asmprinters()
        self._llvm.initialize_native_asmparser()  # for hosts whose stencils have inline assembly
        self._machine = self._llvm.Target.from_triple(triple).create_target_machine(
            cpu=cpu, features=features, opt=2, reloc="pic", codemodel="small"
        )
        self._module = self._llvm.parse_assembly(text)
        # without it no integer counts as the host's own, and passes take apart those that are
        self._module.data_layout = str(self._machine.target_data)
        self._module.verify()

    def optimise(self, effort: Effort = Effort.FULL, *, timed: bool = False) -> str:
        """Runs LLVM's passes. `timed`: gives their report of how long each took, else an empty text.

        Raises RuntimeError if what they leave is no valid module, with which LLVM would end the process.
        """
        options = self._llvm.create_pipeline_tuning_options(2)
        options.loop_vectorization = options.slp_vectorization = False  # vectors of holes would come from memory
        builder = self._llvm.create_pass_builder(self._machine, options)
        if timed:
            builder.start_pass_timing()
        passes = self._short(_SHORT[effort]) if effort in _SHORT else builder.getModulePassManager()
        passes.run(self._module, builder)
        self._module.verify()
        return builder.finish_pass_timing() if timed else ""

    def _short(self, names: Sequence[str]) -> Any:
        passes = self._llvm.create_new_module_pass_manager()
        for name in names:
            getattr(passes, f"add_{name}_pass")()
        return passes

    def text(self) -> str:
        """The module as it is now."""
        return str(self._module)

    def emit(self) -> bytes:
        """An ELF object."""
        return self._machine.emit_object(self._module)


def compilation_for(text: str, host: Host) -> Compilation:
    """A module's compilation for a host."""
    return Compilation(text, host.triple, host.level.cpu, host.level.features)


def compile_module(text: str, triple: str, cpu: str, features: str, effort: Effort = Effort.FULL) -> bytes:
    """An ELF object; for worker processes, hence no objects of LLVM's. LLVM's errors come as RuntimeError.

    There are LLVM's passes that break modules, if rarely: some put what is computed of a `callbr`'s result before it.
    """
    compilation = Compilation(text, triple, cpu, features)
    try:
        compilation.optimise(effort)
    except RuntimeError:
        compilation = Compilation(text, triple, cpu, features)
        compilation.optimise(Effort.LEAST)
    return compilation.emit()
