"""AT_HWCAP and identification registers by CPU model, as QEMU gives them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.guests import debian
from tests.guests.architectures import AARCH64
from tests.paths import pyqemu_user
from tests.targets.linux_features import check_alike, compile_static, output

HERE = Path(__file__).parent
#: Bits of AT_HWCAP that QEMU's `max` has: SVE, LSE2, and both pointer authentications.
LEFT_OUT = 1 << 22 | 1 << 25 | 3 << 30


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_static(AARCH64, HERE / "features.c", tmp_path_factory.mktemp("features"))


@pytest.mark.parametrize("model", ["cortex-a53", "cortex-a57", "cortex-a72", "neoverse-n1"])
def test_models(program: Path, model: str) -> None:
    check_alike(AARCH64, program, model, model)


def shown(command: Sequence[str | Path], program: Path) -> dict[str, list[int]]:
    """The values of each line that the program prints."""
    lines = output([*command], program).splitlines()
    return {line.split()[0]: [int(value, 16) for value in line.split()[1:]] for line in lines}


def test_the_model_that_has_everything(program: Path) -> None:
    """It has nothing that QEMU's has not: neither in AT_HWCAP nor in fields of identification registers."""
    ours = shown([pyqemu_user(), "-cpu", "max"], program)
    theirs = shown([debian.qemu("aarch64"), "-cpu", "max"], program)
    assert [mine & ~other for mine, other in zip(ours["hwcap"], theirs["hwcap"], strict=True)] == [0, 0]
    for register in ("pfr0", "pfr1", "isar0", "isar1", "isar2"):
        fields = [(ours[register][0] >> at & 15, theirs[register][0] >> at & 15) for at in range(0, 64, 4)]
        assert all(mine <= other for mine, other in fields), (register, fields)
    missing = theirs["hwcap"][0] & ~ours["hwcap"][0]
    assert missing == LEFT_OUT, f"{missing:#x}"


def test_switched(program: Path) -> None:
    """What a feature brings goes with it, and with those that imply it."""
    before, after = (
        shown([pyqemu_user(), "-cpu", f"neoverse-n1{switches}"], program) for switches in ("", ",lse=off,aes=off")
    )
    assert before["hwcap"][0] - after["hwcap"][0] == 0x100 + 0x18
    assert before["isar0"][0] - after["isar0"][0] == (2 << 20) + (2 << 4)
    assert before["midr"] == after["midr"]
