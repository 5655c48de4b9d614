"""`pyqemu-arch`, its assembler and its machine: what the how-to does not show."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sysconfig
import threading
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

import pytest

from pyqemu.tools.assembler import AssemblerErrors, assemble, image_of
from pyqemu.tools.command import Mistake
from pyqemu.tools.machine import Machine, Stop
from pyqemu.tools.own_architecture import best_level
from pyqemu.tools.pyqemu_arch import __main__ as command
from pyqemu.translator.adl.load import DescribedTarget, load

TOY = Path(__file__).parents[1] / "targets/toy"
#: Nothing but what is needed: no models, no features, addresses of 16 bits, data with the high byte first.
SMALL = """
arch small {
  unit Long b32 order be of 16
  unit Short b16 order be
  data order be
  address b16
  variant plain { const STEP = 1 }
  variant double { const STEP = 2 }
}
file R[4]: b16
ctx fast: 1
exception undefined()
exception stop(code: b16)
insn ADD { enc "00 rd:2 rn:2 rm:2 00000000"; asm "add r{rd}, r{rn}, r{rm}"; do { R[rd] := R[rn] + R[rm] * STEP } }
insn SET { enc "01 rd:2 000000000000 value:16"; asm "set r{rd}, {value}"; do { R[rd] := value } }
insn LOAD { enc "10 rd:2 rn:2 0000000000"; asm "ld r{rd}, [r{rn}]"; do { R[rd] := mem[R[rn], 2] } }
insn JUMP { enc "110 00000000 00000 target:16"; asm "jump {target:x}"; do { goto target } }
insn JUMP_near {
  enc "1110 distance:s12"
  let target = bits(here + distance * 2, 16)
  asm "near {target:x}"
  do { goto target }
}
insn STOP { enc "1111 rd:2 0000000000"; asm "stop r{rd}"; do { raise stop(R[rd]) } }
"""

#: Branches that count from themselves, at three widths of addresses.
WRAPPING = """
arch wrapping {
  unit Word b16 order le
  data order le
  address b(WIDTH)
  variant narrow { const WIDTH = 16 }
  variant middle { const WIDTH = 32 }
  variant wide { const WIDTH = 64 }
}
flag Z
exception undefined()
exception stop()
insn STOP { enc "0000 0000 0000 0000"; asm "stop"; do { raise stop() } }
insn BRANCH { enc "0001 0000 off:s8"; asm "branch {here + 2 + off * 2:x}"; do { goto here + 2 + off * 2 } }
insn BRANCH_z { enc "0010 0000 off:s8"; asm "if {here + 2 + off * 2:h}"; do { if Z { goto here + 2 + off * 2 } } }
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with SMALL."""
    folder = tmp_path_factory.mktemp("architectures") / "small"
    folder.mkdir()
    (folder / "main.arch").write_text(SMALL)
    return folder


@pytest.fixture(scope="module")
def target(small: Path) -> DescribedTarget:
    return load(small)


class Ran:
    """What a command wrote, and its exit status."""

    def __init__(self, *arguments: str | Path, stdin: str = "") -> None:
        output, errors = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
        source = io.TextIOWrapper(io.BytesIO(stdin.encode()))
        with redirect_stdout(output), redirect_stderr(errors), patch("sys.stdin", source):
            try:
                self.status = command.main([str(argument) for argument in arguments])
            except SystemExit as end:  # argparse
                self.status = int(end.code or 0)
        output.seek(0)
        errors.seek(0)
        self.output, self.errors = output.read(), errors.read()


# --- the assembler -------------------------------------------------------------------------------


def code(target: DescribedTarget, text: str, base: int = 0) -> str:
    return image_of(assemble(target, text, base=base), base).hex(" ", 2)


def test_labels_and_data(target: DescribedTarget) -> None:
    """Labels stand before and behind what uses them; a comment sign in a text is none."""
    text = """
start: also:  set r1, table+2   // the second
              jump start
table:        .2byte 1, also, -1, 'a'
              .byte 0x12, ',', '\\n'
              .ascii "a//b"     // "
              .asciz "é"
              .4byte table - 8
              .org 0x38
              .8byte end
end:          near start
"""
    assert code(target, text, 0x10) == (
        "5000 001a c000 0010 0001 0010 ffff 0061 122c 0a61 2f2f 62c3 a900 0000 0010 0000 0000 0000 0000 0000"
        " 0000 0000 0000 0040 efe8"
    )


def test_a_program_is_read_back(target: DescribedTarget, small: Path) -> None:
    """What `disasm` prints assembles to the same bytes, whatever they are."""
    data = bytes(range(256)) * 2 + b"\xe0"
    (small / "data.bin").write_bytes(data)
    lines = Ran("disasm", small, small / "data.bin", "--base", "0x100").output.splitlines()
    text = "\n".join(re.split(r"  +", line.strip(), maxsplit=2)[-1] for line in lines)
    assert image_of(assemble(target, text, base=0x100), 0x100) == data


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n  set r1, nowhere", "line:2:11: error: .*"),
        ("here:\n  frob here, 1", "line:2:3: error: no instruction is called `frob`"),
        ("aaaa: add r1, aaaa, r9", "line:1:13: error: expected `, r`, not `,`"),
        ("a:\na:", "line:2: error: label a is also in line 1"),
        ("stop", "line:1:5: error: expected `r`, not the end"),
        ("stop 5", "line:1:6: error: expected `r`, not `5`"),
        ("frobs", "line:1:1: error: no instruction is called `frobs`"),
        (".2byte 70000", "line:1:8: error: 70000 does not fit 2 bytes"),
        (".byte 1, , 2", "line:1:10: error: a number is wanted"),
        (".byte 1, x", "line:1:10: error: `x` is no number and no label"),
        ('.ascii "a', "line:1:8: error: .ascii takes a text in quotation marks"),
        (".frob 1", "line:1:1: error: .frob is unknown"),
        (".zero 2\n.org 1", "line:2:6: error: .org goes on at an address that is not before it, .*"),
        (".org 0xffff\n.2byte 1", "line:2:1: error: addresses have 16 bits, this is at 0xffff"),
        ("a: near b\n.zero 0x8000\nb:", "line:1:9: error: .*"),
    ],
)
def test_mistakes_in_programs(target: DescribedTarget, text: str, message: str) -> None:
    with pytest.raises(AssemblerErrors) as caught:
        assemble(target, text)
    assert re.fullmatch(message, caught.value.errors[0].splitlines()[0]), caught.value.errors[0]


def test_all_mistakes_are_said(target: DescribedTarget) -> None:
    with pytest.raises(AssemblerErrors) as caught:
        assemble(target, "frob\nset r1, 1\nfrob\n", "x.s")
    assert [error.splitlines()[0][:8] for error in caught.value.errors] == ["x.s:1:1:", "x.s:3:1:"]
    with pytest.raises(AssemblerErrors) as caught:
        assemble(target, "a: frob\na: stop r1\nfrob", "x.s")
    assert [error.splitlines()[0][:8] for error in caught.value.errors] == ["x.s:1:4:", "x.s:2: e", "x.s:3:1:"]


def test_a_comment_of_another_assembler(target: DescribedTarget) -> None:
    with pytest.raises(AssemblerErrors, match="a comment begins with `//`"):
        assemble(target, "stop r1  # the end")


def test_a_label_that_is_misspelt(target: DescribedTarget) -> None:
    with pytest.raises(AssemblerErrors, match=r"no label is called tabel; did you mean table\?"):
        assemble(target, "jump tabel\ntable: stop r1")


def test_labels_that_are_called_as_registers(target: DescribedTarget) -> None:
    """Where a register can stand it is one; elsewhere it is the label, in one line with it as well."""
    assert code(target, "r2: jump r2\nset r2, r2\nset r1, r2+2", 0x10) == "c000 0010 6000 0010 5000 0012"


# --- the machine ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def machine(small: Path) -> Machine:
    """The variant `double`; builds its pack."""
    return Machine(small, variant="double")


def run(machine: Machine, text: str, at: int = 0) -> Stop:
    machine.load(machine.assemble(text, at), at)
    machine.pc = at
    return machine.run()


def test_a_run(machine: Machine) -> None:
    """Registers, memory, exceptions with arguments, and going on behind them; a second program in the first's place."""
    machine["R[2]"] = 5
    text = "set r1, 0x100\nld r3, [r1]\nadd r0, r3, r2\nstop r0\nstop r2"
    machine.load(b"\x12\x34", 0x100)
    assert run(machine, text) == Stop("exception", 8, "stop", (0x123E,))
    machine.step_over()
    assert machine.run() == Stop("exception", 10, "stop", (5,))
    assert (machine["R[0]"], machine.read(0x100, 2)) == (0x123E, b"\x12\x34")
    assert run(machine, "set r1, 7\nstop r1").arguments == (7,)


def test_the_ends_of_memory(machine: Machine) -> None:
    """Addresses wrap as the architecture's do; what is only half in memory is not there."""
    assert run(machine, "set r2, 3\nset r1, 0xfffe\nld r1, [r1]\nstop r2").how == "exception"
    stop = run(machine, "set r1, 0xffff\nld r1, [r1]")
    assert (stop.how, stop.pc, stop.address) == ("fault", 4, 0x10000)
    assert "there is no memory at 0x10000" in str(stop)
    assert run(machine, "set r1, 9", 0xFFFC).pc == 4  # goes on at 0, where `set r1, 0xffff` is


@pytest.mark.parametrize(("variant", "width"), [("narrow", 16), ("middle", 32), ("wide", 64)])
def test_branches_wrap_at_the_address_width(variant: str, width: int, tmp_path: Path) -> None:
    """Below 0 and beyond the end, taken at once or by a condition; texts show the address, and take it."""
    (tmp_path / "main.arch").write_text(WRAPPING)
    machine = Machine(tmp_path, variant=variant)
    end = 1 << width
    for name, code in (("branch", b"\xfc\x10"), ("if", b"\xfc\x20")):
        text = f"{name} {end - 6:#x}"
        assert machine.assemble(text) == code
        encoding = machine.target.decode(int.from_bytes(code, "little"), "Word", {})
        assert encoding is not None
        assert machine.target.disassemble(encoding, {"off": -4}, 0) == text
        machine.load(code)
        machine.pc, machine["Z"] = 0, 1
        assert machine.run().pc == end - 6
    assert machine.assemble("branch 4", end - 6) == b"\x04\x10"
    if width < 64:  # there is memory at the end
        machine.load(machine.assemble("branch 4", end - 6), end - 6)
        assert machine.run() == Stop("exception", 4, "stop")


def test_a_place_that_is_not_aligned(machine: Machine) -> None:
    """There is memory, but no instruction begins there."""
    stop = run(machine, "jump 0x101")
    assert (stop.how, str(stop)) == ("not aligned", "not aligned at 0x101: instructions begin at multiples of 2")


def test_words_that_are_no_instruction(machine: Machine) -> None:
    machine.load(b"\xc0\x40\0\0", 0x20)
    machine.pc = 0x20
    assert machine.run() == Stop("exception", 0x20, "undefined")


def test_endless_programs(machine: Machine) -> None:
    """A time limit ends them, and another thread; the next run is not ended."""
    machine.load(machine.assemble("x: jump x"), 0)
    machine.pc = 0
    assert machine.run(seconds=0.05) == Stop("interrupted", 0)
    count = [0]

    def seen(code: int) -> None:
        count[0] += 1

    machine.load(machine.assemble("x: stop r1\njump x"), 0)
    machine.pc = 0
    assert machine.run({"stop": seen}, seconds=0.05).how == "interrupted" and count[0]
    assert threading.active_count() == 1 or threading.current_thread() is threading.main_thread()
    assert run(machine, "stop r1").how == "exception"


def test_mistakes_with_machines(machine: Machine, small: Path) -> None:
    with pytest.raises(Mistake, match=r"R is no register; there are R\[0…3\]"):
        machine["R"]
    with pytest.raises(Mistake, match=r"R\[4\] is no register"):
        machine["R[4]"] = 0
    with pytest.raises(Mistake, match="has 16 bits"):
        machine["R[1]"] = 0x10000
    with pytest.raises(Mistake, match="2 bytes at 0xffff are not all in the memory"):
        machine.load(b"ab", 0xFFFF)
    with pytest.raises(Mistake, match="no exception is called halt; there are undefined, stop"):
        machine.run({"halt": print})
    with pytest.raises(Mistake, match="--cpu fast: the description has no CPU models"):
        Machine(small, variant="double", cpu="fast")


# --- the command ---------------------------------------------------------------------------------


def test_the_installed_command() -> None:
    """It is there by its name, with examples."""
    path = Path(sysconfig.get_path("scripts")) / "pyqemu-arch"
    shown = subprocess.run([path, "--help"], check=True, capture_output=True, text=True).stdout
    assert "pyqemu-arch run acc16 hello.bin" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("check", "nowhere"), r"pyqemu-arch: nowhere: there is no main.arch in it; .*"),
        (("check", "{}/main.arch"), r"pyqemu-arch: .*/main.arch: a file; give the folder that it is in, .*"),
        (("check", "{}", "--variant", "x"), r"pyqemu-arch: --variant x: no such variant; there are plain, double"),
        (("frob", "{}"), r"pyqemu-arch: argument COMMAND: invalid choice: 'frob'.*; see pyqemu-arch --help"),
        (("asm", "{}", "nowhere.s"), r"pyqemu-arch: nowhere.s: No such file or directory"),
        (("asm", "{}", "--base", "x"), r"pyqemu-arch: --base: 'x' is no number"),
        (("run", "{}", "{}/data.bin", "--variant", "double", "--set", "R"), r"pyqemu-arch: R: NAME=VALUE is wanted"),
        (("run", "{}", "{}/data.bin", "--variant", "double", "--set", "Q=1"), r"pyqemu-arch: Q is no register; .*"),
        (
            ("run", "{}", "{}/data.bin", "--variant", "double", "--ctx", "slow=1"),
            r"pyqemu-arch: --ctx slow=1: no con.*",
        ),
        (("run", "{}", "{}/data.bin", "--variant", "double", "--device", "s=putc"), r"pyqemu-arch: --device s=.*"),
        (("run", "{}", "{}/data.bin", "--variant", "double", "--device", "stop=tv"), r".*: no device 'tv'; .*"),
        (("run", "{}", "{}/data.bin", "--variant", "double", "--dump", "5"), r".*--dump 5: ADDRESS:SIZE is wanted"),
        (("run", "{}", "{}/data.bin", "--variant", "double", "--base", "0xffff"), r".*are not all in the memory.*"),
    ],
)
def test_mistakes(arguments: tuple[str, ...], message: str, small: Path, machine: Machine) -> None:
    """Each is said in one line, and the exit status is 1."""
    (small / "data.bin").write_bytes(bytes(8))
    ran = Ran(*(argument.replace("{}", str(small)) for argument in arguments))
    assert (ran.output, ran.status) == ("", 1)
    assert re.fullmatch(f"{message}\n", ran.errors), ran.errors


def test_run_and_its_exit_status(small: Path, machine: Machine) -> None:
    """A program in assembly; devices; JSON; 3 for a program that goes wrong."""
    source = small / "program.s"
    source.write_text("set r1, 0x41\nstop r1\nld r2, [r1]\n.2byte 0xc040")
    options = (small, source, "--variant", "double", "--base", "0x200", "--dump", "0x200:4", "--set", "R[3]=9")
    ran = Ran("run", *options)
    assert ran.status == 0, ran.errors
    assert ran.output == "stop(0x41) at 0x204\nR[1]=0x0041 R[3]=0x0009\n     200:  50 00 00 41\n"
    ran = Ran("run", *options, "--device", "stop=putc", "--json", "--entry", "0x204", "--timeout", "20")
    assert ran.status == 3
    end = json.loads(ran.output.removeprefix("\0"))
    assert (end["how"], end["exception"], end["memory"]) == ("exception", "undefined", {"0x200": "50000041"})
    assert Ran("run", *options, "--quiet").output == ""


def test_check_and_list_all_variants(small: Path) -> None:
    """Both are shown; as JSON, too."""
    checked = Ran("check", small)
    assert checked.output.splitlines() == [
        f"{name}: 6 instructions, 6 encodings, 6 shapes: no mistakes" for name in ("plain", "double")
    ]
    listed = json.loads(Ran("list", small, "--variant", "double", "--json").output)
    assert listed["units"] == {"Long": 32, "Short": 16} and listed["registers"] == {"R": {"bits": 16, "count": 4}}
    assert [encoding["shapes"] for encoding in listed["encodings"]] == [1] * 6
    assert "context     fast: 1" in Ran("list", small).output


def test_descriptions_with_mistakes(tmp_path: Path) -> None:
    """Every command says what is wrong, where it is; a table of Linux's is looked at too."""
    (tmp_path / "main.arch").write_text(SMALL.replace("R[rn] + R[rm]", "R[rn] + S[rm]"))
    for arguments in (("check",), ("build",), ("list",)):
        ran = Ran(*arguments, tmp_path)
        assert ran.status == 1 and "main.arch:14:" in ran.errors and ran.errors.endswith("1 error\n"), arguments
    (tmp_path / "main.arch").write_text(SMALL)
    (tmp_path / "linux.toml").write_text("[reg]\nsp = 1.5\n")
    ran = Ran("check", tmp_path)
    assert (ran.status, ran.errors) == (1, "pyqemu-arch: reg.sp: a number, a string or an array is wanted\n")


def test_builds_what_has_changed(small: Path, machine: Machine) -> None:
    """Another pack of the same is current, wherever it is wanted; a new description is not."""
    built = Ran("build", small, "--variant", "double")
    pack = small / f"build/double.{best_level()}.pack"
    assert (built.output, built.status) == (f"{pack} is current\n", 0)
    before = (small / "main.arch").read_text()
    (small / "main.arch").write_text(before.replace("STEP = 2", "STEP = 3"))
    try:
        assert Ran("build", small, "--variant", "double").output == f"{pack} is built\n"
        again = Machine(small, variant="double")
        again["R[1]"] = 5
        assert run(again, "add r2, r2, r1\nstop r2").arguments == (15,)
    finally:
        (small / "main.arch").write_text(before)


def test_wide_addresses(tmp_path: Path) -> None:
    """64 bits: memory has a size, and a little beyond it is a fault."""
    machine = Machine(TOY, cpu="big", memory=0x2000, out=tmp_path)
    assert machine["G[14]"] == 0x1000
    machine.load(machine.assemble("movi r1, #0x2000\nldd r2, [r1, #-8]\nldd r2, [r1]\nstop r2"))
    stop = machine.run()
    assert (stop.how, stop.pc, stop.address) == ("fault", 8, 0x2000)
