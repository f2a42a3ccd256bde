"""The recorded commit is of the repository that holds the package."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import ROOT

ASK = (
    "import json; from normfree.runs.provenance import commit, difference, code;"
    "print(json.dumps([*commit(), difference(), code()]))"
)


def git(folder: Path, *words: str) -> str:
    given = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *given, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def repository(folder: Path) -> Path:
    folder.mkdir(parents=True)
    git(folder, "init", "-q", ".")
    (folder / "secret.txt").write_text("a stranger's\n", encoding="utf-8")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    (folder / "secret.txt").write_text("a stranger's change\n", encoding="utf-8")
    return folder


def copied(folder: Path) -> Path:
    shutil.copytree(ROOT / "src/normfree", folder / "normfree", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def asked(place: Path, cwd: Path | None = None, **variables: str) -> tuple[str | None, bool, str, str]:
    """Commit, dirty, difference and digest of the code, as a process with the package in ``place`` sees them."""
    code = f"import sys; sys.path.insert(0, {str(place)!r}); {ASK}"
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(place), **variables}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd or place, env=environment, capture_output=True, text=True, check=True
    )
    commit, dirty, difference, digest = json.loads(done.stdout)
    return commit, dirty, difference, digest


@pytest.mark.parametrize("where", [".venv/lib/site-packages", "unpacked/normfree-0.1.0/src"])
def test_a_repository_around_an_installed_copy_is_a_strangers(where: str, tmp_path: Path) -> None:
    stranger = repository(tmp_path / "project")
    (stranger / ".gitignore").write_text(".venv\n", encoding="utf-8")
    place = copied(stranger / where)
    assert asked(place)[:3] == (None, False, "")
    assert asked(place, NORMFREE_COMMIT="abc")[:3] == ("abc", False, "")


@pytest.mark.parametrize("variable", ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"])
def test_the_environment_points_git_elsewhere_in_vain(variable: str, tmp_path: Path) -> None:
    stranger = repository(tmp_path / "stranger")
    own = repository(tmp_path / "own")
    place = copied(own / "src")
    git(own, "add", ".")
    git(own, "commit", "-qm", "second")
    target = {"GIT_DIR": ".git", "GIT_WORK_TREE": ".", "GIT_INDEX_FILE": ".git/index"}[variable]
    plain = asked(place)
    assert plain[:3] == (git(own, "rev-parse", "HEAD"), False, "")
    assert asked(place, cwd=stranger, **{variable: str(stranger / target)}) == plain


def test_a_new_source_file_is_a_change(tmp_path: Path) -> None:
    own = repository(tmp_path / "own")
    place = copied(own / "src")
    (own / ".gitignore").write_text("mine.py\n", encoding="utf-8")
    git(own, "add", ".")
    git(own, "commit", "-qm", "second")
    clean = asked(place)
    assert clean[1:3] == (False, "")
    (place / "normfree/clip/mine.py").write_text("NEW = 1\n", encoding="utf-8")
    _, dirty, difference, code = asked(place)
    assert dirty
    assert "+NEW = 1" in difference
    assert code != clean[3]
    (place / "normfree/clip/mine.py").unlink()
    assert asked(place) == clean


def test_in_a_repository_of_several_projects_only_this_package_counts(tmp_path: Path) -> None:
    other = repository(tmp_path / "project")
    place = copied(other / "vendor")
    git(other, "add", "vendor")
    git(other, "commit", "-qm", "second")
    assert asked(place)[:3] == (git(other, "rev-parse", "HEAD"), False, "")
    (place / "normfree/__init__.py").write_text((place / "normfree/__init__.py").read_text("utf-8") + "\n# changed\n")
    _, dirty, difference, _ = asked(place)
    assert dirty
    assert "# changed" in difference
    assert "stranger" not in difference
