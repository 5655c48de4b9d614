"""CPU models by name, features switched, and names that list features."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyqemu.translator.adl.load import DescribedTarget, load
from pyqemu.translator.cpu_models import UnknownModelError, cpu_model, resets_of

DESCRIPTION = """
arch sample {
  unit A b8 order le
  reg R: b32
  reg S: b32
  exception undefined()
  feature i { reset R += 1 }
  feature m, a
  feature d implies f
  feature f { reset R += 16 }
  feature g implies i, m, d
  feature zab, zabc
  cpu small { features i; reset S = 7; reset R = 2 }
  cpu large { features g, zab }
  isa base32 joined "_" { features i }
  insn ANY { enc "00000000"; do { } }
}
"""


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> DescribedTarget:
    folder = tmp_path_factory.mktemp("sample")
    Path(folder, "main.arch").write_text(DESCRIPTION)
    return load(folder)


@pytest.mark.parametrize(
    ("text", "features"),
    [
        (None, "i"),
        ("small", "i"),
        ("large", "g i m d f zab"),
        ("small,d=on", "i d f"),
        ("small,+a,m=true", "i a m"),
        ("large,f=off", "i m zab"),  # d has it, and g has d
        ("large,-zab,g=false", "i m d f"),
        ("base32m", "i m"),
        ("base32imzabc_zab", "i m zabc zab"),
        ("base32g_a", "g i m d f a"),
        ("base32d,d=off", "i f"),
    ],
)
def test_features(sample: DescribedTarget, text: str | None, features: str) -> None:
    assert cpu_model(sample, text).features == set(features.split())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("medium", "medium: no such CPU model; there are small, large, base32…"),
        ("base32", "base32: no such CPU model"),
        ("base32mq", "`q` does not begin with a feature of base32…"),
        ("small,zac=on", "`zac`: no such feature; do you mean zab"),
        ("small,m", "`m`: features are switched by m=on or m=off"),
        ("small,m=maybe", "`m=maybe`: features are switched by m=on or m=off"),
        ("small,", "features are switched by"),
    ],
)
def test_mistakes(sample: DescribedTarget, text: str, message: str) -> None:
    with pytest.raises(UnknownModelError, match=r"^[^\n]*$") as caught:
        cpu_model(sample, text)
    assert message in str(caught.value)


def test_resets_add_up(sample: DescribedTarget) -> None:
    resets = {name: value for name, _, value in resets_of(sample, cpu_model(sample, "small,d=on"))}
    assert resets == {"R": 2 + 1 + 16, "S": 7}
