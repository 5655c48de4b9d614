"""LLVM itself: text of a module to an optimised module to an ELF object."""

from __future__ import annotations

from typing import Any

from pyqemu.hostgen.host import Host


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
        self._module.verify()

    def optimise(self, speed: int = 2, *, timed: bool = False) -> str:
        """Runs LLVM's passes, for -O`speed`. `timed`: gives their report of how long each took, else an empty text."""
        options = self._llvm.create_pipeline_tuning_options(speed)
        options.loop_vectorization = options.slp_vectorization = False  # vectors of holes would come from memory
        builder = self._llvm.create_pass_builder(self._machine, options)
        if timed:
            builder.start_pass_timing()
        builder.getModulePassManager().run(self._module, builder)
        return builder.finish_pass_timing() if timed else ""

    def text(self) -> str:
        """The module as it is now."""
        return str(self._module)

    def emit(self) -> bytes:
        """An ELF object."""
        return self._machine.emit_object(self._module)


def compilation_for(text: str, host: Host) -> Compilation:
    """A module's compilation for a host."""
    return Compilation(text, host.triple, host.level.cpu, host.level.features)


def compile_module(text: str, triple: str, cpu: str, features: str, speed: int = 2) -> bytes:
    """An ELF object; for worker processes, hence strings only. LLVM's errors come as RuntimeError."""
    compilation = Compilation(text, triple, cpu, features)
    compilation.optimise(speed)
    return compilation.emit()
