"""Which files a clipper of the user's own is, found without importing it."""

import sys
from pathlib import Path

import pytest
from tests.conftest import resolved

from normfree.config import UserError
from normfree.runs import arm_id, run_id
from normfree.runs.identity import with_own_code
from normfree.runs.own_code import _own_files, copy_files, is_installed, own_files, source_digest


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    _own_files.cache_clear()
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    _own_files.cache_clear()


def named(target: str, *words: str) -> str:
    return run_id(resolved("clip=custom", f"clip._target_={target}", *words))


def test_an_edited_clipper_is_another_run(place: Path) -> None:
    write(place / "ownclip.py", "def f(parameters): pass\n")
    before, arm = named("ownclip.f"), arm_id(resolved("clip=custom", "clip._target_=ownclip.f"))
    assert named("ownclip.f") == before
    write(place / "ownclip.py", "def f(parameters): return 1\n")
    assert named("ownclip.f") != before
    assert arm_id(resolved("clip=custom", "clip._target_=ownclip.f")) != arm
    write(place / "ownclip.py", "def f(parameters): pass\n")
    assert named("ownclip.f") == before
    assert "ownclip" not in sys.modules, "found without running it"


def test_so_is_one_whose_helper_is_edited(place: Path) -> None:
    write(place / "ownclip.py", "import json, torch\nfrom ownhelper import g\n\ndef f(parameters): g()\n")
    write(place / "ownhelper.py", "def g(): pass\n")
    before = named("ownclip.f")
    assert list(own_files("ownclip.f")) == ["ownclip.py", "ownhelper.py"]
    write(place / "ownhelper.py", "def g(): return 1\n")
    assert named("ownclip.f") != before


def test_of_a_package_every_python_file_counts(place: Path) -> None:
    for name in ("__init__.py", "rules/__init__.py", "rules/halve.py", "other.py"):
        write(place / "ownpack" / name, "def f(parameters): pass\n")
    write(place / "ownpack/.venv/lib/big.py", "")
    write(place / "ownpack/notes.txt", "")
    assert len(own_files("ownpack.rules.halve.f")) == 4
    before = named("ownpack.rules.halve.f")
    write(place / "ownpack/other.py", "def f(parameters): return 1\n")
    assert named("ownpack.rules.halve.f") != before
    copy_files(own_files("ownpack.rules.halve.f"), place / "kept")
    assert (place / "kept/ownpack/rules/halve.py").is_file()


def test_of_what_is_installed_the_module_itself_counts() -> None:
    assert list(own_files("torch.nn.utils.clip_grad_norm_")) == ["torch/nn/utils/__init__.py"]
    assert is_installed("torch.nn.utils.clip_grad_norm_")
    assert source_digest("subprocess.run") != source_digest("shutil.copy")


def test_a_module_that_is_not_here_is_one_line(place: Path) -> None:
    with pytest.raises(
        UserError, match=r"clip\._target_=nowhere_at_all.f: no module named nowhere_at_all; start where it can"
    ):
        named("nowhere_at_all.f")


def test_it_is_looked_for_where_an_import_would_look_now(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a process that had once stood elsewhere called a run by another name than its ranks."""
    write(place / "ownclip.py", "import ownhelper\n\ndef f(parameters): pass\n")
    alone = named("ownclip.f")
    helpers = place / "helpers"
    write(helpers / "ownhelper.py", "")
    with monkeypatch.context() as elsewhere:
        elsewhere.syspath_prepend(str(helpers))
        assert named("ownclip.f") != alone
    assert named("ownclip.f") == alone


def test_another_process_calls_the_run_as_the_one_that_asked_for_it(place: Path) -> None:
    write(place / "ownclip.py", "def f(parameters): pass\n")
    run = resolved("clip=custom", "clip._target_=ownclip.f")
    told, name = with_own_code(run), run_id(run)
    (place / "ownclip.py").unlink()
    _own_files.cache_clear()
    assert run_id(told) == name
    assert with_own_code(resolved("clip=agc")) == resolved("clip=agc")
