"""An experiment and its runs, from what a command was told: its file or none, run directories or a stored report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from normfree.config.errors import UserError, nearest
from normfree.config.experiment_sizes import file_of
from normfree.config.names import check_name
from normfree.study.chosen import Choice, chosen, selected
from normfree.study.collect import Collection, collect
from normfree.study.derived import with_derived
from normfree.study.experiment import Experiment, load_experiment, parse_experiment
from normfree.study.series_by import unmatched, with_series
from normfree.study.sized import fitted
from normfree.study.stored import is_stored, stored
from normfree.study.study import Study


def opened(
    name: str,
    folders: Sequence[Path],
    runs_dir: Path,
    reports_dir: Path | None = None,
    choice: Choice | None = None,
) -> Study:
    """What a report is made of.

    Args:
        folders: where the experiment's file is looked for; without one, the runs say what to draw.
        reports_dir: where a stored report may stand in for run directories that are not here.
        choice: what to draw in place of the panels of a file.

    Raises:
        UserError: no runs, no usable file, or a choice that the runs cannot meet.
    """
    choice = choice or Choice()
    has_file = file_of(name, folders) is not None
    if not has_file and not (runs_dir / name).is_dir() and not _has_rows(reports_dir, name):
        raise _no_such(name, folders, runs_dir)
    experiment = load_experiment(name, *folders) if has_file else None
    collection = _runs(name, experiment, runs_dir, reports_dir)
    if experiment is None or choice:
        made = parse_experiment(chosen(name, collection.table, choice), name)
        experiment = replace(_of_choice(experiment, made), asked=choice.words)
        # The report is of these runs: its counts, tables and sentences too.
        collection = replace(collection, table=selected(collection.table, choice.where))
    experiment = fitted(with_series(experiment, collection.table), collection.table)
    collection = with_derived(experiment, collection)
    return Study(experiment, collection, tuple(unmatched(experiment, collection.table)))


def _no_such(name: str, folders: Sequence[Path], runs_dir: Path) -> UserError:
    """Neither runs nor a file are called so: what is."""
    check_name("experiment", name)
    own = sorted(path.name for path in runs_dir.iterdir() if path.is_dir()) if runs_dir.is_dir() else []
    files = sorted({file.stem for each in folders for file in each.glob("*.yaml")})
    there = [f"runs of {', '.join(own)} in {runs_dir}"] * bool(own) + [f"files of {', '.join(files)}"] * bool(files)
    listed = f"; there are {' and '.join(there)}" if there else f"; {runs_dir} has none"
    return UserError(f"experiment={name}: no runs and no file of it{nearest(name, [*own, *files])}{listed}")


def _has_rows(reports_dir: Path | None, name: str) -> bool:
    return reports_dir is not None and is_stored(reports_dir / name)


def _runs(name: str, experiment: Experiment | None, runs_dir: Path, reports_dir: Path | None) -> Collection:
    own = experiment.name if experiment is not None else name
    if reports_dir is not None and not (runs_dir / own).is_dir() and is_stored(reports_dir / own):
        return stored(reports_dir / own)
    command = experiment.command if experiment is not None else ""
    stores = f", or put the runs.csv of a stored report into {reports_dir / own}" if command and reports_dir else ""
    return collect(own, runs_dir, command + stores)


def _of_choice(file: Experiment | None, made: Experiment) -> Experiment:
    """The figure of a choice, under the question and the rules of the file where there is one."""
    if file is None:
        return made
    return replace(
        file, series=made.series, series_by=made.series_by, panels=made.panels, figure=made.figure, claims=()
    )
