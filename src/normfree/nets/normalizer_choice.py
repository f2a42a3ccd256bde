"""What each normaliser gives beside what it costs, a row an arm: the table of docs/normalizers.md to choose by.

Joined from the committed rows of a study (`STUDY`), of a stress test (`STRESS`) and of ``bench.py prices`` (`PRICES`).
"""

from __future__ import annotations

import csv
import gzip
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

from normfree.nets.normalizer_measured import CHOSEN, NETWORK, OWN, SCREEN, failed, read_rows, stable_rates
from normfree.nets.normalizer_prices import TWIN, one_setting

TARGET_LOSS = 1.8
"""A training loss that most arms of the study reach and chance (2.3) is far from."""
_SMOOTHED = 5
"""Logged losses whose mean has to reach it."""
_DEPENDENCE = "batch_dependence.logits_batch_vs_single"
_INDEPENDENT = 1e-9
"""Of the largest logit, in float64: what differs by less does so by rounding."""

_HEAD = """\
## To choose by

Most accurate first: {model} on {data}, {epochs:g} epochs, each at the rate that a screen with one seed chose of the
same four for all ([the report](../{study}/report.md)). A loss is reached where the mean of {smoothed} logged ones is
at most {target:g} (median over the seeds). Time to it is the passes over the images times the time of a step; that,
bytes and memory are [multiples of BatchNorm's](#what-each-costs), and the steps of NF are without clipping.

![Accuracy over the time of a training step](../{figure})

| | accuracy (%) | n | failed, there and in the screen | stalled | rate | highest stable rate | \
epochs to a loss of {target:g} | time to it | training step | bytes moved | memory | an image depends on its batch |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|
"""


@dataclass(frozen=True)
class Choice:
    """One arm of the study at its own rate, with what is known of its network's cost.

    ``normalizer`` is `TWIN` for the NF networks. ``accuracy`` is mean, low and high in percent; ``None`` where a seed
    did not train. ``failed`` counts runs that diverged or did no better than guessing, in the arm and of its network
    in the screen. ``epochs`` to `TARGET_LOSS`, ``None`` where the middle seed does not reach it. ``price`` is median
    and quartiles of step, bytes and memory over BatchNorm's. ``depends``: an image on its batch; ``None`` where no run
    says.
    """

    title: str
    normalizer: str
    accuracy: tuple[float, float, float] | None
    n: int
    failed: tuple[str, ...]
    stalled: int
    rate: float
    stable: str
    epochs: float | None
    price: Mapping[str, tuple[float, float, float]]
    depends: bool | None


def choices(study: Path, stress: Path, prices: Sequence[Mapping[str, str]]) -> list[Choice]:
    """The arms of the study that stand at the rate chosen for them, most accurate first; none without its rows.

    Args:
        study: folder of a report with runs of the grids ``screen`` and ``confirm``.
        stress: rows of a stress test; what it has nothing of is left empty.
        prices: rows of ``bench.py prices``, likewise.

    Raises:
        KeyError: rows of another kind.
    """
    if not (study / "runs.csv").exists():
        return []
    every = read_rows(study / "runs.csv")
    arms = {row["arm_id"]: row for row in read_rows(study / "arms.csv")}
    reached = _steps_to(study / "curves.csv.gz")
    stable = stable_rates(stress)
    costs = _prices(prices)
    found = []
    for series in dict.fromkeys(row["series"] for row in every):
        own = [row for row in every if row["series"] == series]
        chosen = [row for row in own if CHOSEN in row["grids"].split(";")]
        if not chosen:
            continue
        screened = [row for row in own if SCREEN in row["grids"].split(";")]
        first, arm = chosen[0], arms[chosen[0]["arm_id"]]
        name = first["model.normalizer"] if first["model.name"] == NETWORK else TWIN
        plain = name != TWIN and not first["model.ghost_batch"]
        steps = median(reached.get(row["run_id"], math.inf) for row in chosen)
        known = [float(row[_DEPENDENCE]) for row in chosen if row[_DEPENDENCE]]
        found.append(
            Choice(
                title=series,
                normalizer=name,
                accuracy=_accuracy(arm),
                n=len(chosen),
                failed=tuple(failed(rows) for rows in (chosen, screened) if rows),
                stalled=sum(row["stalled"] == "True" for row in chosen),
                rate=float(first["lr"]),
                stable=stable.get(name, "").partition(",")[0] if plain else "",
                epochs=steps * float(first["epochs"]) / float(first["steps"]) if math.isfinite(steps) else None,
                price=costs.get(name, {}) if plain or name == TWIN else {},
                depends=max(known) > _INDEPENDENT if known else None,
            )
        )
    return sorted(found, key=lambda one: one.accuracy or (-1.0, 0.0, 0.0), reverse=True)


def choice_table(study: Path, stress: Path, prices: Path, shown_study: Path, figure: Path) -> str:
    """The section with a line an arm; empty where `study` has no rows.

    Args:
        shown_study, figure: how the page names the study and the figure, from the root of the repository.
    """
    found = choices(study, stress, read_rows(prices) if prices.exists() else [])
    if not found:
        return ""
    run = next(row for row in read_rows(study / "runs.csv") if CHOSEN in row["grids"].split(";"))
    head = _HEAD.format(
        model=NETWORK, data=run["data.label"], epochs=float(run["epochs"]), study=shown_study, figure=figure,
        target=TARGET_LOSS, smoothed=_SMOOTHED,
    )  # fmt: skip
    base = next((one for one in found if one.normalizer == OWN and one.price), None)
    return head + "\n".join(f"| {' | '.join(_line(one, base))} |" for one in found) + "\n"


def _line(one: Choice, base: Choice | None) -> Iterable[str]:
    yield one.title
    yield "{:.1f} [{:.1f}, {:.1f}]".format(*one.accuracy) if one.accuracy else "no mean"
    yield str(one.n)
    yield ", ".join(one.failed)
    yield str(one.stalled)
    yield f"{one.rate:g}"
    yield one.stable
    yield "not reached" if one.epochs is None else f"{one.epochs:.2f}"
    times = one.epochs / base.epochs if one.epochs and base and base.epochs else None
    yield f"{times * one.price['train'][0]:.2f}" if times and "train" in one.price else ""
    for what in ("train", "traffic", "memory"):
        yield f"{one.price[what][0]:.2f}" if what in one.price else ""
    yield "" if one.depends is None else "yes" if one.depends else "no"


def _accuracy(arm: Mapping[str, str]) -> tuple[float, float, float] | None:
    if not arm["test/accuracy/mean"]:
        return None
    mean, low, high = (100 * float(arm[f"test/accuracy/{name}"] or "nan") for name in ("mean", "low", "high"))
    return mean, low, high


def _prices(rows: Sequence[Mapping[str, str]]) -> dict[str, dict[str, tuple[float, float, float]]]:
    found: dict[str, dict[str, tuple[float, float, float]]] = {}
    for (name, what), row in one_setting(rows, NETWORK).items():
        found.setdefault(name, {})[what] = float(row["price"]), float(row["price_low"]), float(row["price_high"])
    return found


def _steps_to(curves: Path) -> dict[str, float]:
    """By run the step at which its training loss has come to `TARGET_LOSS`, of those in which it does."""
    if not curves.exists():
        return {}
    losses: dict[str, list[tuple[int, float]]] = {}
    with gzip.open(curves, "rt", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["column"] == "train/loss":
                losses.setdefault(row["run_id"], []).append((int(row["step"]), float(row["value"] or "nan")))
    found = {}
    for run, logged in losses.items():
        for end in range(_SMOOTHED, len(logged) + 1):
            if fmean(value for _, value in logged[end - _SMOOTHED : end]) <= TARGET_LOSS:
                found[run] = float(logged[end - 1][0])
                break
    return found
