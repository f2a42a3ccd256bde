"""The learning rate that validates best, of each arm of a screen: ``choose_rates.py EXPERIMENT [RUNS_DIR]``.

A screen is the grid called ``screen`` of an experiment: rates, and one seed or more. The rule by which the studies of
this repository choose: of the rates at which every seed finished, the one with the highest mean accuracy on the
validation images. Test images have no part in it.
"""

import sys

import pandas as pd

from normfree import api

ACCURACY = "validation/accuracy"
FIRST = ["model.name", "model.normalizer", "optimizer.name", "clip.name", "batch.global"]
GROUPS = ("model.", "optimizer.", "clip.", "private.", "attack.", "augment.", "batch.", "data.")
OF_THE_RATE = ("optimizer.base_lr",)


def factors_of(runs: pd.DataFrame) -> list[str]:
    """The keys that tell the arms of a screen apart, as few as do."""
    keys = [*FIRST, *(name for name in runs if name.startswith(GROUPS) and name not in (*FIRST, *OF_THE_RATE))]
    found: list[str] = []
    for name in keys:
        if name in runs and len(runs.groupby([*found, name], dropna=False)) > len(
            runs.groupby(found or "_", dropna=False)
        ):
            found.append(name)
    return found


def chosen(runs: pd.DataFrame) -> pd.DataFrame:
    """A row an arm: its factors, how many rates were tried and finished, the rate that was best, and its accuracy."""
    factors = factors_of(runs.assign(_=0))
    rows = []
    for values, arm in runs.groupby(factors, dropna=False) if factors else [((), runs)]:
        rates = arm.groupby("lr").agg(
            finished=("status", lambda found: (found == "finished").all()), score=(ACCURACY, "mean")
        )
        finished = rates[rates["finished"] & rates["score"].notna()]
        best = finished["score"].idxmax() if len(finished) else float("nan")
        score = finished["score"].max() if len(finished) else float("nan")
        edge = "" if not len(finished) or rates.index.min() < best < rates.index.max() else "at the edge"
        rows.append(
            {**dict(zip(factors, values, strict=True)), "rates": len(rates), "finished": len(finished), "lr": best,
             "accuracy": score, "note": edge}
        )  # fmt: skip
    return pd.DataFrame(rows)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("choose_rates: give an experiment, and where its runs are if not in runs/")
    runs = api.find_runs(*sys.argv[1:])
    screen = runs[runs["grids"].map(lambda grids: "screen" in str(grids))] if "grids" in runs else runs
    if not len(screen):
        sys.exit(f"choose_rates: {sys.argv[1]} has no runs of a grid called screen")
    print(chosen(screen).to_string(index=False))
