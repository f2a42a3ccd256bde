"""The command `python report.py`: its keys, its help, and the report of an experiment."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from normfree.config.errors import UserError
from normfree.config.names import check_name, check_place
from normfree.report.garbage import rarely_collected
from normfree.report.probe_keys import PROBES, ProbeKeys, keys_of_probe, read_probe

HELP = """\
Turn the runs of an experiment into figures, tables and a page: reports/<experiment>/report.html

  python report.py experiment=quickstart
  python report.py experiment=quickstart runs_dir=/scratch/runs reports_dir=/tmp/reports
  python report.py experiment=quickstart check=true     compare with the stored tables, write nothing

Keys and their defaults:

{keys}

Same runs, same bytes. Needs the run directories alone: no GPU, no network, no torch.

Or look at networks and images as they are: reports/probes/<probe>/*.md with its figure

{probes}
"""


@dataclass
class ReportConfig:
    """What `report.py` can be told."""

    experiment: str = "quickstart"
    runs_dir: str = "runs"
    reports_dir: str = "reports"
    experiments_dir: str = "experiments"
    check: bool = False


def register() -> None:
    """Give Hydra the keys; no run directory, no log file."""
    from hydra.core.config_store import ConfigStore

    quiet = [{"override hydra/job_logging": "none"}, {"override hydra/hydra_logging": "none"}, "_self_"]
    hydra = {"output_subdir": None, "run": {"dir": "."}}
    ConfigStore.instance().store(name="report", node={"defaults": quiet, "hydra": hydra, **asdict(ReportConfig())})


def help_text() -> str:
    """What `--help` prints."""
    width = max(len(field.name) for field in fields(ReportConfig))
    keys = [f"  {name:{width}}  {value}" for name, value in asdict(ReportConfig()).items()]
    probes = "\n\n".join(keys_of_probe(name) for name in PROBES)
    return HELP.replace("{keys}", "\n".join(keys)).replace("{probes}", probes)


def check_arguments(arguments: Sequence[str]) -> ProbeKeys | None:
    """Answer `--help` and stop, before Hydra searches for its plugins; give the keys of the probe if one is asked for.

    Raise `UserError` for what Hydra would answer at length: unknown keys, no value, several experiments."""
    if {"-h", "--help"} & set(arguments):
        sys.stdout.write(help_text())
        raise SystemExit(0)
    if any(argument.startswith("probe=") for argument in arguments):
        return read_probe(arguments)
    from normfree.config.errors import nearest

    known = [field.name for field in fields(ReportConfig)]
    for argument in arguments:
        if argument.startswith(("-", "hydra.")):
            if argument in ("-m", "--multirun"):
                raise UserError(f"{argument}: a report is of one experiment; run report.py once for each")
            continue
        key, equals, value = argument.partition("=")
        if not equals:
            raise UserError(f"{argument}: give key=value, such as experiment={key}")
        if key not in known:
            for name, probe in PROBES.items():
                if key in {each.name for each in fields(probe)}:
                    raise UserError(f"{key}={value}: is a key of a probe; add probe={name}")
            raise UserError(f"{key}={value}: no such key{nearest(key, known)}; there are: {', '.join(known)}, probe")
        if key == "check" and value.lower() not in ("true", "false"):
            raise UserError(f"check={value}: give true or false")
        if not value or any(mark in value for mark in ",(){}[]$'\""):
            raise UserError(f"{key}={value}: give one plain {'name' if key == 'experiment' else 'path'}")
        if key == "experiment":
            check_name(key, value)
        elif key.endswith("_dir"):
            check_place(key, value)
    return None


@rarely_collected()
def report(config: Any) -> int:
    """Build one report; 0 when done, 1 when `check` found differences."""
    from rich.console import Console

    from normfree.report.terminal import show
    from normfree.study import Study, collect, judge, load_experiment

    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, 100)
    experiment = load_experiment(str(config.experiment), Path(config.experiments_dir))
    collection = collect(experiment.name, Path(config.runs_dir), experiment.command)
    study = Study(experiment, collection)
    verdicts = judge(experiment, collection.table)
    show(console, study, verdicts)
    with console.status("drawing"):
        from normfree.report.build import differences, render, write

        files = render(study, verdicts)
    target = Path(config.reports_dir) / experiment.name
    if config.check:
        found = differences(files, target)
        console.print(
            f"{target} differs in: {', '.join(found)}" if found else f"{target} is what the runs give", markup=False
        )
        return 1 if found else 0
    write(files, target)
    console.print(str(target / "report.html"), soft_wrap=True, highlight=False, markup=False)
    return 0
