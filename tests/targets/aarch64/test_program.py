"""Finding code of programs that a compiler made: jump tables, coverage, and what really runs."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from pyqemu.translator.adl.load import load
from pyqemu.translator.program.discover import discover
from pyqemu.translator.program.elf import read_elf
from pyqemu.translator.program.flow import FlowReader
from pyqemu.translator.program.image import Image
from pyqemu.translator.program.program import Program
from tests.guests import debian
from tests.paths import pyqemu_user

ROOT = Path(__file__).parents[3]
MACHINE = 183  # EM_AARCH64
TOOLS = "aarch64-linux-gnu-"
NO_TABLES = ("-fno-asynchronous-unwind-tables", "-fno-unwind-tables")


@cache
def reader() -> FlowReader:
    return FlowReader(load(ROOT / "targets/aarch64"), {"svc", "counter_read"})


def found(file: Path) -> Program:
    return discover(read_elf(file.read_bytes(), MACHINE), reader())


# --- jump tables, against the compiler's own labels ---


def cases(count: int, stores: int) -> str:
    """A function with a dense switch, each case of which is `stores` stores long."""
    body = "".join(
        f"case {number + 3}: "
        + "".join(f"p[{number % 7}] = {number * 50 + store};" for store in range(stores))
        + "break;\n"
        for number in range(count)
        if number % 9 != 4
    )
    return f"void f{stores}(volatile int *p, int x) {{ switch (x) {{\n{body} default: p[9] = 1; }} p[8] = 2; }}\n"


#: Cases so far apart that entries of four bytes are needed; such a function takes a compiler some seconds.
LARGE = cases(40, 560)
#: Entries of one byte and of two, and other things that jump and are jumped to.
SOURCE = (
    cases(20, 1)
    + cases(40, 40)
    + """
void f560(volatile int *p, int x);
int loop(const unsigned char *text, int *count, int (*read)(void)) {
  int state = 0;
  for (;; text++) {
    switch (*text) {
      case 'a': count[0]++; break;       case 'b': count[1] += read(); break;
      case 'c': state = 1; break;        case 'd': count[2] -= 3; break;
      case 'e': count[3] ^= 5; break;    case 'f': count[4] = read(); break;
      case 'g': count[state]++; break;   case 'h': count[5] = state; state = 2; break;
      case 'i': count[6] = 0; break;     case 0: return state;
    }
  }
}
static void direct(volatile int *p, const unsigned char *code) {
  static void *const labels[] = {&&inc, &&dec, &&twice, &&done};
  goto *labels[*code];
inc: p[0]++; goto *labels[*++code];
dec: p[0]--; goto *labels[*++code];
twice: p[0] *= 2; goto *labels[*++code];
done: return;
}
void nested(volatile int *p, int n) {
  for (int i = 0; i < n; i++) {
    p[0] = i;
    for (int j = 0; j < p[1]; j++) p[2] = j;
  }
}
static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
extern void sort(int (*)(const void *, const void *));
int main(int n, char **words) {
  volatile int p[16]; int count[16] = {0};
  f1(p, n); f40(p, n); f560(p, n);
  direct(p, (unsigned char *)words[0]);
  sort(compare);
  nested(p, n);
  return loop((unsigned char *)words[0], count, (int (*)(void))words[1]);
}
void sort(int (*by)(const void *, const void *)) { by(0, 0); }
void _start(void) { main(1, 0); for (;;); }
"""
)


#: Tables by address, as the compiler wrote them: size of entries, and targets.
Tables = dict[int, tuple[int, list[int]]]


def run(folder: Path, *command: str) -> str:
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> str:
    """LARGE in assembly, its labels unlike those of SOURCE."""
    folder = tmp_path_factory.mktemp("large")
    (folder / "p.c").write_text(LARGE)
    run(folder, f"{TOOLS}gcc", "-O2", *NO_TABLES, "-S", "p.c")
    return (folder / "p.s").read_text().replace(".L", ".Llarge_")


def compiled(folder: Path, large: str, *options: str) -> tuple[Path, Tables]:
    """SOURCE and LARGE as a stripped program, and all its switch tables."""
    (folder / "p.c").write_text(SOURCE)
    (folder / "large.s").write_text(large)
    flags = ["-O2", "-nostdlib", "-ffreestanding", "-fno-inline", *options]
    run(folder, f"{TOOLS}gcc", *flags, "-S", "p.c")
    keep = ["-Wa,--keep-locals", "-Wl,--discard-none"]
    run(folder, f"{TOOLS}gcc", *flags, *keep, "-o", "p", "p.s", "large.s")
    run(folder, f"{TOOLS}strip", "-o", "stripped", "p")
    symbols = [line.split() for line in run(folder, f"{TOOLS}nm", "p").splitlines()]
    labels = {symbol[2]: int(symbol[0], 16) for symbol in symbols if len(symbol) == 3}
    tables: Tables = {}
    entry = r"\t\.(?:byte|2byte|word)\t\(\.L.*\n"
    for name, entries in re.findall(rf"^(\.L\w+):\n((?:{entry})+)", (folder / "p.s").read_text() + large, re.M):
        size = {".byte": 1, ".2byte": 2, ".word": 4}[entries.split()[0]]
        tables[labels[name]] = size, [labels[label] for label in re.findall(r"\((\.L\w+) - ", entries)]
    return folder / "stripped", tables


@pytest.mark.parametrize("options", [("-static",), ("-pie", "-fPIE"), ("-shared", "-fPIC")])
def test_jump_tables(options: tuple[str, ...], large: str, tmp_path: Path) -> None:
    """Tables of all sizes lead where the compiler said, stripped or not."""
    stripped, tables = compiled(tmp_path, large, *options)
    assert {size for size, _ in tables.values()} == {1, 2, 4}
    for file in (stripped, tmp_path / "p"):
        program = found(file)
        by_address = {table.address: table for table in program.tables.values()}
        switches = {address: (by_address[address].size, list(by_address[address].targets)) for address in tables}
        assert switches == tables
        assert all(by_address[address].bounded for address in tables)
        computed = {len(table.targets) for table in by_address.values() if not table.bounded}
        assert computed == {4}  # `direct`, whose labels are in one table
        assert program.unresolved == ()
        assert all(is_padding(program.image, *left) for left in program.leftovers)


def test_without_unwind_tables(large: str, tmp_path: Path) -> None:
    """A callback is found by the address that code makes of it, and switches have their tables."""
    stripped, tables = compiled(tmp_path, large, "-static", *NO_TABLES)
    program = found(stripped)
    assert program.image.extents == ()
    by_address = {table.address: table for table in program.tables.values()}
    assert {address: (by_address[address].size, list(by_address[address].targets)) for address in tables} == tables
    with_symbols = read_elf((tmp_path / "p").read_bytes(), MACHINE)
    (callback,) = (symbol.address for symbol in with_symbols.symbols if symbol.name == "compare")
    assert program.graph.nodes[callback]["origin"] == "constant"
    assert callback in {function.entry for function in program.functions}


def test_functions_are_the_symbols(large: str, tmp_path: Path) -> None:
    """In a stripped program, functions begin where the symbols of the other one are, and have their extents."""
    stripped, _ = compiled(tmp_path, large, "-static")
    symbols = {symbol.address: symbol for symbol in read_elf((tmp_path / "p").read_bytes(), MACHINE).symbols}
    program = found(stripped)
    assert {function.entry for function in program.functions} == set(symbols)
    for function in program.functions:
        symbol = symbols[function.entry]
        assert all(symbol.address <= block < symbol.address + symbol.size for block in function.blocks), symbol
    loops = {symbols[f.entry].name: len(program.loops(f)) for f in program.functions}
    assert (loops["nested"], loops["f40"]) == (2, 0)


# --- Debian's busybox ---

NOP = 0xD503201F


def is_padding(image: Image, start: int, end: int) -> bool:
    """Whether there are only `nop`s and zeros in a range of code."""
    return all(image.load(address, 4, "le") in (NOP, 0) for address in range(start, end, 4))


def busybox() -> Path:
    return debian.package("busybox-static", "arm64") / "bin/busybox"


@pytest.fixture(scope="module")
def program() -> Program:
    """Busybox; static, stripped, and most of it without unwind tables."""
    return found(busybox())


@pytest.mark.guest
def test_coverage(program: Program) -> None:
    """What a disassembler takes for instructions is reached, all but what is not described yet."""
    command = [f"{TOOLS}objdump", "-d", "-z", "-j", ".text", str(busybox())]
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    words = re.findall(r"^\s*([0-9a-f]+):\t([0-9a-f]{8}) ", listing, re.M)
    instructions = [int(address, 16) for address, word in words if int(word, 16) not in (NOP, 0)]
    missing = [address for address in instructions if program.block_at(address) is None]
    guessed = program.statistics.bytes["gap"] // 4  # found between code only
    assert len(instructions) > 350_000
    print(f"{len(instructions)} instructions, {len(missing)} not reached, {guessed} guessed")
    assert len(missing) < 0.002 * len(instructions)
    assert len(missing) + guessed < 0.03 * len(instructions)
    assert program.statistics.tables >= 70 and program.statistics.unresolved_tables <= 10


@pytest.mark.guest
def test_what_runs_was_found(program: Program) -> None:
    """Every block that pyqemu-user translates of busybox, for some applets, begins inside a block that was found."""
    started: set[int] = set()
    for words in (["ash", "-c", "for i in 1 2 3; do echo $((i * 7)); done"], ["awk", "BEGIN { print sin(1) }"],
                  ["sort", "/etc/passwd"], ["sed", "-n", "s/a/b/p", "/etc/passwd"], ["ls", "-l", "/"],
                  ["md5sum", str(busybox())], ["vi", "--help"], ["date"]):  # fmt: skip
        command = [str(pyqemu_user()), "-d", "in_asm", str(busybox()), *words]
        log = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=120).stderr
        started |= {int(address, 16) for address in re.findall(r"^block 0x([0-9a-f]+) at", log, re.M)}
    image = [address for address in started if program.image.code_at(address) is not None]
    missing = [hex(address) for address in image if program.block_at(address) is None]
    print(f"{len(image)} blocks were run, {len(missing)} of them not found")
    assert len(image) > 4000
    assert not missing
