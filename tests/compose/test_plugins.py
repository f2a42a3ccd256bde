"""An installed package offers parts of runs by entry points."""

import shutil
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from hydra.core.config_store import ConfigStore
from tests.conftest import ROOT, TINY, command_line

from normfree.compose.plugins import GROUPS, store_plugins
from normfree.config import UserError
from normfree.config.parts import PARTS

POINTS = """\
[normfree.models]
their_net = their_parts:PlainCNN

[normfree.datasets]
their_blobs = their_parts:Blobs

[normfree.optimizers]
their_descent = their_parts:Descent

[normfree.normalizers]
their_norm = their_parts:ScaleNorm

[normfree.clippers]
their_clip = their_parts:halve
"""
HALVE = """

def halve(parameters):
    for parameter in parameters:
        parameter.grad.mul_(0.5)
"""


def package(folder: Path, points: str) -> dict[str, str]:
    """A package as if it were installed; variables for a process that finds it."""
    shutil.copy(ROOT / "tests/train/own_modules.py", folder / "their_parts.py")
    with (folder / "their_parts.py").open("a", encoding="utf-8") as file:
        file.write(HALVE)
    facts = folder / "their_parts-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: their-parts\nVersion: 1.0\n", encoding="utf-8")
    (facts / "entry_points.txt").write_text(points, encoding="utf-8")
    return {"PYTHONPATH": str(folder)}


def test_every_part_can_be_offered() -> None:
    assert set(GROUPS.values()) == set(PARTS)


@pytest.mark.cli
def test_a_run_of_what_a_package_offers(tmp_path: Path) -> None:
    found = package(tmp_path, POINTS)
    words = ("model=their_net", "data=their_blobs", "optimizer=their_descent", "clip=their_clip", "batch=24", "steps=8",
             "epochs=null", "lr=0.1", "trainer=cpu", f"runs_dir={tmp_path / 'runs'}")  # fmt: skip
    answer = command_line("train.py", *words, **found)
    assert answer.returncode == 0, answer.stderr
    assert "their_net on their_blobs at 8 px, clip=custom" in answer.stdout
    assert list((tmp_path / "runs").glob("single/their_net-halve-b24-lr0.1-s0-*/attempts/1/own_code/their_parts.py"))
    assert "their_net" in command_line("train.py", "--help", **found).stdout
    norm = ("model=resnet20", "clip=none", "model.normalizer=their_norm", "plan=true", *TINY[1:])
    answer = command_line("train.py", *norm, **found)
    assert "model      resnet20_ScaleNorm, " in answer.stdout, answer.stderr


@pytest.mark.cli
def test_a_name_that_exists_is_one_line(tmp_path: Path) -> None:
    found = package(tmp_path, "[normfree.models]\nresnet20 = their_parts:PlainCNN\n")
    answer = command_line("train.py", *TINY, **found)
    assert answer.returncode == 2
    assert answer.stderr == (
        "error: model=resnet20: the package their-parts offers it, and normfree has one of this name; remove the "
        "package their-parts, or use model=custom model._target_=their_parts.PlainCNN without it\n"
    )


def test_two_packages_of_one_name_and_names_that_are_none() -> None:
    def points(*pairs: tuple[str, str]) -> list[tuple[str, EntryPoint]]:
        return [("normfree.models", EntryPoint(name, value, "normfree.models")) for name, value in pairs]

    with pytest.raises(
        UserError, match=r"^model=net_of_two: a package offers two.Net by this name, and another package"
    ):
        store_plugins(points(("net_of_two", "one:Net"), ("net_of_two", "two:Net")), [])
    assert "net_of_two.yaml" not in ConfigStore.instance().repo.get("model", {}), "an option that was refused"
    with pytest.raises(UserError, match=r"^model=\.\./net: a package offers it, and the name is a path"):
        store_plugins(points(("../net", "one:Net")), [])
