"""AT_HWCAP and identification registers by CPU model, as QEMU gives them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guests.architectures import AARCH64
from tests.paths import pyqemu_user
from tests.targets.linux_features import check_alike, compile_static, output

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_static(AARCH64, HERE / "features.c", tmp_path_factory.mktemp("features"))


@pytest.mark.parametrize("model", ["cortex-a53", "cortex-a57", "cortex-a72", "neoverse-n1"])
def test_models(program: Path, model: str) -> None:
    check_alike(AARCH64, program, model, model)


def test_switched(program: Path) -> None:
    """What a feature brings goes with it, and with those that imply it."""

    def shown(model: str) -> dict[str, list[int]]:
        lines = output([pyqemu_user(), "-cpu", model], program).splitlines()
        return {line.split()[0]: [int(value, 16) for value in line.split()[1:]] for line in lines}

    before, after = shown("neoverse-n1"), shown("neoverse-n1,lse=off,aes=off")
    assert before["hwcap"][0] - after["hwcap"][0] == 0x100 + 0x18
    assert before["isar0"][0] - after["isar0"][0] == (2 << 20) + (2 << 4)
    assert before["midr"] == after["midr"]
