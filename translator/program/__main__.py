"""Shows what is found of a guest program's code ahead of time, for developers:

python -m pyqemu.translator.program targets/FOLDER PROGRAM
python -m pyqemu.translator.program targets/FOLDER PROGRAM --function main
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from pyqemu.translator.adl.load import load
from pyqemu.translator.errors import GuestFileError
from pyqemu.translator.linux_table import flatten
from pyqemu.translator.program.discover import Progress, discover
from pyqemu.translator.program.elf import read_elf
from pyqemu.translator.program.flow import FlowReader
from pyqemu.translator.program.functions import Function
from pyqemu.translator.program.program import Program

#: Meanings of exceptions in `linux.toml` after which a program goes on with the next instruction.
_RESUMED = ("syscall", "counter")


def main() -> None:
    """Reads the command line and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the architecture's folder, with main.arch and linux.toml")
    parser.add_argument("program", type=Path, help="an ELF program or shared library")
    parser.add_argument("--variant", metavar="NAME", help="of the architecture (default: its first one)")
    parser.add_argument("--function", metavar="NAME", help="show the blocks of this function (a symbol, or an address)")
    parser.add_argument("--json", action="store_true", help="print the statistics as JSON")
    options = parser.parse_args()
    try:
        start = time.process_time()
        program = find(options.folder, options.program, options.variant)
        seconds = time.process_time() - start
        if sys.stderr.isatty():
            print(" " * 20, end="\r", file=sys.stderr)
    except (GuestFileError, OSError) as error:
        parser.exit(1, f"{options.program}: {error}\n")
    if options.function is not None:
        function = _named(program, options.function)
        if function is None:
            parser.exit(1, f"{options.program}: no function {options.function}\n")
        print("\n".join(_blocks(program, function)))
    elif options.json:
        print(json.dumps({**_statistics(program), "seconds": round(seconds, 2)}))
    else:
        print(f"{options.program}: {seconds:.1f} s")
        print("\n".join(f"{key:24}{value:>12}" for key, value in _statistics(program).items()))


def find(folder: Path, path: Path, variant: str | None = None) -> Program:
    """The code of the program at `path` for the architecture in `folder`, with its Linux ABI if it has one."""
    linux = folder / "linux.toml"
    table = flatten(linux, variant) if linux.exists() else {}
    machine = table.get("elf.machine")
    image = read_elf(path.read_bytes(), None if machine is None else int(machine))
    resuming = {
        key.removeprefix("exception.")
        for key, meaning in table.items()
        if key.startswith("exception.") and meaning.split()[0] in _RESUMED
    }
    return discover(image, FlowReader(load(folder, variant), resuming, table.get("code_address.bit0", "")), _progress())


def _progress() -> Progress | None:
    if not sys.stderr.isatty():
        return None

    def show(done: int, total: int) -> None:
        print(f"\r{done * 100 // total} % of the code", end="\r", file=sys.stderr, flush=True)

    return show


def _statistics(program: Program) -> dict[str, int]:
    """Counts by what is counted."""
    statistics = program.statistics
    return {
        "functions": statistics.functions,
        "loops": sum(len(program.loops(function)) for function in program.functions),
        "blocks": statistics.blocks,
        "instructions": statistics.instructions,
        **{f"bytes by {origin}": count for origin, count in statistics.bytes.items()},
        "bytes not reached": statistics.unreached,
        "jump tables": statistics.tables,
        "jump tables not bounded": statistics.unbounded_tables,
        "jump tables not found": statistics.unresolved_tables,
    }


def _named(program: Program, name: str) -> Function | None:
    """The function of that name, or with a block at that address."""
    for function in program.functions:
        if function.name == name:
            return function
    try:
        return program.function_at(int(name, 0))
    except ValueError:
        return None


def _blocks(program: Program, function: Function) -> Iterator[str]:
    """A line for each block of a function."""
    yield f"{function.name or 'function'} at {function.entry:#x}"
    headers = {loop.header for loop in program.loops(function)}
    for block in sorted(function.blocks):
        node = program.graph.nodes[block]
        edges = " ".join(f"{edge['kind']}:{to:#x}" for to, edge in sorted(program.graph.adj[block].items()))
        loop = " loop" if block in headers else ""
        yield f"  {block:#x}-{node['end']:#x} {node['instructions']:3} {node['exit']}{loop}  {edges}"


if __name__ == "__main__":
    main()
