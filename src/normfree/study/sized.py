"""What of an experiment's report a size of it can show: claims, panels and series that it lacks are left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from normfree.study.claims._sides import sides
from normfree.study.experiment import Claim, Experiment, Panel
from normfree.study.select import select


def fitted(experiment: Experiment, table: pd.DataFrame) -> Experiment:
    """The experiment without the claims, panels and series that no planned run of its size belongs to, which a further
    threat names; as it is in its usual size.

    Args:
        table: the planned runs, as collected.
    """
    if not experiment.size:
        return experiment
    gone = {
        "claims": {one.name for one in experiment.claims if not _of_claim(one, experiment, table)},
        "panels": {one.name for one in experiment.panels if not _of_panel(one, experiment, table)},
        "series": {one.name for one in experiment.series if select(table, one.where).empty},
    }
    parts = [f"the {kind} {', '.join(sorted(names))}" for kind, names in gone.items() if names]
    if not parts:
        return experiment
    word = f"Left out, as size={experiment.size} has none of their runs: {' and '.join(parts)}."
    left = tuple(
        replace(panel, series=tuple(name for name in panel.series if name not in gone["series"]))
        for panel in experiment.panels
        if panel.name not in gone["panels"]
    )
    figure = tuple(name for name in experiment.figure if name not in gone["panels"])
    return replace(
        experiment,
        series=tuple(one for one in experiment.series if one.name not in gone["series"]),
        claims=tuple(claim for claim in experiment.claims if claim.name not in gone["claims"]),
        panels=left,
        figure=figure or tuple(panel.name for panel in left[:4]),
        threats=(*experiment.threats, word),
    )


def _of_claim(claim: Claim, experiment: Experiment, table: pd.DataFrame) -> bool:
    """Whether both of its sides have runs, or all that it is about where it has none."""
    if "a" in claim.options:
        return all(len(runs) for _, runs in sides(claim, experiment, table))
    where = claim.options.get("where") or {}
    return not isinstance(where, Mapping) or len(select(table, where)) > 0


def _of_panel(panel: Panel, experiment: Experiment, table: pd.DataFrame) -> bool:
    runs = select(table, panel.where, f"experiment.panels.{panel.name}.where")
    chosen = [one for one in experiment.series if one.name in panel.series]
    return len(runs) > 0 and (not chosen or any(len(select(runs, one.where)) for one in chosen))
