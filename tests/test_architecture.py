"""The promises of the folder layout: imports run one way, and light parts stay light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "normfree"

MAY_IMPORT: dict[str, set[str]] = {
    "host": set(),
    "config": {"host"},
    "compose": {"config"},
    "runs": {"config", "host"},
    "study": {"config", "host", "runs"},
    "report": {"config", "host", "runs", "study"},
    "nets": set(),
    "clip": set(),
    "optim": set(),
    "probe": {"nets"},
    "lightning": {"config", "clip", "optim", "probe"},
    "data": {"config", "host", "runs"},
    "train": {"config", "host", "runs", "nets", "clip", "optim", "data", "lightning", "probe"},
    "slurm": {"config", "host", "runs", "train"},
    "sweep": {"config", "host", "compose", "runs", "slurm", "train"},
    "trained": {"config", "host", "compose", "runs", "nets", "data", "train"},
    "evaluate": {"config", "host", "compose", "runs", "report", "nets", "data", "train", "trained"},
    "export": {"config", "host", "runs", "nets", "train", "trained", "evaluate"},
    "bench": {
        "config",
        "host",
        "compose",
        "runs",
        "study",
        "report",
        "nets",
        "clip",
        "optim",
        "probe",
        "data",
        "train",
        "sweep",
    },
    "serve": {"config", "host", "trained"},
    "cli": {
        *("config", "host", "compose", "runs", "nets", "data", "probe", "study", "report", "train", "sweep", "bench"),
        *("evaluate", "export", "serve"),
    },
    "api": {"config", "host", "compose", "runs", "study", "report", "nets", "train", "trained", "cli"},
}
"""From the ground to the roof: a part imports from those above its line alone."""
NO_TORCH = ("host", "config", "compose", "runs", "study", "report", "slurm", "sweep", "cli", "api", "lightning")
TORCH_ALONE = ("nets", "clip", "optim")
ROOMS_OF_TRAINING = ("record", "ranks", "parts", "callbacks")
"""Each may import those before it."""
HEAVY = ("torch", "torchvision", "pytorch_lightning", "lightning", "wandb", "timm")


def imported(file: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return names


@pytest.mark.parametrize("part", sorted(MAY_IMPORT))
def test_imports_run_downwards(part: str) -> None:
    allowed = MAY_IMPORT[part] | {part}
    for file in (PACKAGE / part).rglob("*.py"):
        for name in imported(file):
            if name.startswith("normfree."):
                assert name.split(".")[1] in allowed, f"{file.relative_to(PACKAGE)} imports {name}"


def test_rooms_of_training_know_those_before_them_alone() -> None:
    train = PACKAGE / "train"
    folders = {path.name for path in train.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == set(ROOMS_OF_TRAINING)
    for place, room in enumerate(ROOMS_OF_TRAINING):
        later = tuple(f"normfree.train.{name}" for name in ROOMS_OF_TRAINING[place + 1 :])
        for file in (train / room).rglob("*.py"):
            assert not [name for name in imported(file) if name.startswith(later)], file.relative_to(PACKAGE)


def test_building_needs_no_lightning() -> None:
    """A plan is quick."""
    for module in ("parts.own_parts", "parts.clipped", "parts.optimizer", "preflight", "plan_sweep"):
        assert "pytorch_lightning" not in loaded_by(f"normfree.train.{module}")
    assert "torch" not in loaded_by("normfree.train.preflight")


def test_no_part_is_below_itself() -> None:
    above: set[str] = set()
    for part, allowed in MAY_IMPORT.items():
        assert allowed <= above, f"{part} stands below {allowed - above}"
        above.add(part)


def test_cli_is_the_roof() -> None:
    assert [part for part, allowed in MAY_IMPORT.items() if "cli" in allowed] == ["api"]
    assert list(MAY_IMPORT)[-2:] == ["cli", "api"]


@pytest.mark.parametrize("part", ["compose", "config", "report", "runs", "study", "sweep", "bench"])
def test_only_a_command_ends_its_process(part: str) -> None:
    for file in (PACKAGE / part).rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        assert "sys.exit" not in text, file
        assert "raise SystemExit" not in text, file


def test_every_part_has_its_place() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == set(MAY_IMPORT)


@pytest.mark.parametrize("part", NO_TORCH)
def test_parts_that_know_no_torch(part: str) -> None:
    assert not loaded_by(f"normfree.{part}") & set(HEAVY)


@pytest.mark.parametrize("part", TORCH_ALONE)
def test_parts_that_know_torch_alone(part: str) -> None:
    loaded = loaded_by(f"normfree.{part}")
    assert "torch" in loaded
    assert not loaded & {
        "pytorch_lightning",
        "lightning",
        "hydra",
        "omegaconf",
        "torchvision",
        "wandb",
        "timm",
    }


def test_the_package_itself_is_light() -> None:
    assert not loaded_by("normfree") & {*HEAVY, "hydra"}


def test_its_parts_are_there_when_they_are_used() -> None:
    parts = ("api", "clip", "lightning", "nets", "optim")
    code = f"import normfree; print(*(getattr(normfree, name).__name__ for name in {parts}))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == [f"normfree.{name}" for name in parts]


def test_wandb_is_imported_only_by_a_run_that_asks_for_it() -> None:
    assert "wandb" not in loaded_by("normfree.train.run")


def loaded_by(module: str) -> set[str]:
    code = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(answer.stdout.split())
