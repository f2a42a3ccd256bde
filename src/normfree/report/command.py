"""The report of an experiment: what the command does once it knows its keys."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from normfree.config.key_readers import boolean
from normfree.config.keys import key
from normfree.config.names import read_name, read_place
from normfree.config.places import EXPERIMENT, Places
from normfree.report.garbage import rarely_collected

EXPERIMENTS = "experiments"


@dataclass(frozen=True)
class ReportKeys:
    """What `report.py` can be told."""

    experiment: str = key("quickstart", "its name", read_name("experiment"))
    runs_dir: str = key("runs", "where run directories are", read_place("runs_dir"))
    reports_dir: str = key("reports", "the report is <reports_dir>/<experiment>/", read_place("reports_dir"))
    experiments_dir: str = key(
        EXPERIMENTS, "where its file is, and after that normfree's own", read_place("experiments_dir")
    )
    check: bool = key(False, "compare with the stored tables, write nothing", boolean)

    @property
    def experiment_folders(self) -> list[Path]:
        """Where the experiment's file is looked for."""
        if self.experiments_dir != EXPERIMENTS:
            return [Path(self.experiments_dir)]
        return Places.of().folders_of(EXPERIMENT)


@rarely_collected()
def report(keys: ReportKeys) -> int:
    """Build one report; 0 when done, 1 when `check` found differences."""
    from rich.console import Console

    from normfree.report.terminal import show
    from normfree.study import Study, collect, judge, load_experiment
    from normfree.study.sized import fitted

    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, 100)
    experiment = load_experiment(keys.experiment, *keys.experiment_folders)
    collection = collect(experiment.name, Path(keys.runs_dir), experiment.command)
    experiment = fitted(experiment, collection.table)
    study = Study(experiment, collection)
    verdicts = judge(experiment, collection.table)
    show(console, study, verdicts)
    with console.status("drawing"):
        from normfree.report.build import differences, render, write

        files = render(study, verdicts)
    target = Path(keys.reports_dir) / experiment.name
    if keys.check:
        found = differences(files, target)
        console.print(
            f"{target} differs in: {', '.join(found)}" if found else f"{target} is what the runs give", markup=False
        )
        return 1 if found else 0
    write(files, target)
    console.print(str(target / "report.html"), soft_wrap=True, highlight=False, markup=False)
    return 0
