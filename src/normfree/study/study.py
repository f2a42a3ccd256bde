"""An experiment and its runs, with what figures, tables and the page share: worked out once, when first asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from normfree.config.errors import UserError
from normfree.study.arms import BEST_OF, Arm, Value, arm_of, best_by_validation
from normfree.study.collect import Collection
from normfree.study.experiment import Experiment, Panel, Series
from normfree.study.factor_names import column_of
from normfree.study.measures import ACCURACY, Measure, measure_of
from normfree.study.select import known_factor, select
from normfree.study.trials import TRIALS_LABEL, trial_runs
from normfree.study.varying import natural, numbers_of

_FACTORS = (
    "batch.global",
    "batch.norm_batch",
    "lr",
    "steps",
    "precision",
    "model.name",
    "clip.label",
    "data.name",
)
SETTINGS = ("batch.global", "batch.norm_batch", "lr", "precision", "steps")
"""Factors that tell the arms of a series apart, in tables and sentences, where they vary."""
_ORDER = ("data.name", "model.name", "clip.label", "batch.global", "batch.norm_batch", "lr")


@dataclass(frozen=True, eq=False)
class Study:
    """What a report is made of; it does not change, and remembers every answer. `notes` are said with its threats."""

    experiment: Experiment
    collection: Collection
    notes: tuple[str, ...] = ()
    clips_read: dict[str, str] = field(default_factory=dict, repr=False)
    remembered: dict[str, Any] = field(default_factory=dict, repr=False)
    _known: dict[Any, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def series(self) -> tuple[Series, ...]:
        """The declared series, or one for each network, normaliser and clipping found where the file declares none."""
        if self.experiment.series:
            return self.experiment.series
        names = ["model.name", "clip.label"]
        if len(self._of_several_normalizers):
            names.insert(1, "model.normalizer")
        rows = self.collection.table[names].dropna().drop_duplicates().sort_values(names)
        return tuple(
            Series("/".join(row), self._label(row), dict(zip(names, row, strict=True)))
            for row in rows.itertuples(index=False, name=None)
        )

    @cached_property
    def _of_several_normalizers(self) -> frozenset[str]:
        """Networks that were trained with more than one normaliser, by which their labels tell them apart."""
        counts = self.collection.table.groupby("model.name")["model.normalizer"].nunique()
        return frozenset(counts[counts > 1].index)

    def _label(self, words: Sequence[Any]) -> str:
        """Network, normaliser where the network has several, and clipping; what is not known is left out."""
        model, *others = words
        told = others if len(others) == 1 or model in self._of_several_normalizers else others[1:]
        return ", ".join(word for word in (model, *told) if isinstance(word, str))

    @cached_property
    def table(self) -> pd.DataFrame:
        """The collected table with a column `series`: the label of the first series that a run's arm belongs to, or its
        network and clipping.
        """
        table = self.collection.table.copy()
        first = table.drop_duplicates("arm_id")
        labels: dict[Any, str] = {}
        for one in self.series:
            for arm in select(first, one.where, _where_of(one))["arm_id"]:
                labels.setdefault(arm, one.label)
        names = zip(first["arm_id"], first["model.name"], first["model.normalizer"], first["clip.label"], strict=True)
        for arm, *words in names:
            labels.setdefault(arm, self._label(words))
        table["series"] = table["arm_id"].map(labels).astype(object)
        table.loc[self._of_trials, "series"] = TRIALS_LABEL
        return table

    @cached_property
    def _of_trials(self) -> pd.Series:
        """Which runs are trials of a search and nothing else: they chose what others test, and are in no mean."""
        return trial_runs(self.collection.table, self.collection.files)

    @cached_property
    def tested(self) -> pd.DataFrame:
        """The collected table without the trials of a search."""
        return self.collection.table[~self._of_trials]

    @cached_property
    def varying_settings(self) -> tuple[str, ...]:
        """Those of `SETTINGS` in which runs differ, the group of BatchNorm's statistics only where it is no batch; then
        what else is along the axis of a panel and differs within a series."""
        batch, statistics = self.by_seed["batch.global"], self.by_seed["batch.norm_batch"]
        told = (statistics.isna() | (statistics == batch)).all()
        names = [name for name in SETTINGS if not (told and name == "batch.norm_batch")]
        varying = [name for name in names if self.by_seed[name].nunique(dropna=False) > 1]
        return (*varying, *(name for name in self._axes if self._differs_within(name)))

    @property
    def _axes(self) -> tuple[str, ...]:
        """The factors along the axes of panels that are none of `SETTINGS`."""
        asked = dict.fromkeys(column_of(str(panel.options.get("x"))) for panel in self.experiment.panels)
        return tuple(name for name in asked if name not in SETTINGS and name in self.by_seed)

    def _differs_within(self, name: str) -> bool:
        return bool((self.by_seed.groupby("series")[name].nunique(dropna=False) > 1).any())

    @cached_property
    def by_seed(self) -> pd.DataFrame:
        """The same in the order in which runs are shown: by seed, then by name; without the trials of a search."""
        return self.table[~self._of_trials].sort_values(["seed", "run_id"], ignore_index=True)

    @cached_property
    def _runs_of_arms(self) -> dict[str, NDArray[np.intp]]:
        return {str(arm): np.asarray(rows) for arm, rows in self.by_seed.groupby("arm_id", sort=True).indices.items()}

    def arms(self, measure: Measure = ACCURACY) -> list[Arm]:
        """All arms, in order of their factors."""
        if ("arms", measure) not in self._known:
            found = [self._whole(arm, measure) for arm in self._runs_of_arms]
            keys = {arm.arm_id: [_sortable(arm.first(name)) for name in (*_ORDER, "arm_id")] for arm in found}
            self._known["arms", measure] = sorted(found, key=lambda arm: keys[arm.arm_id])
        arms: list[Arm] = self._known["arms", measure]
        return arms

    def measure(self, panel: Panel) -> Measure:
        """What a panel shows of its runs: its key `measure`, else the test accuracy.

        Raises:
            UserError: the runs have no such number.
        """
        name = panel.options.get("measure", ACCURACY.name)
        return measure_of(name, self.collection.table, f"experiment.panels.{panel.name}.measure")

    def runs(self, panel: Panel, series: Series) -> pd.DataFrame:
        """The runs of one series in a panel, by seed."""
        key = ("runs", panel.name, series.name)
        if key not in self._known:
            place = f"experiment.panels.{panel.name}"
            if ("panel", panel.name) not in self._known:
                self._known["panel", panel.name] = select(self.by_seed, panel.where, f"{place}.where")
            self._known[key] = select(self._known["panel", panel.name], series.where, _where_of(series))
        runs: pd.DataFrame = self._known[key]
        return runs

    def rung(self, panel: Panel, series: Series) -> Arm | None:
        """The one arm of a series in a panel; none where it has no runs.

        Raises:
            UserError: it has several.
        """
        runs = self.runs(panel, series)
        arms = runs["arm_id"].nunique()
        if arms > 1:
            raise UserError(
                f"experiment.panels.{panel.name}: a rung of a ladder is one arm, and series '{series.name}' has "
                f"{arms}; fix it in `where`"
            )
        return arm_of(runs, self.experiment.level, self.measure(panel)) if arms else None

    def series_of(self, panel: Panel) -> tuple[Series, ...]:
        """The series of a panel in the order in which it names them; all where it names none."""
        if not panel.series:
            return self.series
        named = {one.name: one for one in self.series}
        return tuple(named[name] for name in panel.series if name in named)

    def along(self, panel: Panel, series: Series) -> dict[Value, Arm]:
        """The arms of one series by the panel's factor `x`, ascending; None for 'has no such value', last.

        Raises:
            UserError: if a value of `x` is shared by several arms, naming the factors in which they differ.
        """
        key = ("along", panel.name, series.name)
        if key not in self._known:
            self._known[key] = self._along(panel, series, str(panel.options.get("x")))
        found: dict[Value, Arm] = self._known[key]
        return found

    def _along(self, panel: Panel, series: Series, x: str) -> dict[Value, Arm]:
        place, measure, runs = f"experiment.panels.{panel.name}", self.measure(panel), self.runs(panel, series)
        x = known_factor(self.collection.table, x, f"{place}.x")
        found: dict[Value, Arm] = {}
        for value, rows in places_of(runs[x], bool(numbers_of(self.collection.table[x]))).items():
            shown = f"{value:g}" if isinstance(value, float) else value
            at = f"at {x}={shown}" if value is not None else f"without {x}"
            told = f"{place}: series '{series.name}' {at}"
            rows = self._best(runs, rows, panel, told)
            found[value] = self._single(runs, rows, told, measure, str(panel.options.get(BEST_OF)))
        return found

    def _best(self, runs: pd.DataFrame, rows: NDArray[np.intp], panel: Panel, place: str) -> NDArray[np.intp]:
        """Of arms that differ in the panel's `best_of` the one that validation chooses."""
        factor = panel.options.get(BEST_OF)
        if factor is None:
            return rows
        where = f"experiment.panels.{panel.name}.{BEST_OF}"
        factor = known_factor(self.collection.table, str(factor), where)
        if factor == known_factor(self.collection.table, str(panel.options.get("x")), f"{where}: x"):
            raise UserError(f"{where}={panel.options[BEST_OF]}: is x too; name the factor to choose along")
        here = runs.iloc[rows]
        arms: list[NDArray[np.intp]] = [rows[(here["arm_id"] == name).to_numpy()] for name in here["arm_id"].unique()]
        if len(arms) > len({str(runs[factor].iloc[arm[0]]) for arm in arms}):
            return rows  # they differ in something else, which is told where they are drawn
        return arms[best_by_validation([runs.iloc[arm] for arm in arms], place)]

    def crossed(self, panel: Panel, series: Sequence[Series], x: str, y: str) -> dict[tuple[float, float], Arm]:
        """The arms of several series together by two factors `(x, y)`; runs without a number for both are left out.

        Raises:
            UserError: as `along`, if a pair of values is shared by several arms.
        """
        place, measure = f"experiment.panels.{panel.name}", self.measure(panel)
        runs = pd.concat([self.runs(panel, one) for one in series])
        runs = runs[~runs.index.duplicated()].sort_index()
        x, y = (known_factor(runs, factor, f"{place}.{name}") for name, factor in (("x", x), ("y", y)))
        values = runs[[x, y]].apply(pd.to_numeric, errors="coerce").to_numpy(float)
        pairs = np.unique(values[~np.isnan(values).any(1)], axis=0)
        if len(runs) and not len(pairs):
            raise UserError(f"{place}: no run has a number for both {x} and {y}; name factors that have numbers")
        found = {}
        for pair in pairs:
            rows = np.flatnonzero((values == pair).all(1))
            found[float(pair[0]), float(pair[1])] = self._single(
                runs, rows, f"{place}: {x}={pair[0]:g}, {y}={pair[1]:g}", measure
            )
        return found

    def _single(
        self, runs: pd.DataFrame, rows: NDArray[np.intp], place: str, measure: Measure, best_of: str = ""
    ) -> Arm:
        """The arm of these rows. A choice among the values of `best_of` is no fault of theirs."""
        names_of_arms = set(runs["arm_id"].to_numpy()[rows])
        if len(names_of_arms) > 1:
            several = runs.iloc[rows]
            names = dict.fromkeys([*_FACTORS, *self.collection.factors])
            chosen = column_of(best_of)
            differing = [name for name in names if name != chosen and several[name].nunique(dropna=False) > 1]
            versions = {
                name: ", ".join(sorted(map(str, several[name].dropna().unique())))
                for name in differing
                if name.endswith(".source")
            }
            named = ", ".join(f"{name} ({versions[name]})" if name in versions else name for name in differing)
            remedy = "fix it in `where`" + (", or sweep all of it again with the code as it is now" if versions else "")
            raise UserError(
                f"{place} mixes {len(names_of_arms)} arms that differ in "
                f"{named or 'a factor that results do not record'}; {remedy}"
            )
        (arm_id,) = names_of_arms
        if len(rows) == len(self._runs_of_arms[arm_id]):
            return self._whole(arm_id, measure)
        return arm_of(runs.iloc[rows], self.experiment.level, measure)

    def _whole(self, arm_id: str, measure: Measure) -> Arm:
        key = ("arm", arm_id, measure)
        if key not in self._known:
            runs = self.by_seed.iloc[self._runs_of_arms[arm_id]]
            self._known[key] = arm_of(runs, self.experiment.level, measure)
        arm: Arm = self._known[key]
        return arm

    def curve(self, run_id: str, column: str, most: int) -> NDArray[np.float64] | None:
        """`Collection.curve` to six digits, as it is stored with a report; read once."""
        key = ("curve", run_id, column, most)
        if key not in self._known:
            found = self.collection.curve(run_id, column, most)
            if found is not None and not self.collection.is_stored:
                found = np.column_stack([found[:, 0], [float(f"{value:.6g}") for value in found[:, 1]]])
            self._known[key] = found
        points: NDArray[np.float64] | None = self._known[key]
        return points

    def curves_read(self) -> dict[tuple[str, str, int], NDArray[np.float64]]:
        """All that were asked for and found, by run, column and how many points were asked for."""
        return {
            (key[1], key[2], key[3]): points
            for key, points in self._known.items()
            if key[0] == "curve" and points is not None and len(points)
        }


def places_of(column: pd.Series, numeric: bool | None = None) -> dict[Value, NDArray[np.intp]]:
    """Rows of each value: ascending numbers, or names in their natural order; those without one last, under None."""
    found: dict[Value, NDArray[np.intp]] = {}
    numeric = bool(numbers_of(column)) if numeric is None else numeric
    if numeric or column.isna().all():
        values = pd.to_numeric(column, errors="coerce").to_numpy(float)
        blank = np.isnan(values)
        found |= {float(value): np.flatnonzero(values == value) for value in np.unique(values[~blank])}
    else:
        given = column.notna()
        texts = np.array([str(value) if here else None for value, here in zip(column, given, strict=True)], object)
        blank = np.array([text is None for text in texts])
        found |= {name: np.flatnonzero(texts == name) for name in sorted(set(texts[~blank]), key=natural)}
    if blank.any():
        found[None] = np.flatnonzero(blank)
    return found


def _where_of(series: Series) -> str:
    return f"experiment.series.{series.name}.where"


def _sortable(value: object) -> tuple[int, float, str]:
    if isinstance(value, int | float) and value == value:
        return (0, float(value), "")
    return (1, 0.0, value) if isinstance(value, str) else (2, 0.0, "")
