"""The NFNet paper's ratios of training latencies beside those that were measured.

Source: Brock et al. 2021 (arXiv 2102.06171), tables 2, 3 and 6, 32 images a device; see `normfree.nets.published`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from normfree.bench.selection import Row, fastest, number_of, setting, training_rows
from normfree.nets.published import PUBLISHED

PAIRS = (("efficientnet_b7", "nfnet_f1"), *((f"bn_nfnet_f{level}", f"nfnet_f{level}") for level in range(4)))
"""The slower network in the paper, and the faster one."""


@dataclass(frozen=True)
class Ratio:
    """How many times as long a training step of `slower` takes as one of `faster`.

    Attributes:
        value: each at its fastest; None where one has no number.
        how: the two settings and the least and largest ratio in the same setting, or what is missing.
        paper: of the paper, by its device.
    """

    slower: str
    faster: str
    value: float | None
    how: str
    paper: dict[str, float]

    @property
    def published(self) -> str:
        return ", ".join(f"{value:.3g} on {device}" for device, value in self.paper.items())


def ratios_of(rows: Sequence[Row], device: str | None = None) -> list[Ratio]:
    """Every pair of `PAIRS`, from the rows of training steps that are there."""
    rows = training_rows(rows, device)
    best = {row["model"]: row for row in fastest(rows)}
    found = []
    for slower, faster in PAIRS:
        paper = _paper(slower, faster)
        if slower not in best or faster not in best:
            lacking = "; ".join(_lacking(name, rows) for name in (slower, faster) if name not in best)
            found.append(Ratio(slower, faster, None, lacking, paper))
            continue
        value = float(best[slower]["value"]) / float(best[faster]["value"])
        chosen = [setting(best[name]) for name in (slower, faster)]
        how = chosen[0] if chosen[0] == chosen[1] else " over ".join(chosen)
        same = _in_same_setting(rows, slower, faster)
        if len(same) > 1:
            how += f"; in the same setting {min(same):.2f} to {max(same):.2f}"
        found.append(Ratio(slower, faster, value, how, paper))
    return found


def ratio_lines(rows: Sequence[Row], device: str | None = None) -> list[str]:
    """What the command prints of them."""
    lines = []
    for each in ratios_of(rows, device):
        value = "not measured" if each.value is None else f"{each.value:.2f}"
        lines.append(f"{each.slower} over {each.faster}: {value} ({each.how}); paper {each.published}")
    return lines


def ratio_table(rows: Sequence[Row]) -> list[list[str]]:
    """The same as lines of a table; none without rows of training steps."""
    if not training_rows(rows):
        return []
    return [
        [
            f"{each.slower} over {each.faster}",
            "not measured" if each.value is None else f"{each.value:.2f}",
            each.how,
            each.published,
        ]
        for each in ratios_of(rows)
    ]


def _paper(slower: str, faster: str) -> dict[str, float]:
    over, under = PUBLISHED[slower][0], PUBLISHED[faster][0]
    devices = {"TPUv3": (over.tpu_ms, under.tpu_ms), "V100": (over.gpu_ms, under.gpu_ms)}
    return {device: high / low for device, (high, low) in devices.items() if high and low}


def _in_same_setting(rows: Sequence[Row], slower: str, faster: str) -> list[float]:
    times = {(row["model"], setting(row)): number_of(row) for row in rows}
    pairs = [(value, times.get((faster, how))) for (name, how), value in times.items() if name == slower]
    return [over / under for over, under in pairs if over and under]


def _lacking(name: str, rows: Sequence[Row]) -> str:
    reasons = list(dict.fromkeys(row["reason"] for row in rows if row["model"] == name))
    return f"{name}: {reasons[0] if reasons else 'no row'}"
