"""Passes as text."""

from __future__ import annotations

import pytest

from pyqemu.translator.passes.by_name import PassSyntaxError, parse_passes, passes_text
from pyqemu.translator.passes.dce import Dce
from pyqemu.translator.passes.defer_flags import DeferFlags
from pyqemu.translator.passes.pipeline import PIPELINE
from pyqemu.translator.passes.promote_state import PromoteState


def test_options() -> None:
    """Lists, switches, and none; blanks do not matter."""
    passes = parse_passes("defer_flags{flags=NF;ZF},promote_state{ keep=F }, dce{loads} , dce")
    assert passes == (DeferFlags(("NF", "ZF")), PromoteState(("F",)), Dce(loads=True), Dce())
    assert passes_text(passes) == "defer_flags{flags=NF;ZF}, promote_state{keep=F}, dce{loads}, dce"


def test_pipeline_and_nothing() -> None:
    """The name of all passes, and the empty list."""
    assert parse_passes("pipeline") == PIPELINE
    assert parse_passes(passes_text(PIPELINE)) == PIPELINE
    assert parse_passes(" ") == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fold,dec", "no pass 'dec'; there are const_prop, copyprop"),
        ("dce{lods}", "no option 'lods' of dce; it has loads"),
        ("fold{x}", "no option 'x' of fold; it has none"),
        ("dce{loads=1}", "option 'loads' of dce takes no value"),
        ("defer_flags{flags}", "option 'flags' of defer_flags wants a value"),
        ("dce{loads", "a pass expected at 'dce{loads'"),
        ("fold; dce", "a pass expected at 'fold; dce'"),
        (",fold", "a pass expected at ',fold'"),
    ],
)
def test_mistakes(text: str, message: str) -> None:
    """Each is said."""
    with pytest.raises(PassSyntaxError) as error:
        parse_passes(text)
    assert str(error.value).startswith(message)
