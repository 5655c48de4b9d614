"""AT_HWCAP and riscv_hwprobe by CPU model, as QEMU gives them; models that are none."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.guests.architectures import RISCV64
from tests.paths import pyqemu_user
from tests.targets.linux_features import check_alike, compile_static
from tests.targets.riscv.test_random import QEMU_MODELS

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_static(RISCV64, HERE / "features.c", tmp_path_factory.mktemp("features"))


@pytest.mark.parametrize("model", QEMU_MODELS)
def test_features(program: Path, model: str) -> None:
    check_alike(RISCV64, program, model, QEMU_MODELS[model])


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("rv64gq", "-cpu rv64gq: `q` does not begin with a feature of rv64…"),
        ("sifive", "-cpu sifive: no such CPU model; there are rva20u64, rva22u64, rv64, rv64…, max"),
        ("max,zfg=off", "-cpu `zfg`: no such feature; there are i, m, a,"),
    ],
)
def test_mistakes(program: Path, model: str, message: str) -> None:
    done = subprocess.run([pyqemu_user(), "-cpu", model, program], capture_output=True, check=False, text=True)
    assert done.returncode == 125 and done.stderr.count("\n") == 1
    assert message in done.stderr


def test_missing_feature(program: Path) -> None:
    """A compiler's program uses compressed instructions and doubles."""
    for model in ("max,c=off", "rv64ima_zca"):
        done = subprocess.run([pyqemu_user(), "-cpu", model, program], capture_output=True, check=False)
        assert done.returncode == -4, model
