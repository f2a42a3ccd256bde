"""docs/reference/ says what the code says, and leaves nothing out; `make reference` writes it."""

import inspect
import re
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import ROOT, TINY, command_line

from normfree.config import TrainConfig
from normfree.config.schema_keys import schema_keys

SCRIPTS = ROOT / "scripts" / "reference"
PAGES = ("keys", "outcomes", "files", "commands", "python")


@pytest.fixture(scope="module")
def scripts() -> Iterator[None]:
    sys.path.insert(0, str(SCRIPTS))
    yield
    sys.path.remove(str(SCRIPTS))


def script(name: str) -> Any:
    return import_module(f"{name}_page")


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_up_to_date(name: str, scripts: None) -> None:
    written = (ROOT / "docs" / "reference" / f"{name}.md").read_text(encoding="utf-8")
    assert written == script(name).page(), "run make reference"


def test_every_key_is_there(scripts: None) -> None:
    listed = re.findall(
        r"^\| `([\w.]+)` \|", (ROOT / "docs" / "reference" / "keys.md").read_text("utf-8"), re.MULTILINE
    )
    keys = schema_keys(TrainConfig)
    groups = {key.partition(".")[0] for key in keys if "." in key}
    assert sorted(listed) == sorted(set(keys) - groups)


def test_a_key_without_a_text_is_an_error(scripts: None, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = script("keys")
    texts = keys.texts_of
    monkeypatch.setattr(keys, "texts_of", lambda kind: texts(kind) | {"seed": ""})
    with pytest.raises(LookupError, match=r"^seed: no text"):
        keys.page()


def public(scripts_page: Any) -> Iterator[tuple[str, Any]]:
    for module in scripts_page.MODULES:
        for name in scripts_page.names(module):
            value = getattr(import_module(module), name)
            if not (inspect.isclass(value) or inspect.isfunction(value)):
                continue
            yield f"{module}.{name}", value
            if inspect.isclass(value):
                own = {key: member for key, member in vars(value).items() if not key.startswith("_")}
                for key, member in own.items():
                    if inspect.isfunction(member) or isinstance(member, property | classmethod | staticmethod):
                        yield f"{module}.{name}.{key}", getattr(value, key)


def test_every_public_name_has_a_docstring(scripts: None) -> None:
    """A method that stands in the place of an inherited one may leave it to that."""
    found = dict(public(script("python")))
    assert len(found) > 50
    assert [name for name, value in found.items() if not inspect.getdoc(value)] == []


def test_every_file_of_a_run_a_sweep_and_a_report_is_there(scripts: None, tmp_path: Path) -> None:
    files = script("files")
    words = (*TINY, "-m", "seed=0,1", "steps=4", "experiment.name=some", "trainer.evaluate_every=2")
    for script_, *more in (("train.py", *words, "hydra.launcher.workers=1"), ("report.py", "experiment=some")):
        assert command_line(script_, *more, cwd=tmp_path).returncode == 0
    sweep, report = tmp_path / "runs" / "some", tmp_path / "reports" / "some"
    (run, *_) = (path for path in sweep.iterdir() if path.is_dir())
    for folder, listed in ((run, files.RUN), (report, files.REPORT)):
        for path in (path for path in folder.rglob("*") if path.is_file()):
            name = path.relative_to(folder).as_posix()
            assert any(fnmatch(name, known) for known in listed) or name.startswith("figures/"), name
    assert {path.name for path in sweep.iterdir() if path.is_file()} <= set(files.SWEEP)


@pytest.mark.parametrize("report", sorted(path.parent.name for path in (ROOT / "reports").glob("*/report.md")))
def test_every_file_of_a_committed_report_is_there(report: str, scripts: None) -> None:
    names = {path.name for path in (ROOT / "reports" / report).iterdir() if path.is_file()}
    assert names <= set(script("files").REPORT)
