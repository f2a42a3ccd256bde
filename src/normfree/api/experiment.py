"""The runs of an experiment as a table, and its report as figures and tables."""

from __future__ import annotations

import html
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from normfree.api.mistakes import in_one_line
from normfree.config import UserError
from normfree.config.errors import nearest
from normfree.config.places import EXPERIMENT, Places
from normfree.report.garbage import rarely_collected

_KEYS_OF_COLLECTING = ("overrides", "grids")


def find_runs(experiment: str, runs_dir: str | Path = "runs") -> pd.DataFrame:
    """A row for every run that is planned or there: outcome (``status``), factors, measurements, and its ``path``.

    The columns are those of a report's ``runs.csv``. Runs without a result are among them, as ``missing``,
    ``incomplete`` or ``damaged``.

    Raises:
        UserError: there are no runs of this name.
    """
    from normfree.config.names import check_name
    from normfree.study import collect

    check_name("experiment", experiment)
    _there(experiment, Path(runs_dir))
    with in_one_line():
        found = collect(experiment, Path(runs_dir))
    table = found.table.drop(columns=[name for name in _KEYS_OF_COLLECTING if name in found.table])
    table = table.infer_objects().copy()
    table["path"] = [str(found.directory / run) for run in table["run_id"]]
    return table


@dataclass(frozen=True)
class Figure:
    """A figure of a report; a notebook shows it.

    Attributes:
        files: its bytes by kind: ``png``, ``pdf`` and ``svg``.
    """

    name: str
    title: str
    files: Mapping[str, bytes] = field(repr=False)

    def _repr_png_(self) -> bytes:
        return self.files["png"]


@dataclass(frozen=True)
class Report:
    """A report; a notebook shows the whole page.

    Attributes:
        figures: by name, ``main`` first.
        tables: ``runs``, ``arms``, ``series`` and ``failures``.
        verdicts: a row a claim: claim, verdict, sentence, p.
        html: the page, which needs no other file.
    """

    name: str
    question: str
    figures: Mapping[str, Figure] = field(repr=False)
    tables: Mapping[str, pd.DataFrame] = field(repr=False)
    verdicts: pd.DataFrame = field(repr=False)
    html: str = field(repr=False)

    def _repr_html_(self) -> str:
        page = html.escape(self.html, quote=True)
        return f'<iframe srcdoc="{page}" style="width:100%;height:80vh;border:0" sandbox></iframe>'


@rarely_collected()
def report(experiment: str, runs_dir: str | Path = "runs", experiments_dir: str | Path = "experiments") -> Report:
    """What ``python report.py experiment=...`` writes, as objects; writes nothing.

    Raises:
        UserError: there is no such experiment, or it has no runs.
    """
    from normfree.config.experiment_sizes import file_of
    from normfree.config.names import check_name
    from normfree.report.build import render
    from normfree.report.command import ReportKeys
    from normfree.study import judge
    from normfree.study.opened import opened

    check_name("experiment", experiment)
    folders = ReportKeys(experiments_dir=str(experiments_dir)).experiment_folders
    if file_of(experiment, folders) is None and not (Path(runs_dir) / experiment).is_dir():
        known = sorted({file.stem for folder in folders for file in folder.glob("*.yaml")})
        raise UserError(
            f"experiment={experiment}: no such experiment{nearest(experiment, known)}; there are: {', '.join(known)}; "
            "give another experiments_dir"
        )
    with in_one_line():
        study = opened(experiment, folders, Path(runs_dir))
        question = study.experiment
        verdicts = judge(question, study.tested)
        files = render(study, verdicts)
    titles = {panel.name: panel.title for panel in question.panels}
    names = [name.removeprefix("figures/").removesuffix(".png") for name in files if name.endswith(".png")]
    rows = [(one.claim.claim, one.verdict, one.sentence, one.p) for one in verdicts]
    return Report(
        name=experiment,
        question=question.question,
        figures={
            name: Figure(
                name,
                titles.get(name, "Main figure"),
                {kind: files[f"figures/{name}.{kind}"] for kind in ("png", "pdf", "svg")},
            )
            for name in names
        },
        tables={name.removesuffix(".csv"): _read(content) for name, content in files.items() if name.endswith(".csv")},
        verdicts=pd.DataFrame(rows, columns=["claim", "verdict", "sentence", "p"]),
        html=files["report.html"].decode("utf-8"),
    )


def _there(experiment: str, runs_dir: Path) -> None:
    """Whether there is a folder of the experiment's runs, or an experiment to make them with.

    Raises:
        UserError: neither.
    """
    if (runs_dir / experiment).is_dir() or experiment in Places.of().options(EXPERIMENT):
        return
    there = sorted(path.name for path in runs_dir.glob("[!._]*") if path.is_dir())
    known = f"there are: {', '.join(there)}" if there else "api.run and api.sweep make some"
    raise UserError(f"experiment={experiment}: no runs in {runs_dir}{nearest(experiment, there)}; {known}")


def _read(content: bytes) -> pd.DataFrame:
    try:
        return pd.read_csv(io.BytesIO(content))
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
