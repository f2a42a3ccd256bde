"""A sweep on SLURM: submits what is missing, then waits for it or leaves."""

import sys
import time
from pathlib import Path

from normfree.host.spoken import spoken
from normfree.host.wording import counted
from normfree.runs import TERMINAL, RunDirectory
from normfree.runs.damage import standing
from normfree.runs.result import Ended
from normfree.slurm.queue import Job, live_jobs
from normfree.slurm.settings import SlurmSettings
from normfree.slurm.submission import Submission, Submitted, latest
from normfree.slurm.submit import submit
from normfree.sweep.pool import Event
from normfree.sweep.progress import SweepProgress
from normfree.sweep.schedule import Schedule
from normfree.sweep.state import count_states, current, logged_share, run_states, state_of

FIRST_WAIT, LONGEST_WAIT = 1.0, 15.0
"""Seconds between two looks at the queue; each is a little longer than the one before."""


def submit_missing(missing: Submitted, settings: SlurmSettings) -> dict[str, Submission]:
    """Submit the runs that have no job in the queue already; returns where each one is.

    Raises:
        UserError: SLURM is not there, or refuses.
    """
    settings.check_cluster()
    for resolved, _ in missing:
        settings.check(resolved.config.trainer)
    runs = {RunDirectory.of(resolved).path.name: (resolved, overrides) for resolved, overrides in missing}
    experiment = RunDirectory.of(missing[0][0]).path.parent
    earlier, live = latest(experiment), live_jobs() or {}
    places = {run: earlier[run] for run in runs if run in earlier and earlier[run].jobs[run] in live}
    if places:
        print(f"{counted(len(places), 'run')} {'is' if len(places) == 1 else 'are'} in the queue already")
    fresh = [each for run, each in runs.items() if run not in places]
    if fresh:
        submission = submit(fresh, settings)
        places |= dict.fromkeys(submission.jobs, submission)
        arrays = job_numbers(submission.jobs)
        count = counted(len(fresh), "run")
        print(f"submitted job {', '.join(arrays)}: {count}; code and configurations: {submission.folder}")
    return places


def job_numbers(jobs: dict[str, str]) -> list[str]:
    """The numbers that ``scancel`` takes, an array once."""
    return list(dict.fromkeys(job.partition("_")[0] for job in jobs.values()))


def how_to_follow(experiment: Path, places: dict[str, Submission]) -> str:
    """The commands to see what was submitted, to draw what has ended, and to end it."""
    numbers = job_numbers({run: submission.jobs[run] for run, submission in places.items()})
    where = "" if experiment.parent == Path("runs") else f" runs_dir={experiment.parent}"
    see, draw = (spoken(f"python {name}.py experiment={experiment.name}{where}") for name in ("runs", "report"))
    return f"see: {see}    draw: {draw}    end: scancel {' '.join(numbers)}"


def wait_for(planned: int, schedule: Schedule, places: dict[str, Submission], results: dict[str, Ended | None]) -> bool:
    """Show progress until every submitted run has its result or its job has gone; fills ``results``.

    Args:
        planned: runs of the sweep.
        schedule: the runs to wait for.

    Returns:
        Whether Ctrl-C ended the waiting; the jobs go on.
    """
    experiment = next(iter(places.values())).folder.parent.parent
    left, absent, wait = set(schedule.runs), set[str](), FIRST_WAIT
    try:
        with SweepProgress(planned, planned - len(schedule.runs), schedule) as progress:
            while left:
                time.sleep(wait)
                wait = min(LONGEST_WAIT, wait * 1.2)
                live = live_jobs()
                if live is not None:
                    waiting = [run for run in left if (job := live.get(places[run].jobs[run])) and not job.runs]
                    progress.queued = len(waiting)
                    progress.refresh()
                    if any(places[run].jobs[run] not in live for run in left):
                        # Somebody may have submitted it again since; an experiment may have several submissions.
                        newest = latest(experiment)
                        places |= {run: newest[run] for run in left if run in newest}
                for run in sorted(left):
                    news = _news(RunDirectory(experiment / run), places[run], live, absent)
                    if news is None:
                        continue
                    if news.result is not None:
                        results[run] = news.result
                        schedule.end(run, news.result)
                        left.discard(run)
                    progress.show(news)
    except KeyboardInterrupt:
        print(count_states(current(run_states(experiment))))
        print(f"the jobs go on; {how_to_follow(experiment, places)}", file=sys.stderr)
        return True
    return False


def _news(
    directory: RunDirectory, submission: Submission, live: dict[str, Job] | None, absent: set[str]
) -> Event | None:
    """What there is to say of a run; ``absent`` are those whose job was not in the queue any more."""
    run = directory.path.name
    result = standing(directory)
    if result is not None and result["status"] in TERMINAL:
        return Event(run, 1.0, result)
    if live is None:
        return None
    job = live.get(submission.jobs[run])
    if job is not None:
        return Event(run, logged_share(directory, submission) or 0.0) if job.runs else None
    # Files on a network may be seen later than what the queue says.
    if run in absent:
        return Event(run, 1.0, _gone(directory.path, submission, live))
    absent.add(run)
    return None


def _gone(path: Path, submission: Submission, live: dict[str, Job]) -> Ended:
    """What is known of a run whose job has gone."""
    state = state_of(path, [], submission, live)
    return {"status": state.state, "reason": state.reason, "traceback": state.traceback}
