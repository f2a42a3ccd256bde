"""The watching command goes by the runs and their jobs, whatever else is planned or submitted meanwhile."""

from collections.abc import Callable
from pathlib import Path

import pytest

from normfree.config import Resolved
from normfree.runs import RunDirectory, run_id
from normfree.slurm.queue import Job
from normfree.slurm.submission import Submission
from normfree.sweep import cluster, state
from normfree.sweep.cluster import _news
from normfree.sweep.schedule import Schedule
from normfree.sweep.state import run_states


def submission(folder: Path, run: str, job: str, error: str = "") -> Submission:
    place = folder / "_slurm" / job
    (place / "logs").mkdir(parents=True)
    if error:
        (place / "logs" / f"{job}_0_log.err").write_text(error, encoding="utf-8")
    text = f'{{"settings": {{}}, "jobs": [{{"run_id": "{run}", "job": "{job}"}}]}}'
    (place / "submission.json").write_text(text, encoding="utf-8")
    return Submission(place, {}, {run: job})


@pytest.fixture
def no_accounting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "fate", lambda job: "FAILED")


def test_a_job_that_has_gone_is_told_also_where_no_plan_has_its_run(
    tiny: Callable[..., Resolved], no_accounting: None
) -> None:
    directory = RunDirectory.of(run := tiny())
    sent = submission(directory.path.parent, run_id(run), "7")
    absent: set[str] = set()
    assert _news(directory, sent, {}, absent) is None, "files on a network may be late"
    event = _news(directory, sent, {}, absent)
    assert event is not None
    assert event.result is not None
    assert event.result["status"] == "missing"
    assert "job 7 ended as FAILED" in event.result["reason"]


def test_a_run_that_was_submitted_again_is_followed_there(
    tiny: Callable[..., Resolved], no_accounting: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first job was cancelled; another command has submitted the run anew, and its job has ended."""
    run = tiny()
    directory = RunDirectory.of(run)
    first = submission(directory.path.parent, run_id(run), "7")
    submission(directory.path.parent, run_id(run), "8")
    looks = iter([{"8": Job("RUNNING", "")}, {"8": Job("RUNNING", "")}, {}, {}, {}, {}])

    def live() -> dict[str, Job]:
        found = next(looks)
        if not found and not directory.result.exists():
            directory.record_failure(run, "it ended there")
        return found

    monkeypatch.setattr(cluster, "live_jobs", live)
    monkeypatch.setattr(cluster, "FIRST_WAIT", 0.01)
    results: dict[str, object] = {run_id(run): None}
    assert not cluster.wait_for(1, Schedule.of({run_id(run): run}), {run_id(run): first}, results)  # type: ignore[arg-type]
    assert results[run_id(run)]["reason"].startswith("it ended there")  # type: ignore[index]


def test_the_error_and_not_the_end_of_its_task_is_told(
    tiny: Callable[..., Resolved], no_accounting: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tiny()
    folder = RunDirectory.of(run).path.parent
    said = (
        "submitit INFO (x) - Starting\nTraceback (most recent call last):\n"
        "torch.distributed.DistNetworkError: EADDRINUSE, address already in use\n"
        "srun: error: node1: task 0: Exited with exit code 1\nsrun: Force Terminated StepId=7.0\n"
    )
    submission(folder, run_id(run), "7", said)
    monkeypatch.setattr(state, "live_jobs", dict)
    RunDirectory.of(run).create()
    RunDirectory.of(run).write_start({}, [], {"attempts": 1}, "")
    (found,) = run_states(folder)
    assert found.state == "missing"
    assert found.reason.endswith("DistNetworkError: EADDRINUSE, address already in use")
