"""IR through passes, one by one, with what each of them changed."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from pyqemu.tools.command import Mistake
from pyqemu.tools.pyqemu_ir.report import Report
from pyqemu.translator.errors import VerifyError
from pyqemu.translator.ir.function import Function
from pyqemu.translator.ir.printer import print_function
from pyqemu.translator.ir.verifier import verify
from pyqemu.translator.passes.by_name import PASSES, PassSyntaxError, name_of, parse_passes, pass_text
from pyqemu.translator.passes.rewrite import Pass


@dataclass(frozen=True, slots=True)
class PassOptions:
    """`passes`: in place of the usual ones; `print_after`: a pass's name, `all` or `changed`; `diff`: differences."""

    passes: tuple[Pass, ...] | None = None
    print_after: str = "changed"
    diff: bool = False


def pass_options(passes: str | None, print_after: str | None, *, diff: bool) -> PassOptions:
    """Options as they stand on the command line. Raises Mistake."""
    if print_after not in (None, "all", *PASSES):
        raise Mistake(f"--print-after {print_after}: no such pass; there are {', '.join(PASSES)}, and all")
    try:
        chosen = None if passes is None else parse_passes(passes)
    except PassSyntaxError as error:
        raise Mistake(f"-p: {error}") from None
    return PassOptions(chosen, print_after or "changed", diff)


def run_passes(function: Function, usual: Sequence[Pass], options: PassOptions, report: Report) -> None:
    """Runs passes on a function, in place; the verifier after each. Raises VerifyError, a bug of the pass."""
    before = print_function(function)
    for one in usual if options.passes is None else options.passes:
        shown = pass_text(one)
        with report.timing(f"pass {shown}"):
            one.run(function)
        try:
            verify(function)
        except VerifyError as error:
            raise VerifyError(f"after {shown}: {error}") from error
        after = print_function(function)
        changed = after != before
        if options.print_after in ("all", name_of(one)) or (options.print_after == "changed" and changed):
            _add(report, shown, before, after, options)
        before = after


def _add(report: Report, shown: str, before: str, after: str, options: PassOptions) -> None:
    changed = after != before
    text = after
    if options.diff:
        lines = difflib.unified_diff(before.splitlines(True), after.splitlines(True), "before", f"after {shown}")
        text = "".join(lines)
    title = f"IR after {shown}" + ("" if changed else ", which changed nothing")
    report.add("passes", title, text, [{"pass": shown, "changed": changed, "diff" if options.diff else "ir": text}])
