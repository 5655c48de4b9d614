"""Whole packs: every stencil of the toy architecture against the interpreter, fused pairs, the file and its
records.
"""

from __future__ import annotations

import ctypes
import io
import subprocess
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from random import Random

import pytest
from elftools.elf.elffile import ELFFile

from pyqemu.hostgen import pack_format
from pyqemu.hostgen.check import late_accesses
from pyqemu.hostgen.hosts.x86_64 import host
from pyqemu.hostgen.pack import BuiltPack, build_pack
from pyqemu.hostgen.pack_format import RECORDS, Attribute, ExitReason
from pyqemu.hostgen.shape_stencils import effort, simplest
from pyqemu.hostgen.shapes import Shape, Shapes
from pyqemu.translator.adl.load import DescribedTarget, load
from pyqemu.translator.ir.interp import Environment, GuestFault, Outcome, SparseMemory, run
from pyqemu.translator.ir.softfloat import FpEnvironment
from pyqemu.translator.static import evaluate
from pyqemu.translator.target import SECOND
from tests.hostgen.machine_code import (
    EXIT_REASON,
    NEXT_REASON,
    SKIP_REASON,
    Arena,
    Runnable,
    State,
    empty_state,
    evaluate_program,
)
from tests.hostgen.values import integer

ROOT = Path(__file__).parents[2]
TOY = ROOT / "tests/targets/toy"
HERE = 0x4000
GUEST, GUEST_BYTES = 0x10000, 4096
LEVELS = ("v1", "v3")


@lru_cache
def toy(level: str) -> tuple[DescribedTarget, Shapes, BuiltPack]:
    target = load(TOY)
    shapes = Shapes(target)
    return target, shapes, build_pack(target, host(level), shapes=shapes, digest=bytes(range(32)))


def _fields(shape: Shape, rng: Random, context: Mapping[str, int]) -> dict[str, int] | None:
    """Random fields that lead to the shape; corners first: all bits zero, all ones."""
    encoding = shape.encoding
    for attempt in range(2000):
        free = rng.choice((0, ~0)) if attempt < 2 else rng.getrandbits(encoding.unit.width)
        word = free & ~encoding.mask & ((1 << encoding.unit.width) - 1) | encoding.value
        fields = encoding.fields_of(word)
        decided = (evaluate(expr, fields, HERE, context) == value for expr, value in shape.decisions)
        if evaluate(encoding.guard, fields, HERE, context) and all(decided):
            return fields
    return None


def _random_state(target: DescribedTarget, rng: Random) -> State:
    state = empty_state(target.registers)
    for register in target.registers:
        for index in range(register.count):
            near = rng.random() < 0.5 and register.width >= 32
            value = GUEST + rng.randrange(GUEST_BYTES) if near else integer(rng, register.width)
            state.registers[register.name][index] = value
    return state


def _copy(state: State) -> State:
    registers = {name: list(values) for name, values in state.registers.items()}
    return State(registers, state.fp_flags, state.fp_mode, context=state.context)


class Bench:
    """A toy pack's stencils, its interpreter, and guest memory for both."""

    def __init__(self, level: str) -> None:
        self.target, self.shapes, self.pack = toy(level)
        self.arena = Arena(self.pack.image)
        self.raw = ctypes.create_string_buffer(GUEST_BYTES + 64)
        self.base = ctypes.addressof(self.raw)
        self.names = [variable.name for variable in self.target.context]

    def runnable(self, number: int) -> Runnable:
        return Runnable(self.arena, self.pack.stencils[number], self.pack.machine)

    def context(self, values: tuple[int, ...]) -> dict[str, int]:
        return dict(zip(self.names, values, strict=False))

    def interpret(
        self, shape: Shape, fields: dict[str, int], state: State, memory: SparseMemory, here: int
    ) -> tuple[State, Outcome]:
        after = _copy(state)
        context = self.context(state.context)
        env = Environment(
            fields, here, context, memory, FpEnvironment(state.fp_mode, 0, self.target.tininess_before),
            self.target.functions(),
        )  # fmt: skip
        outcome = run(shape.leaf.function, after.registers, env)
        after.context = tuple(context.get(name, 0) for name in self.names) + (0,) * (4 - len(self.names))
        return after, outcome


def _expect(bench: Bench, shape: Shape, outcome: Outcome, got: State, exits: list[int]) -> None:
    """The stencil's way out is the interpreter's."""
    size = shape.encoding.unit.width // 8
    if outcome.way == "raise":
        number = [exception.name for exception in bench.target.exceptions].index(outcome.exception)
        assert (got.reason, got.exception, got.pc) == (ExitReason.EXCEPTION, number, HERE)
        return
    address = HERE + size if outcome.way == "next" else outcome.address
    if outcome.sync:
        assert (got.reason, got.pc) == (ExitReason.SYNC, address)
    elif got.reason == NEXT_REASON:
        assert outcome.way == "next"
    elif got.reason >= EXIT_REASON:
        assert exits[got.reason - EXIT_REASON] & (1 << 64) - 1 == address
    else:
        assert (got.reason, got.pc) == (ExitReason.LOOKUP, address)


def _random_context(bench: Bench, rng: Random) -> tuple[int, ...]:
    values = tuple(rng.getrandbits(v.width) for v in bench.target.context)
    return values + (0,) * (4 - len(values))


@pytest.mark.parametrize("level", LEVELS)
def test_every_stencil_agrees_with_the_interpreter(level: str) -> None:
    bench = Bench(level)
    rng = Random(3)
    met = 0
    for shape, number in bench.pack.numbers.items():
        runnable = bench.runnable(number)
        for _ in range(12):
            state = _random_state(bench.target, rng)
            state.context = _random_context(bench, rng)
            fields = _fields(shape, rng, bench.context(state.context))
            if fields is None:
                continue
            contents = rng.randbytes(GUEST_BYTES + 64)
            memory = SparseMemory({GUEST: contents})
            try:
                want, outcome = bench.interpret(shape, fields, state, memory, HERE)
            except GuestFault:
                continue
            met += 1
            ctypes.memmove(bench.base, contents, len(contents))
            program = runnable.compiled.stencil.program
            values = evaluate_program(program, fields, HERE, state.context[: len(bench.names)])
            got = runnable.run_with([values], state, bench.base - GUEST)
            exits = [values[value] for value in runnable.compiled.stencil.exit_values]
            assert got.registers == want.registers, f"{shape.label} {fields}"
            assert ctypes.string_at(bench.base, len(contents)) == memory.load(GUEST, len(contents)), shape.label
            assert got.context == want.context, shape.label
            _expect(bench, shape, outcome, got, exits)
    assert met > 3 * len(bench.pack.numbers)


@pytest.mark.parametrize("level", LEVELS)
def test_every_guard_agrees_with_the_interpreter(level: str) -> None:
    bench = Bench(level)
    rng = Random(5)
    ways: set[int] = set()
    for guard, number in bench.pack.guards.items():
        runnable = bench.runnable(number)
        assert Attribute.GUARD in runnable.compiled.stencil.attributes
        for _ in range(12):
            state = _random_state(bench.target, rng)
            state.context = _random_context(bench, rng)
            fields = _fields(guard, rng, bench.context(state.context))
            if fields is None:
                continue
            want, outcome = bench.interpret(guard, fields, state, SparseMemory({}), HERE)
            program = runnable.compiled.stencil.program
            values = evaluate_program(program, fields, HERE, state.context[: len(bench.names)])
            got = runnable.run_with([values], state)
            assert got.registers == want.registers
            assert got.reason == (NEXT_REASON if outcome.values[0] else SKIP_REASON), guard.label
            ways.add(got.reason)
    assert ways == {NEXT_REASON, SKIP_REASON}


@pytest.mark.parametrize("level", LEVELS)
def test_fused_stencils_do_both(level: str) -> None:
    bench = Bench(level)
    rng = Random(4)
    shapes: dict[int, Shape] = {}
    for shape, number in [*bench.pack.numbers.items(), *bench.pack.guards.items()]:
        shapes.setdefault(number, shape)
    guards = set(bench.pack.guards.values())
    assert guards & {two for _, two in bench.pack.fused} and not guards >= {two for _, two in bench.pack.fused}
    for (one, two), both in bench.pack.fused.items():
        first, second = shapes[one], shapes[two]
        fused = bench.pack.stencils[both]
        variants = [both] if fused.dead is None else [both, fused.dead]
        for number in variants * 4:
            state = _random_state(bench.target, rng)
            fields = [_fields(shape, rng, bench.context(state.context)) for shape in (first, second)]
            if fields[0] is None or fields[1] is None:
                continue
            memory = SparseMemory({})
            middle, outcome = bench.interpret(first, fields[0], state, memory, HERE)
            assert outcome.way == "next"
            size = first.encoding.unit.width // 8
            want, outcome = bench.interpret(second, fields[1], middle, memory, HERE + size)
            values = [
                evaluate_program(
                    bench.pack.stencils[n].stencil.program,
                    f,
                    HERE + k * size,
                    state.context[: len(bench.names)],
                )
                for k, (n, f) in enumerate(((one, fields[0]), (two, fields[1])))
            ]
            got = bench.runnable(number).run_with(values, state)
            if number == both:
                assert got.registers == want.registers
            else:
                kept = [r.name for r in bench.target.registers if not r.is_flag]
                assert all(got.registers[name] == want.registers[name] for name in kept)
            if two in guards:
                assert got.reason == (NEXT_REASON if outcome.values[0] else SKIP_REASON)
                continue
            exits = [values[1][value] for value in fused.stencil.exit_values]
            address = outcome.address if outcome.way == "goto" else HERE + 2 * size
            assert exits[got.reason - EXIT_REASON] & (1 << 64) - 1 == address


def test_dead_variants_leave_the_flags_alone() -> None:
    _, _, pack = toy("v3")
    variants = [(one, pack.stencils[one.dead]) for one in pack.stencils if one.dead is not None]
    assert variants
    for one, variant in variants:
        assert one.stencil.writes != 0 and variant.stencil.writes == 0
        assert variant.dead is None and len(variant.code) < len(one.code)
        assert not one.stencil.exit_values  # there all flags are live


def test_the_simplest_shapes_are_fused() -> None:
    """Of shapes that compute as much all or none, and no more than are asked for."""
    shapes = toy("v3")[1].all
    efforts = sorted(effort(shape) for shape in shapes)
    for most in range(0, len(shapes) + 1, 7):
        chosen = {effort(shape) for shape in simplest(shapes, most)}
        assert len(simplest(shapes, most)) == sum(one in chosen for one in efforts) <= most
        assert sorted(chosen) == sorted(set(efforts))[: len(chosen)]
    assert simplest(shapes, len(shapes)) == shapes


def test_no_state_is_written_before_a_late_access() -> None:
    for level in LEVELS:
        target, _, pack = toy(level)
        assert any(one.stencil.attributes & Attribute.FAULTS for one in pack.stencils)
        assert late_accesses(pack.stencils, target.functions()) == []


def test_packs_are_deterministic() -> None:
    _, _, pack = toy("v3")
    again = build_pack(load(TOY), host("v3"), digest=bytes(range(32)))
    assert again.data == pack.data


def test_a_pack_is_an_elf_object() -> None:
    target, _, pack = toy("v3")
    elf = ELFFile(io.BytesIO(pack.data))
    assert elf["e_type"] == "ET_REL"
    names = {section.name for section in elf.iter_sections()}
    tables = "image header str node child cand enc form term prog table shape stencil reloc fuse reg"
    assert {".text", ".rela.text", *(f".pq.{name}" for name in f"{tables} exc cpu reset kv".split())} <= names
    header = pack_format.PackHeader.unpack(elf.get_section_by_name(".pq.header").data())
    assert header["magic"] == pack_format.PACK_MAGIC and header["digest"] == bytes(range(32))
    strings = elf.get_section_by_name(".pq.str").data()
    name = header["arch_name"]
    assert isinstance(name, int) and strings[name:].split(b"\0")[0].decode() == target.name
    symbols = [s.name for s in elf.get_section_by_name(".symtab").iter_symbols() if s["st_info"]["type"] == "STT_FUNC"]
    assert len(symbols) == len(pack.stencils)


def test_records_are_those_of_the_cpp_header(tmp_path: Path) -> None:
    lines = ["#include <cstdio>", '#include "pack_format.hpp"', "using namespace pyqemu;", "int main() {"]
    for record in RECORDS:
        lines.append(f'printf("{record.name} size %zu\\n", sizeof({record.name}));')
        for member in record.members:
            lines.append(f'printf("{record.name} {member.name} %zu\\n", offsetof({record.name}, {member.name}));')
    (tmp_path / "show.cpp").write_text("\n".join([*lines, "}"]))
    binary = tmp_path / "show"
    include = f"-I{ROOT / 'runtime/core'}"
    subprocess.run(["g++", "-std=c++20", include, str(tmp_path / "show.cpp"), "-o", str(binary)], check=True)
    shown = subprocess.run([str(binary)], check=True, capture_output=True, text=True).stdout
    expected = ""
    for record in RECORDS:
        expected += f"{record.name} size {record.size}\n"
        expected += "".join(f"{record.name} {name} {offset}\n" for name, offset in record.offsets().items())
    assert shown == expected


def test_fields_of_the_second_instruction_have_a_prefix() -> None:
    target, shapes, pack = toy("v3")
    assert all(not field.name.startswith(SECOND) for e in target.encodings for field in e.fields)
    assert len(shapes.all) == len(pack.numbers)
