"""The examples of docs/api.md run as they stand there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

EXAMPLES = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "api.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)


def run(code: str, place: Path) -> str:
    for name in ("conf", "experiments"):
        (place / name).symlink_to(ROOT / name)
    answer = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


@pytest.mark.cli
def test_runs_and_sweeps(tmp_path: Path) -> None:
    shown = run(EXAMPLES[0] + EXAMPLES[1], tmp_path)
    assert re.search(r"^(finished|untrained) 0\.\d+$", shown, re.MULTILINE)
    assert "4/4 runs done" in shown
    assert re.search(r"^clip.name\nagc +0\.\d+\nnone +0\.\d+$", shown, re.MULTILINE)


@pytest.mark.cli
@pytest.mark.parametrize("package", ["pytorch_lightning", "lightning.pytorch"])
def test_in_a_lightning_module_of_ones_own(tmp_path: Path, package: str) -> None:
    pytest.importorskip(package, reason=f"{package} is not installed")
    shown = run(EXAMPLES[2].replace("from pytorch_lightning import", f"from {package} import"), tmp_path)
    assert "not clipped: ('fc.weight',); diverged: False" in shown
    assert "steps averaged: 8" in shown


def test_every_example_is_run() -> None:
    assert len(EXAMPLES) == 3
