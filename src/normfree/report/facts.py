"""What a reader needs beside the figures: what was run, what it cost, on what, and what limits the
conclusions.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pandas as pd

from normfree.config.errors import UserError
from normfree.host.wording import counted
from normfree.report.grid import Grid, duration, grid, measured, number, some
from normfree.report.provenance import changed_runs
from normfree.report.tables import series_table
from normfree.runs import TERMINAL, RunDirectory
from normfree.runs.same_bits import same_rows
from normfree.study import OUTCOMES, Arm, Collection, Study, count
from normfree.study.arms import VALIDATION, best_by_validation
from normfree.study.factor_names import head_of_factor
from normfree.study.measures import ACCURACY
from normfree.study.threats import found_threats

_MOST_NAMED = 10
_OF_IMAGES = 0.01
"""From this uncertainty of an accuracy, by its test images alone, they are said to be few."""
_SAME = {"with the same rows, bit for bit": True, "with others": False, "with no result to compare": None}


def arms_grid(study: Study) -> Grid:
    """One row an arm; factors that never vary are left out."""
    varying = study.varying_settings
    order, rows, chosen = _labels(study), [], _chosen(study)
    for arm in study.arms():
        counts = arm.counts
        entries = [
            arm.first("series"),
            *(number(arm.first(name)) for name in varying),
            f"{counts.trained}/{counts.planned}",
            some(counts.diverged),
            some(counts.untrained),
            some(counts.open),
            measured(arm),
            _validation(arm) + (", chosen" if arm.arm_id in chosen else ""),
            some(counts.stalled),
        ]
        rows.append((entries, arm))
    heads = [("series", False), *((head_of_factor(name), True) for name in varying), ("trained", True)]
    heads += [("diverged", True), ("untrained", True), ("no outcome", True), (ACCURACY.axis, True)]
    heads += [("validation accuracy (%)", True), ("stalled", True)]
    ordered = sorted(rows, key=lambda row: order.index(row[0][0]))
    links = tuple(anchor_of(arm) for _, arm in ordered)
    return replace(grid(heads, [entries for entries, _ in ordered]).grouped(), links=links, linked=ACCURACY.axis)


def _validation(arm: Arm) -> str:
    """The mean over the seeds that trained; blank where one has none."""
    trained = arm.runs[arm.runs["status"] == "finished"]
    values = trained[VALIDATION] if VALIDATION in trained else pd.Series(dtype=float)
    return f"{100 * values.mean():.1f}" if len(values) and values.notna().all() else ""


def _chosen(study: Study) -> set[str]:
    """Of each series that has several arms, the one that validation chooses; none where a run has no such number."""
    found = set()
    for label in _labels(study):
        arms = [arm for arm in study.arms() if arm.first("series") == label]
        if len(arms) > 1 and any(map(_validation, arms)) and not any(arm.counts.open for arm in arms):
            try:
                found.add(arms[best_by_validation([arm.runs for arm in arms], label)].arm_id)
            except UserError:
                continue
    return found


def anchor_of(arm: Arm) -> str:
    """Where the page lists the runs of an arm."""
    return anchor_of_id(arm.arm_id)


def anchor_of_id(arm_id: str) -> str:
    """The same of an arm by its id."""
    return "arm-" + re.sub(r"[^0-9A-Za-z.]+", "-", arm_id).strip("-")


def series_grid(study: Study) -> Grid:
    """Counts of each series over a panel."""
    rows = [
        [
            row["panel"],
            row["series"],
            f"{row['arms_trained']}/{row['arms']}",
            f"{row['trained']}/{row['planned']}",
            *(some(row[name]) for name in ("diverged", "untrained", "open", "stalled")),
        ]
        for row in series_table(study).to_dict("records")
    ]
    heads = ["panel", "series", "arms with a mean", "trained", "diverged", "untrained", "no outcome", "stalled"]
    return grid([(name, i > 1) for i, name in enumerate(heads)], rows).grouped()


def failures_grid(failures: pd.DataFrame) -> Grid:
    """Planned runs and outcomes, zeros left blank."""
    heads = [("series", False), ("planned", True), *((name, True) for name in (*OUTCOMES, "stalled"))]
    rows = [[str(row["series"]), *(some(row[name]) for name, _ in heads[1:])] for row in failures.to_dict("records")]
    return grid(heads, rows)


def problems_grid(study: Study) -> Grid:
    """Every run that left no outcome or stopped with an error, with its reason."""
    table = study.table
    chosen = table[~table["status"].isin(TERMINAL)].sort_values("run_id")
    rows = [[str(row[name]) for name in ("run_id", "series", "status", "reason")] for _, row in chosen.iterrows()]
    return grid([("run", False), ("series", False), ("status", False), ("reason", False)], rows)


def networks_grid(study: Study) -> Grid:
    """What each series is: network, size, clipping, batch, learning rates, steps."""
    table = study.table
    rows = []
    for label in _labels(study):
        part = table[table["series"] == label]
        rows.append(
            [label]
            + [_values(part[name]) for name in ("model.name", "model.normalizer", "model.parameters", "model.macs")]
            + [_values(part[name]) for name in ("clip.label", "batch.global", "batch.norm_batch", "lr")]
            + [_values(part[name]) for name in ("steps", "precision", "data.label")]
            + [" / ".join(_values(part[name]) for name in ("data.train", "data.validation", "data.test"))]
        )
    heads = [
        "series",
        "model",
        "normaliser",
        "parameters",
        "MACs per image",
        "clipping",
        "batch",
        "norm_batch",
    ]
    heads += ["learning rates", "steps", "precision", "data", "images: training / validation / test"]
    return grid([(name, 2 < i < 5) for i, name in enumerate(heads)], rows)


def cost_grid(study: Study) -> Grid:
    """Median time of a run that took all its steps, and median throughput with its 10th and 90th percentiles."""
    table = study.table
    rows = []
    for label in _labels(study):
        whole = table["status"].isin(TERMINAL) & (table["steps_done"] == table["steps"])
        part = table[(table["series"] == label) & whole]
        seconds, rate = part["time.seconds"].dropna(), part["time.images_per_second"].dropna()
        if len(rate):
            low, middle, high = rate.quantile([0.1, 0.5, 0.9])
            spread = f"{low:.0f} to {high:.0f}"
            rows.append([label, str(len(rate)), f"{seconds.median():.1f}", f"{middle:.0f}", spread])
    heads = ["series", "runs with all steps", "seconds per run", "images per second", "10th to 90th percentile"]
    return grid([(name, i > 0) for i, name in enumerate(heads)], rows)


def total_time(collection: Collection) -> str:
    """Training time of all runs together, as recorded."""
    return duration(float(collection.table["time.seconds"].sum()))


def limits(study: Study) -> list[str]:
    """Threats to validity: those the experiment file states, and those the runs themselves show."""
    experiment, collection = study.experiment, study.collection
    table = collection.table
    found = [*experiment.threats, *study.notes, *found_threats(study)]
    seeds = int(study.by_seed.groupby("arm_id")["seed"].nunique().min()) if len(study.by_seed) else 0
    if 0 < seeds < 5:
        found.append(
            "Some arms have one seed, and no interval: what differs between them may be luck."
            if seeds == 1
            else f"Arms have as few as {seeds} seeds; intervals from so few runs are wide and lean on normality."
        )
    found += _few_images(table)
    counts = count(table)
    if counts.open:
        found.append(f"{counts.open} of {counts.planned} planned runs have no outcome; claims about them stay open.")
    if "data.digest" in table:
        digests = table[table["data.digest"].fillna("").astype(str) != ""].groupby("arm_id")["data.digest"]
        for arm, several in digests.unique().items():
            if len(several) > 1:
                found.append(f"The runs of arm {arm} read different images (digests {', '.join(sorted(several))}).")
    found += _left_out(study)
    recorded = table[table["provenance.torch"].notna()]
    for name in ("commit", "torch", "device", "threads"):
        values = recorded[f"provenance.{name}"]
        # What is not known is not known to be the same.
        different = values.dropna().nunique() + (int(values.isna().sum()) if name == "commit" else 0)
        if different > 1:
            found.append(f"The runs come from {different} different values of {name}; see how they were made.")
    if unknown := int(recorded["provenance.commit"].isna().sum()):
        found.append(
            f"The commit of {counted(unknown, 'run')} is not known, which counts as different from every other."
        )
    if "resumed" in table:
        resumed = table[table["resumed"].fillna("").astype(str) != ""]
        found += [f"{row['run_id']} was {row['resumed']}." for _, row in resumed.head(_MOST_NAMED).iterrows()]
        if (more := len(resumed) - _MOST_NAMED) > 0:
            found.append(f"{more} more runs were resumed under other code, versions, threads or device.")
    if "lost_rows" in table:
        lost = table[table["lost_rows"].fillna("").astype(str) != ""]
        found += [f"The record of {row['run_id']} has a gap: {row['lost_rows']}." for _, row in lost.iterrows()]
    if changed := len(changed_runs(table)):
        found.append(
            f"{counted(changed, 'run')}, named under how each number was made, had a working tree with uncommitted "
            "changes, which are in the directory of the run and not published with this report."
        )
    if collection.unplanned:
        found.append(f"Not used, as no plan names them: {', '.join(collection.unplanned)}.")
    found += [f"{line}, as a later sweep planned them anew by the same words." for line in collection.earlier]
    found += repeats(collection)
    if collection.planned_by != "sweep.json":
        found.append(f"What was planned is known from {collection.planned_by}; missing runs would go unnoticed.")
    return found


def _few_images(table: pd.DataFrame) -> list[str]:
    """What a small test set leaves open, whatever the number of seeds."""
    if not {"data.test", ACCURACY.name} <= set(table.columns):
        return []
    trained = table[table["status"] == "finished"][["data.test", ACCURACY.name]].dropna()
    if trained.empty:
        return []
    images, share = float(trained["data.test"].min()), float(trained[ACCURACY.name].median())
    half = 1.96 * math.sqrt(share * (1 - share) / images)
    if half < _OF_IMAGES:
        return []
    return [
        f"Accuracies are of {images:.0f} test images: one of {100 * share:.0f} % is known to ±{100 * half:.1f} points "
        "(95 %) from these images alone. Intervals over seeds, all of them tested on the same images, do not show that."
    ]


def repeats(collection: Collection) -> list[str]:
    """What ``again=true`` trained: no more seeds, but a look at whether a run can be had again."""
    if collection.repeats is not None:
        return list(collection.repeats)
    found = {
        name: same_rows(*(RunDirectory(collection.directory / each) for each in (of, name)))
        for name, of in collection.repeated.items()
    }
    if not found:
        return []
    counts = {word: sum(value is same for value in found.values()) for word, same in _SAME.items()}
    parts = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    different = [name for name, same in found.items() if same is False]
    names = f" ({', '.join(different[:_MOST_NAMED])})" if different else ""
    return [f"Not used, as they repeat runs with the same seed: {counted(len(found), 'run')}; {parts}{names}."]


def _left_out(study: Study) -> list[str]:
    """Which arms have no mean, what stands beside the outcomes, and which finished runs are hardly better than
    guessing.
    """
    found = []
    table, every = study.collection.table, study.arms()
    failed = [arm for arm in every if arm.counts.untrained or arm.counts.diverged]
    if failed:
        counts = count(study.tested)
        found.append(
            f"{len(failed)} of {len(every)} arms have no mean and no interval, as {counts.diverged} of their runs "
            f"diverged and {counts.untrained} were untrained; no table or figure averages over the runs that are left, "
            "and claims about accuracies there are inconclusive."
        )
    stalled = int(table["stalled"].isin([True]).sum())
    if stalled:
        done = int((table["stalled"].isin([True]) & (table["status"] == "finished")).sum())
        found.append(
            f"{counted(stalled, 'run')} stalled (skip gains that hardly opened), {done} of which finished and are "
            "counted and averaged as any other: only normaliser-free networks can stall, and outcomes are the same for "
            "all."
        )
    share = table["chance.share"].fillna(1 / table["data.classes"])
    odd = table[(table["status"] == "finished") & (table[ACCURACY.name] <= 2 * share) & (table["data.classes"] > 4)]
    if len(odd):
        found.append(f"Finished, better than guessing but less than twice as accurate: {', '.join(odd['run_id'])}.")
    return found


def _labels(study: Study) -> list[str]:
    declared = [one.label for one in study.experiment.series]
    present = set(study.table["series"])
    return [label for label in declared if label in present] + sorted(present - set(declared))


def _values(column: pd.Series) -> str:
    found = column.dropna().unique()
    if pd.api.types.is_numeric_dtype(column):
        numbers = [number(float(value)) for value in sorted(found)]
        return ", ".join(numbers) if len(numbers) < 6 else f"{numbers[0]} to {numbers[-1]} ({len(numbers)})"
    return ", ".join(sorted(str(value) for value in found))
