"""What scripts/release_check.py lets through and what not; that all of it works is `make release-check`."""

from pathlib import Path

import pytest
from scripts import release_check
from scripts.release_check import Wrong, check_metadata, check_sdist, check_wheel, expected_version

from normfree import __version__
from tests.conftest import ROOT

INFO = "normfree-0.2.0.dist-info"
METADATA = """\
Metadata-Version: 2.4
Name: normfree
Version: 0.2.0
Summary: A question
License-Expression: Apache-2.0
Requires-Dist: torch
Description-Content-Type: text/markdown

# normfree
"""


def wheel() -> set[str]:
    """What should be in one."""
    names = {str(file.relative_to(ROOT / "src")) for file in (ROOT / "src").rglob("*.py")}
    for folder, group in (("conf", "conf"), ("experiments", "conf/experiment")):
        names |= {f"normfree/{group}/{each.relative_to(ROOT / folder)}" for each in (ROOT / folder).rglob("*.yaml")}
    return {*names, f"{INFO}/licenses/LICENSE", f"{INFO}/METADATA"}


def test_the_version_is_one_everywhere() -> None:
    assert expected_version() == __version__


def test_another_version_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pyproject.toml", "CITATION.cff", "src/normfree/__init__.py"):
        copy = tmp_path / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text((ROOT / name).read_text("utf-8").replace("version: 0", "version: 9"), encoding="utf-8")
    monkeypatch.setattr(release_check, "ROOT", tmp_path)
    with pytest.raises(Wrong, match=r"CITATION.cff: names version 9\S+, pyproject.toml"):
        expected_version()


def test_a_whole_wheel_passes() -> None:
    check_wheel(wheel(), "0.2.0")


@pytest.mark.parametrize(
    ("added", "removed", "told"),
    [
        ("tests/conftest.py", "", "tests does not belong there"),
        ("normfree/weights.ckpt", "", "weights.ckpt: no such kind of file"),
        ("", "normfree/conf/experiment/quickstart.yaml", "quickstart.yaml is missing"),
        ("", f"{INFO}/licenses/LICENSE", "licence is missing"),
        ("", "normfree/cli/demo.py", "demo.py is missing"),
    ],
)
def test_what_is_wrong_with_a_wheel(added: str, removed: str, told: str) -> None:
    with pytest.raises(Wrong, match=told):
        check_wheel((wheel() | {added} - {""}) - {removed}, "0.2.0")


def test_a_source_archive_has_no_tests_and_no_reports() -> None:
    names = {f"normfree-0.2.0/{name}" for name in (*release_check.SDIST_FILES, "src/normfree/__init__.py")}
    check_sdist(names, "0.2.0")
    with pytest.raises(Wrong, match=r"reports/ledger.csv does not belong"):
        check_sdist({*names, "normfree-0.2.0/reports/ledger.csv"}, "0.2.0")
    with pytest.raises(Wrong, match="LICENSE is missing"):
        check_sdist(names - {"normfree-0.2.0/LICENSE"}, "0.2.0")


def test_metadata_of_the_right_version_that_renders() -> None:
    check_metadata(METADATA, "0.2.0")
    for old, new, told in (
        ("0.2.0", "0.1.0", "is of version 0.1.0"),
        ("text/markdown", "text/plain", "not Markdown"),
        ("# normfree", "normfree", "does not render"),
        ("Requires-Dist: torch\n", "", "requirements are missing"),
    ):
        with pytest.raises(Wrong, match=told):
            check_metadata(METADATA.replace(old, new), "0.2.0")
