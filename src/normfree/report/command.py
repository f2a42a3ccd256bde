"""The report of an experiment: what the command does once it knows its keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from normfree.config.errors import UserError
from normfree.config.key_readers import boolean, choice
from normfree.config.keys import key
from normfree.config.names import fault_of, read_name, read_place
from normfree.config.places import EXPERIMENT, Places
from normfree.report.garbage import rarely_collected

if TYPE_CHECKING:
    from normfree.study import Study
    from normfree.study.chosen import Choice

EXPERIMENTS = "experiments"


def _conditions(text: str) -> Mapping[str, Any]:
    from normfree.study.chosen import read_where

    return read_where(text)


def _file(text: str) -> str:
    if not text.endswith(".yaml") or fault_of(Path(text).stem):
        raise ValueError("give a file, such as experiments/NAME.yaml")
    return text


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
    x: str = key("", "factor along the axis, such as batch; without an experiment file, the one with most values")
    series: tuple[str, ...] = key((), "factors whose combinations are the series, such as model,clip")
    panel: tuple[str, ...] = key((), "factors whose combinations are panels")
    where: Mapping[str, Any] | None = key(None, "which runs, such as 'clip=agc lr=0.1,0.4'", _conditions)
    measure: str = key("", "what is shown, in place of the test accuracy")
    write: str = key("", "experiment file to write the figure to, such as experiments/NAME.yaml", _file)
    size: str = key("", "also figures for a paper, column (3.3 in) or page (6.9 in)", choice("column", "page"))

    @property
    def choice(self) -> Choice:
        """What to draw."""
        from normfree.study.chosen import Choice

        return Choice(self.x, self.series, self.panel, self.where or {}, self.measure)

    def suffix(self, study: Study) -> str:
        """Of the report's folder: a choice of one's own leaves the report of an experiment file as it is, and a report
        of some runs that of all, whose rows may be kept nowhere else.
        """
        if not self.choice or not (study.experiment.sha256 or self.where):
            return ""
        words = [self.x, *self.series, *self.panel, *(self.where or {}), self.measure.replace("/", "_")]
        return "-by-" + "-".join(word for word in words if word)

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
    from normfree.study import judge
    from normfree.study.opened import opened
    from normfree.study.summary import summary

    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, 100)
    runs_dir, reports_dir = Path(keys.runs_dir), Path(keys.reports_dir)
    if keys.write:
        refuse_to_overwrite(Path(keys.write))
    # Who names a folder of runs asks for those, and not for a report's rows.
    kept = reports_dir if keys.runs_dir == ReportKeys.runs_dir else None
    study = opened(keys.experiment, keys.experiment_folders, runs_dir, kept, keys.choice)
    if study.collection.is_stored:
        console.print(f"from the rows stored in {study.collection.directory}; no runs are in {runs_dir}", markup=False)
    verdicts = judge(study.experiment, study.tested)
    with console.status("drawing"):
        from normfree.report.build import differences, first_lines, render, write

        files = render(study, verdicts, keys.size)
    target = reports_dir / f"{study.experiment.name}{keys.suffix(study)}"
    if keys.check:
        found = differences(files, target)
        said = [f"{target} differs in: {', '.join(found)}", *first_lines(files, target, found)]
        if not found:
            said = [
                f"{target} is what the {'rows' if study.collection.is_stored else 'runs'} give (figures are left out)"
            ]
        console.print("\n".join(said), markup=False, highlight=False, soft_wrap=True)
        return 1 if found else 0
    write(files, target)
    show(console, study, verdicts)
    for sentence in (*summary(study, verdicts), *study.notes):
        console.print(sentence, markup=False, highlight=False)
    if keys.write:
        from normfree.study.written import write_experiment

        console.print(write_experiment(Path(keys.write), study, keys.choice), markup=False, soft_wrap=True)
    console.print(str(target / "report.html"), soft_wrap=True, highlight=False, markup=False)
    return 0


def refuse_to_overwrite(path: Path) -> None:
    """Raises `UserError` where a file is in the way, or no folder for it is there but experiments/, which is made."""
    if path.exists():
        raise UserError(f"write={path}: is there already; give another name, or move it away")
    if not path.parent.is_dir() and path.parent != Path(EXPERIMENTS):
        raise UserError(f"write={path}: there is no folder {path.parent}; make it, or write to experiments/{path.name}")
