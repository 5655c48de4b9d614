"""The command's options, and what it says of mistakes: one line, exit status 1."""

from __future__ import annotations

import json
import re

import pytest

from pyqemu.tools.command import Mistake
from pyqemu.tools.pyqemu_ir import __main__ as command
from pyqemu.tools.pyqemu_ir.guest_code import parse_range
from pyqemu.tools.pyqemu_ir.report import STAGES, Report, Selection, chosen_stages
from tests.tools.pyqemu_ir.golden import TARGET, run

ADD = "8b020020"
LOOP = "add x0, x0, x1\ncbnz x1, #0\n"


def dump(*arguments: str, stdin: str = "") -> str:
    """What `pyqemu-ir dump` prints."""
    ran = run("dump", *arguments, "--target", TARGET, stdin=stdin)
    assert (ran.status, ran.errors) == (0, "")
    return ran.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), r"one of CODE, --elf and --ir is wanted; see pyqemu-ir dump --help"),
        ((ADD, "--elf", "x", "--symbol", "y"), r"one of CODE, --elf and --ir is wanted; .*"),
        (("--elf", "x"), r"--elf FILE goes with --symbol NAME or --range START:END"),
        ((ADD, "--range", "1:2"), r"--elf FILE goes with --symbol NAME or --range START:END"),
        (("--elf", "/nowhere", "--symbol", "y"), r"/nowhere: No such file or directory"),
        (("--elf", __file__, "--symbol", "y"), r"not an ELF file: .*"),
        (("00000000",), r"00000000: no instruction"),
        (("8b",), r"the code ends: no instruction"),
        (("6bc20020",), r"6bc20020: UNDEFINED, an unallocated case of ADD_SUB_shifted"),
        (("frobnicate x1",), r"'frobnicate x1': column 1: .*"),
        ((ADD, "--stage", "ir,magic"), r"--stage magic: no such stage; there are asm, .*"),
        ((ADD, "--run-until", "magic"), r"--run-until magic: no such stage; .*"),
        ((ADD, "--run-until", "ir", "--stage", "host"), r"--stage host comes after --run-until ir"),
        ((ADD, "-p", "fold,frob"), r"-p: no pass 'frob'; there are .*"),
        ((ADD, "--print-after", "frob"), r"--print-after frob: no such pass; .*, and all"),
        ((ADD, "--ctx", "nothing=1"), r"--ctx nothing=1: no context variable 'nothing'; there are .*"),
        ((ADD, "--ctx", "tbi=x"), r"--ctx tbi=x: 'x' is no number"),
        ((ADD, "--ctx", "tbi=2"), r"--ctx tbi=2: tbi has 1 bits"),
        ((ADD, "--here", "-4"), r"--here: -4 is negative"),
        ((ADD, "--cpu", "z80"), r"--cpu z80: no such CPU model; there are .*"),
        ((ADD, "--target", "z80"), r"--target z80: no such architecture; installed: .*"),
        ((ADD, "--level", "v9"), r"argument --level: invalid choice: .*; see pyqemu-ir dump --help"),
        ((ADD, "--frob"), r"unrecognized arguments: --frob; .*"),
        (("--ir", "-"), r"1:1: 'func' expected, not .*"),
        (
            ("stxr w0, x1, [x2]", "--as", "region"),
            r"code_0: it begins with what regions do not do; try --as instruction",
        ),
    ],
)
def test_mistakes(arguments: tuple[str, ...], message: str) -> None:
    """Each is said in one line."""
    chosen = () if "--target" in arguments else ("--target", TARGET)
    ran = run("dump", *arguments, *chosen, stdin="x")
    assert (ran.output, ran.status) == ("", 1)
    assert re.fullmatch(f"pyqemu-ir: {message}\n", ran.errors), ran.errors


def test_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody foresaw is pyqemu's own mistake: exit status 2, and what to attach."""

    def broken(_: object) -> str:
        raise KeyError("oops")

    monkeypatch.setitem(command._COMMANDS, "explain", broken)
    ran = run("explain", ADD)
    assert ran.status == 2
    assert "KeyError: 'oops'" in ran.errors
    assert "this is a bug of pyqemu" in ran.errors
    assert f"['explain', '{ADD}']" in ran.errors


def test_explain_takes_one() -> None:
    """Several are too many."""
    ran = run("explain", "-", "--target", TARGET, stdin=LOOP)
    assert (ran.status, ran.errors) == (1, "pyqemu-ir: explain takes one instruction; pyqemu-ir dump takes several\n")


def test_stages() -> None:
    """`--run-until` and `--stage` are told apart."""
    assert chosen_stages(None, None) == Selection(frozenset(STAGES), "stencil")
    assert chosen_stages("ir", None) == Selection(frozenset({"asm", "decode", "ir"}), "ir")
    assert chosen_stages("host", "ir, host") == Selection(frozenset({"ir", "host"}), "host")


def test_ranges() -> None:
    """Numbers as C writes them."""
    assert parse_range("0x400:0x480") == (0x400, 0x480)
    with pytest.raises(Mistake, match="START:END is wanted"):
        parse_range("4")
    with pytest.raises(Mistake, match="it ends before it begins"):
        parse_range("8:8")


def test_words_bytes_and_assembly_are_one() -> None:
    """Three ways to say the same, and stdin."""
    shown = dump(ADD)
    assert dump("add x0, x1, x2") == shown
    assert dump("20 00 02 8b") == shown
    assert dump("-", stdin=f"{ADD}  // a comment\n") == shown
    assert "add x0, x1, x2" in shown


def test_json_has_all_stages() -> None:
    """One object, stages by name; what text shows is in it."""
    found = json.loads(dump("-", "--json", stdin=LOOP))
    assert list(found) == [stage for stage in STAGES if stage != "filled"]
    assert [line["text"] for line in found["asm"]] == LOOP.splitlines()
    promoted = "promote_state{keep=NF;ZF;CF;VF write_through}"
    assert [step["pass"] for step in found["passes"]] == ["simplify_cfg", "unroll", promoted]
    assert found["passes"][-1]["ir"] in dump("-", "--stage", "passes", stdin=LOOP)
    assert found["ir"] in dump("-", "--stage", "ir", stdin=LOOP)
    single = json.loads(dump(ADD, "--json"))
    assert list(single) == [stage for stage in STAGES if stage != "host" and stage != "passes"]
    assert single["decode"][0]["fields"]["rm"] == 2


def test_print_after() -> None:
    """One pass, all passes, those that changed something; differences."""
    titles = re.compile(r"^; IR after (.*)$", re.M)
    loop = ("-", "--stage", "passes", "-p", "simplify_cfg, promote_state, dce")
    assert titles.findall(dump(*loop, stdin=LOOP)) == ["simplify_cfg", "promote_state"]
    assert titles.findall(dump(*loop, "--print-after", "simplify_cfg", stdin=LOOP)) == ["simplify_cfg"]
    every = titles.findall(dump(*loop, "--print-after", "all", stdin=LOOP))
    assert every == ["simplify_cfg", "promote_state", "dce, which changed nothing"]
    assert "\n+++ after simplify_cfg\n" in dump(*loop, "--diff", stdin=LOOP)


def test_times() -> None:
    """Passes of ours and of LLVM's have theirs."""
    text = dump("-", "--stage", "asm", "--time-passes", stdin=LOOP)
    times = dict(re.findall(r"^ *(.*?) +([\d.]+) ms$", text, re.M))
    assert float(times["LLVM's passes"]) > 0
    assert "pass simplify_cfg" in times
    assert any(name.startswith("LLVM ") for name in times)


def test_colours() -> None:
    """A pipe gets none; on a terminal titles have one, and notes are dimmed."""
    assert "\x1b" not in dump(ADD)
    report = Report(Selection(frozenset({"asm"}), "asm"))
    report.add("asm", "title", "code ; note\n")
    assert report.text(colour=True) == "\x1b[1;36m; title\x1b[0m\ncode\x1b[2m ; note\x1b[0m\n"
