"""What is wrong with a run is told in one line by whatever would start it, before anything is written."""

import ast
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import TINY, command_line

from normfree.config import Resolved, UserError
from normfree.train.plan import describe_plan
from normfree.train.preflight import (
    WITHOUT_TORCH,
    planned_here,
    preflight,
    refusals,
    trained_elsewhere,
    trained_here,
    without_torch,
)
from normfree.train.run import run_one
from normfree.train.worker import train_task

SOURCE = Path(__file__).resolve().parents[2] / "src"
REFUSALS = ("check_ranks", "require_images", "choose_device", "check_image_size", "check_own_parts", "check_clipping")
HERE = [
    (("trainer.nodes=2",), "ranks", "trainer.nodes=2: several nodes need SLURM"),
    (("trainer=ddp_cpu", "trainer.devices=500", "batch=500"), "cores", "trainer.devices=500: there "),
    (("data=cifar10",), "images", "data=cifar10: no images, data.root is not set"),
]
WITH_TORCH = [
    (("trainer=gpu",), "trainer=gpu: torch sees no CUDA device here"),
    (("precision=16-mixed", "trainer=cpu"), "precision=16-mixed: needs a GPU"),
    (("model=nf_resnet50", "data=mnist5k"), "data.train_size=7: nf_resnet50 reduces its maps"),
    (("clip.stages=[7]",), "clip.stages"),
]


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)


def wrong(words: tuple[str, ...]) -> tuple[str, ...]:
    """`data=cifar10` has images of a size of its own."""
    return (*words, "data.train_size=32") if "data=cifar10" in words else words


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize(("words", "line"), [*((words, line) for words, _, line in HERE), *WITH_TORCH])
def test_a_run_and_a_worker_refuse_alike_before_a_directory(
    words: tuple[str, ...], line: str, tiny: Callable[..., Resolved], tmp_path: Path
) -> None:
    run = tiny(*wrong(words))
    for start in (preflight, lambda it: run_one(it, [])):
        with pytest.raises(UserError) as refused:
            start(run)
        assert str(refused.value).startswith(line)
        assert not (tmp_path / "runs").exists()
    assert train_task(run, [], lambda row: None)["reason"] == str(refused.value)


@pytest.mark.parametrize(("words", "what", "line"), HERE)
def test_what_needs_no_torch_is_part_of_it(
    words: tuple[str, ...], what: str, line: str, tiny: Callable[..., Resolved]
) -> None:
    with pytest.raises(UserError) as refused:
        without_torch(tiny(*wrong(words)))
    assert str(refused.value).startswith(line)
    assert what in WITHOUT_TORCH


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize(
    ("words", "what", "line"), [*HERE, (("trainer=gpu",), "device", "trainer=gpu: torch sees no CUDA device here")]
)
def test_a_plan_tells_what_this_machine_lacks_and_goes_on(
    words: tuple[str, ...], what: str, line: str, tiny: Callable[..., Resolved]
) -> None:
    run = tiny(*wrong(words))
    lacks: dict[str, str] = {}
    ready = preflight(run, lacks=lacks)
    assert lacks.keys() == {what}
    assert lacks[what].startswith(line)
    assert ready.cost.parameters > 0
    assert line in describe_plan(run)


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize(("words", "line"), [*((words, line) for words, _, line in HERE), *WITH_TORCH])
def test_a_sweep_and_a_job_are_asked_the_same_less_what_may_be_elsewhere(
    words: tuple[str, ...], line: str, tiny: Callable[..., Resolved]
) -> None:
    runs = [tiny(*wrong(words)), tiny()]
    refused, right = refusals(runs, trained_here)
    assert refused.startswith(line)
    assert not right
    may_be_elsewhere = {"trainer.nodes", "trainer.devices", "data", "trainer"}
    elsewhere = line.partition("=")[0] in may_be_elsewhere
    assert refusals(runs, trained_elsewhere) == (["", ""] if elsewhere else [refused, ""])
    in_a_plan = line.startswith("data=")
    assert refusals(runs, planned_here) == (["", ""] if in_a_plan else [refused, ""])


def test_runs_that_differ_in_seed_are_asked_once(tiny: Callable[..., Resolved]) -> None:
    asked: list[int] = []

    def ask(run: Resolved) -> None:
        asked.append(run.config.seed)
        if run.config.batch == 25:
            raise UserError("batch=25: odd")
        if run.config.batch == 10:
            raise ZeroDivisionError

    runs = [tiny(f"batch={batch}", f"seed={seed}") for batch in (50, 25, 10) for seed in (3, 4)]
    assert refusals(runs, ask) == ["", "", "batch=25: odd", "batch=25: odd", "", ""]
    assert asked == [3, 3, 3]


def test_nothing_is_refused_in_two_places() -> None:
    asked = {
        (str(file.relative_to(SOURCE)), node.func.id)
        for file in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in REFUSALS
    }
    for place in ("data/preview.py", "evaluate/images.py"):  # commands that train nothing
        asked.remove((f"normfree/{place}", "require_images"))
    asked.remove(("normfree/train/latency.py", "choose_device"))  # of networks that are timed, and not yet trained
    asked.remove(("normfree/config/also.py", "require_images"))  # of other images, which preflight asks for there
    # check_ranks is an entry of WITHOUT_TORCH, and called from there.
    assert asked == {("normfree/train/preflight.py", name) for name in REFUSALS if name != "check_ranks"}


@pytest.mark.cli
@pytest.mark.parametrize("mode", [(), ("-m", "seed=0,1")])
def test_missing_images_stop_a_run_and_a_whole_sweep_before_anything_is_written(
    mode: tuple[str, ...], tmp_path: Path
) -> None:
    words = (*TINY[1:], "data=cifar10", f"runs_dir={tmp_path / 'runs'}")
    answer = command_line("train.py", *mode, *words)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.startswith("error: data=cifar10: no images, data.root is not set")
    assert answer.stderr.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_a_logger_whose_package_is_not_here_is_told_by_plan_and_run(
    tiny: Callable[..., Resolved], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("normfree.train.preflight.find_spec", lambda name: None)
    resolved = tiny("logger=wandb")
    with pytest.raises(UserError, match="logger=wandb: the package wandb is not installed; install normfree"):
        without_torch(resolved)
    lacks: dict[str, str] = {}
    preflight(resolved, lacks=lacks)
    assert "wandb is not installed" in lacks["logger"]
