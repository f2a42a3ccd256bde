"""``python runs.py follow=true``: curves of what runs, for as long as it does, with nothing changed there."""

import dataclasses
import io
import re
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from rich.console import Console
from tests.conftest import TINY, composed

from normfree.config import Resolved, UserError
from normfree.runs import RunDirectory, result_of
from normfree.slurm.queue import Job
from normfree.slurm.submission import Submission
from normfree.sweep import follow as follow_module
from normfree.sweep import run_sweep
from normfree.sweep.alive import Alive, is_alive
from normfree.sweep.follow import follow

HEAD = "step,train/loss,train/accuracy,images_per_second\n"


class Training(ExitStack):
    """Runs of this process that are being trained, as their directories show it."""

    def begin(self, run: Resolved) -> RunDirectory:
        directory = RunDirectory.of(run)
        directory.create()
        self.enter_context(directory.locked())
        directory.write_start(dataclasses.asdict(run.config), [], {"attempts": 1}, "")
        directory.metrics.write_text(HEAD)
        return directory


def add(directory: RunDirectory, text: str) -> None:
    with directory.metrics.open("a") as file:
        file.write(text)


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in sorted(folder.rglob("*")) if path.is_file()
    }


def test_lines_until_nothing_runs(tiny: Callable[..., Resolved], capsys: pytest.CaptureFixture[str]) -> None:
    one, other = tiny("seed=0"), tiny("seed=1")
    folder = RunDirectory.of(one).path.parent
    training = Training()
    first = training.begin(one)
    add(first, "2,2.5,0.1,100\n4,2.25,0.2")
    steps = iter(range(4))
    before = contents(folder)

    def wait(seconds: float) -> None:
        nonlocal before
        assert contents(folder) == before
        step = next(steps)
        if step == 0:
            add(first, ",100\n")
        elif step == 2:
            first.write_result(result_of(one, "diverged", "a loss that is not finite", metrics={"test/accuracy": 0.1}))
            training.close()
        before = contents(folder)

    out = io.StringIO()
    RunDirectory.of(other).create()
    assert follow(Console(file=out, width=200), folder, "-s0-", wait) == 0
    name = first.path.name
    assert out.getvalue().splitlines() == [
        f"{name}  step 2/8  loss 2.500  accuracy 10.0%",
        f"{name}  step 4/8  loss 2.250  accuracy 20.0%",
        f"diverged: {name} (a loss that is not finite)",
        "1 run: 1 diverged",
    ]
    assert next(steps) == 3


def test_jobs_of_slurm_are_waited_for_and_followed_on_whatever_node(
    tiny: Callable[..., Resolved], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tiny()
    directory = RunDirectory.of(run)
    directory.create()
    name, folder = directory.path.name, directory.path.parent
    answers: list[dict[str, Job] | None] = [
        {"7": Job("PENDING", "Priority")}, {"7": Job("RUNNING", "None")}, None, {"7": Job("RUNNING", "None")}, {}
    ]  # fmt: skip
    monkeypatch.setattr(follow_module, "latest", lambda _: {name: Submission(folder, {}, {name: "7"})})
    monkeypatch.setattr(follow_module, "live_jobs", lambda: answers.pop(0))
    monkeypatch.setattr(follow_module, "QUEUE_SECONDS", 0.0)
    left: list[int] = []

    def wait(seconds: float) -> None:
        left.append(len(answers))
        if len(answers) == 4:
            directory.metrics.write_text(f"{HEAD}2,2.5,0.1,100\n")
        elif len(answers) == 1:
            directory.write_result(result_of(run, "finished", metrics={"test/accuracy": 0.5}))

    out = io.StringIO()
    assert follow(Console(file=out, width=200), folder, wait=wait) == 0
    assert out.getvalue().splitlines() == [
        f"{name}  step 2  loss 2.500  accuracy 10.0%",
        f"finished: {name}, test accuracy 50.0%",
        "1 run: 1 finished",
    ]
    assert left == [4, 3, 2, 1]


def test_curves_on_a_terminal(tiny: Callable[..., Resolved], capsys: pytest.CaptureFixture[str]) -> None:
    runs = [tiny(f"seed={seed}") for seed in range(3)]
    folder = RunDirectory.of(runs[0]).path.parent
    with Training() as training:
        for run in runs:
            add(training.begin(run), "2,2.5,0.1,100\n4,1.5,0.3,100\n")
        out = io.StringIO()
        console = Console(file=out, width=100, height=30, force_terminal=True, color_system=None)

        def interrupted(seconds: float) -> None:
            raise KeyboardInterrupt

        assert follow(console, folder, wait=interrupted) == 130
    assert "what runs goes on" in capsys.readouterr().err
    shown = out.getvalue()
    for run in runs:
        assert f"{RunDirectory.of(run).path.name}  step 4/8  loss 1.500  accuracy 30.0%  0:02 left" in shown
    assert len(re.findall(r" loss ┤[⠀-⣿]{30}.* accuracy ┤[⠀-⣿]{30}", shown)) >= len(runs)
    assert "3 runs: 3 running" in shown
    plain = re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", shown)
    assert max(map(len, plain.splitlines())) <= 100


def test_what_has_no_room_is_counted(tiny: Callable[..., Resolved]) -> None:
    runs = [tiny(f"seed={seed}") for seed in range(4)]
    with Training() as training:
        for run in runs:
            training.begin(run)
        out = io.StringIO()

        def interrupted(seconds: float) -> None:
            raise KeyboardInterrupt

        console = Console(file=out, width=60, height=7, force_terminal=True, color_system=None)
        follow(console, RunDirectory.of(runs[0]).path.parent, wait=interrupted)
    assert "and 2 more" in out.getvalue()


def test_where_nothing_runs_it_ends_at_once(tiny: Callable[..., Resolved]) -> None:
    run = tiny()
    directory = RunDirectory.of(run)
    directory.record_failure(run, "because")

    def wait(seconds: float) -> None:
        raise AssertionError("nothing to wait for")

    out = io.StringIO()
    assert follow(Console(file=out, width=200), directory.path.parent, wait=wait) == 0
    assert out.getvalue() == "1 run: 1 failed\n"


def test_the_first_run_of_a_sweep_that_is_being_planned_is_waited_for(
    tiny: Callable[..., Resolved], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow_module, "LOOKS_AT_FIRST", 2)
    run = tiny()
    folder = RunDirectory.of(run).path.parent
    assert not folder.exists()
    sweep, training = Alive(), Training()
    looks = 0

    def wait(seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 5:
            add(training.begin(run), "2,2.5,0.1,100\n")
        elif looks == 6:
            RunDirectory.of(run).write_result(result_of(run, "finished", metrics={"test/accuracy": 0.5}))
            training.close()
            sweep.close()

    with sweep:
        sweep.shown_in(folder)
        out = io.StringIO()
        assert follow(Console(file=out, width=200), folder, wait=wait) == 0
    name = RunDirectory.of(run).path.name
    assert out.getvalue().splitlines() == [
        f"nothing runs in {folder} yet; waiting for the first run of a sweep that is being planned    Ctrl-C ends this",
        f"{name}  step 2/8  loss 2.500  accuracy 10.0%",
        f"finished: {name}, test accuracy 50.0%",
        "1 run: 1 finished",
    ]
    assert looks == 6


@pytest.mark.parametrize("there", [False, True])
def test_what_may_begin_is_waited_for_a_while(
    there: bool, tiny: Callable[..., Resolved], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow_module, "LOOKS_AT_FIRST", 3)
    folder = RunDirectory.of(tiny()).path.parent
    if there:
        folder.mkdir(parents=True)
    looks: list[float] = []
    out = io.StringIO()
    assert follow(Console(file=out, width=200), folder, wait=looks.append) == 0
    assert len(looks) == 3
    told = f"nothing runs in {folder} yet; waiting for a first run, 3 s    Ctrl-C ends this"
    assert out.getvalue().splitlines() == [told, *["0 runs"] * there]


def test_a_sign_of_a_sweep_goes_with_it(tmp_path: Path) -> None:
    assert not is_alive(tmp_path)
    with Alive() as one, Alive() as other:
        one.shown_in(tmp_path)
        one.shown_in(tmp_path / "not this")
        other.shown_in(tmp_path)
        assert is_alive(tmp_path)
        assert not is_alive(tmp_path / "not this")
    assert not is_alive(tmp_path)


def test_a_sweep_shows_itself_before_it_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "runs" / "single"
    seen: list[bool] = []

    def refuse(*_: object, **__: object) -> None:
        seen.append(is_alive(folder))
        raise UserError("batch=1: no")

    monkeypatch.setattr("normfree.sweep.sweep.refuse_wrong", refuse)
    monkeypatch.setattr("normfree.sweep.sweep.warm_up", lambda: None)
    words = [*TINY, f"runs_dir={folder.parent}"]
    with pytest.raises(UserError, match=r"no$"):
        run_sweep([(words, [])], lambda overrides: composed(*overrides))
    assert seen == [True]
    assert not is_alive(folder)
    assert not folder.parent.exists()
