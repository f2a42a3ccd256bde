"""Submitting runs as job arrays, through submitit."""

import shlex
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

from normfree.config import UserError
from normfree.config.schema import TrainerConfig
from normfree.runs import RunDirectory, run_id
from normfree.slurm.job import train_submitted
from normfree.slurm.queue import no_answer, silent
from normfree.slurm.settings import PREFIX, SlurmSettings
from normfree.slurm.submission import CODE, Submission, Submitted, record, refuse, run_file, take_snapshot


def submit(planned: Submitted, settings: SlurmSettings) -> Submission:
    """Copy the code and the configurations, then submit: one array for each number of nodes and devices.

    Raises:
        UserError: sbatch refuses, or no SLURM answers.
    """
    import submitit
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    first = planned[0][0]
    experiment = RunDirectory.of(first).path.parent
    folder = take_snapshot(experiment, planned)
    arrays: dict[tuple[int, int, str], Submitted] = {}
    for each in planned:
        trainer = each[0].config.trainer
        arrays.setdefault((trainer.nodes, trainer.devices, trainer.accelerator), []).append(each)
    jobs: dict[str, str] = {}
    for array in arrays.values():
        executor = submitit.SlurmExecutor(folder=folder / "logs", max_num_timeout=0)
        executor.update_parameters(**_parameters(settings, array[0][0].config.trainer, folder))
        runs = _names(array)
        files = [str(run_file(folder, run)) for run in runs]
        try:
            with redirect_stderr(StringIO()):  # submitit repeats what sbatch says
                submitted = executor.map_array(train_submitted, files, [settings.max_requeues] * len(files))
        except (FailedJobError, FailedSubmissionError) as error:
            if jobs:
                record(folder, first.config.experiment.name, settings, jobs)
            said = no_answer(str(error))
            why = silent(said) if said else f"sbatch refuses: {_last_line(error)}"
            refuse(folder, [run for each in arrays.values() for run in _names(each) if run not in jobs], why)
            raise UserError(f"hydra/launcher=slurm: {why}" + ("" if said else f"; see {PREFIX}.*")) from error
        jobs |= {run: str(job.job_id) for run, job in zip(runs, submitted, strict=True)}
        record(folder, first.config.experiment.name, settings, jobs)
    return record(folder, first.config.experiment.name, settings, jobs)


def _names(array: Submitted) -> list[str]:
    return [run_id(resolved) for resolved, _ in array]


def _parameters(settings: SlurmSettings, trainer: TrainerConfig, folder: Path) -> dict[str, Any]:
    """In submitit's names."""
    code = shlex.quote(str(folder / CODE))
    setup = [
        *settings.setup,
        f"export PYTHONPATH={code}${{PYTHONPATH:+:$PYTHONPATH}}",
        f"export NORMFREE_SNAPSHOT={shlex.quote(str(folder))}",
    ]
    # A rank that has failed must not leave the others waiting for it. srun does not take sbatch's CPUs by itself.
    srun = ["--kill-on-bad-exit=1"]
    if settings.cpus_per_task is not None:
        srun.append(f"--cpus-per-task={settings.cpus_per_task}")
    given = {
        "partition": settings.partition,
        "account": settings.account,
        "qos": settings.qos,
        "constraint": settings.constraint,
        "gpus_per_node": settings.gpus(trainer),
        "cpus_per_task": settings.cpus_per_task,
        "mem": None if settings.mem_gb is None else f"{settings.mem_gb}GB",
    }
    return {key: value for key, value in given.items() if value is not None} | {
        "job_name": settings.name,
        "time": settings.timeout_min,
        "nodes": trainer.nodes,
        "ntasks_per_node": trainer.devices,
        "array_parallelism": settings.array_parallelism,
        "setup": setup,
        "srun_args": srun,
        # USR2 would be submitit's own; `requeue` because a site may forbid it unless asked.
        "additional_parameters": {
            "signal": f"USR1@{settings.signal_delay_s}",
            "requeue": True,
            **settings.additional_parameters,
        },
    }


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if "error:" in line]
    return (told or lines or [type(error).__name__])[-1].removeprefix("sbatch: ").removeprefix("error: ")
