"""A sweep on SLURM: submits what is missing, then waits for it or leaves."""

import sys
import time
from pathlib import Path
from typing import Any

from normfree.runs import TERMINAL, RunDirectory
from normfree.slurm.queue import live_jobs
from normfree.slurm.settings import SlurmSettings
from normfree.slurm.submission import Cells, Submission, latest
from normfree.slurm.submit import submit
from normfree.sweep.pool import Event
from normfree.sweep.progress import SweepLine
from normfree.sweep.state import cell_states, count_states, logged_share

FIRST_WAIT, LONGEST_WAIT = 1.0, 15.0
"""Seconds between two looks at the queue; each is a little longer than the one before."""


def submit_missing(cells: Cells, settings: SlurmSettings) -> dict[str, Submission]:
    """Submit the cells that have no job in the queue already; returns where each one is.

    Raises:
        UserError: SLURM is not there, or refuses.
    """
    settings.check_cluster()
    for resolved, _ in cells:
        settings.check(resolved.config.trainer)
    runs = {RunDirectory.of(resolved).path.name: (resolved, overrides) for resolved, overrides in cells}
    experiment = RunDirectory.of(cells[0][0]).path.parent
    earlier, live = latest(experiment), live_jobs() or {}
    places = {run: earlier[run] for run in runs if run in earlier and earlier[run].jobs[run] in live}
    if places:
        print(f"{len(places)} runs are in the queue already")
    fresh = [cell for run, cell in runs.items() if run not in places]
    if fresh:
        submission = submit(fresh, settings)
        places |= dict.fromkeys(submission.jobs, submission)
        arrays = job_numbers(submission.jobs)
        print(f"submitted job {', '.join(arrays)}: {len(fresh)} runs; code and configurations: {submission.folder}")
    return places


def job_numbers(jobs: dict[str, str]) -> list[str]:
    """The numbers that ``scancel`` takes, an array once."""
    return list(dict.fromkeys(job.partition("_")[0] for job in jobs.values()))


def how_to_follow(experiment: Path, places: dict[str, Submission]) -> str:
    """The commands to see, and to end, what was submitted."""
    numbers = job_numbers({run: submission.jobs[run] for run, submission in places.items()})
    where = "" if experiment.parent == Path("runs") else f" runs_dir={experiment.parent}"
    return f"see: python runs.py experiment={experiment.name}{where}    end: scancel {' '.join(numbers)}"


def wait_for(
    planned: int, images: dict[str, int], places: dict[str, Submission], results: dict[str, dict[str, Any] | None]
) -> bool:
    """Show progress until every submitted run has its result or its job has gone; fills ``results``.

    Args:
        planned: cells of the sweep.
        images: training images of each run to wait for.

    Returns:
        Whether Ctrl-C ended the waiting; the jobs go on.
    """
    experiment = next(iter(places.values())).folder.parent.parent
    line = SweepLine(planned, planned - len(images), images)
    left, absent, wait = set(images), set[str](), FIRST_WAIT
    try:
        while left:
            time.sleep(wait)
            wait = min(LONGEST_WAIT, wait * 1.2)
            live = live_jobs()
            if live is not None:
                waiting = [run for run in left if (job := live.get(places[run].jobs[run])) and not job.runs]
                line.queued = len(waiting)
                line.refresh()
            for run in sorted(left):
                directory, submission = RunDirectory(experiment / run), places[run]
                result = directory.read_result()
                if result is not None and result["status"] in TERMINAL:
                    results[run] = result
                    left.discard(run)
                    line.show(Event(run, 1.0, result))
                elif live is not None and submission.jobs[run] not in live:
                    # Files on a network may be seen later than what the queue says.
                    if run in absent:
                        left.discard(run)
                        results[run] = _gone(experiment, run)
                        line.show(Event(run, 1.0, results[run]))
                    absent.add(run)
                elif live is not None and live[submission.jobs[run]].runs:
                    line.show(Event(run, logged_share(directory, submission) or 0.0))
    except KeyboardInterrupt:
        line.end()
        print(count_states(cell_states(experiment)))
        print(f"the jobs go on; {how_to_follow(experiment, places)}", file=sys.stderr)
        return True
    line.end()
    return False


def _gone(experiment: Path, run: str) -> dict[str, Any]:
    """What is known of a run whose job has gone."""
    state = next(cell for cell in cell_states(experiment) if cell.run_id == run)
    return {"status": state.state, "reason": state.reason, "traceback": state.traceback}
