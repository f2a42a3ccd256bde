"""The callbacks of docs/api.md in the other package that Lightning is published as; `tests.docs` runs the page."""

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
@pytest.mark.parametrize("package", ["lightning.pytorch"])
def test_in_a_lightning_module_of_ones_own(tmp_path: Path, package: str) -> None:
    pytest.importorskip(package, reason=f"{package} is not installed")
    shown = run(EXAMPLES[2].replace("from pytorch_lightning import", f"from {package} import"), tmp_path)
    assert "not clipped: ('fc.weight',); diverged: False" in shown
    assert "steps averaged: 8" in shown
