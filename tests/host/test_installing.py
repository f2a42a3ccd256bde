"""How what is missing is installed."""

import subprocess
import sys
from importlib import metadata

import pytest

from normfree.host import installing


def test_an_extra_is_quoted_and_uv_takes_the_place_of_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(installing, "version", lambda name: "26.0")
    assert installing.install("normfree[serve]") == "pip install 'normfree[serve]'"
    assert installing.install("mlxtend") == "pip install mlxtend"
    monkeypatch.setattr(installing, "version", none)
    assert installing.install("normfree[serve]") == "uv pip install 'normfree[serve]'"


def test_a_clone_has_a_makefile() -> None:
    assert installing.made("ffcv", "pip install ffcv") == "run make ffcv"


def test_asking_changes_nothing_in_the_process() -> None:
    """To look for pip as a module makes setuptools put its own distutils into the place of another."""
    code = "import distutils.core, normfree.host.installing as i; i.install('x')"
    assert subprocess.run([sys.executable, "-W", "error::UserWarning", "-c", code], check=False).returncode == 0
