"""Claims on the highest value that trains, of edges whose verdict is known."""

from typing import Any

import pandas as pd
import pytest

from normfree.config.errors import UserError
from normfree.study import judge
from normfree.study.experiment import parse_experiment

RATES = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)


def scans(side: str, edges: list[float], batch: int = 16, rates: tuple[float, ...] = RATES) -> list[dict[str, Any]]:
    """All rates of a scan a seed: those up to the edge train."""
    return [
        {
            "run_id": f"{side}-{batch}-{seed}-{rate}",
            "arm_id": f"{side}-{batch}-{rate}",
            "side": side,
            "seed": seed,
            "lr": rate,
            "overrides": f"batch={batch} lr={rate} model={side}",
            "status": "finished" if rate <= edge else "diverged",
            "test/accuracy": 0.9,
        }
        for seed, edge in enumerate(edges)
        for rate in rates
    ]


def verdict(rows: list[dict[str, Any]], **options: Any) -> tuple[str, str]:
    sides = {side: {"label": side.upper(), "where": {"side": side}} for side in "ab"}
    claim = {"kind": "higher_frontier", "claim": "it is so", "a": "a", "b": "b", **options}
    experiment = parse_experiment({"series": sides, "claims": {"c": claim}}, "exp")
    found = judge(experiment, pd.DataFrame(rows))[0]
    return found.verdict, found.sentence


def test_octaves_between_the_edges_of_paired_seeds() -> None:
    found, told = verdict([*scans("a", [1.6, 1.6, 0.8]), *scans("b", [0.4, 0.2, 0.2])])
    assert found == "supported"
    assert "A 1.27; B 0.252 (geometric means); +2.33 octaves (95 % interval +0.90 to +3.77, n = 3)" in told
    assert verdict([*scans("a", [1.6, 1.6, 0.8]), *scans("b", [0.4, 0.2, 0.2])], margin=3)[0] == "inconclusive"
    assert verdict([*scans("a", [0.1, 0.1, 0.1]), *scans("b", [0.8, 0.8, 0.8])])[0] == "refuted"


def test_cells_of_other_factors_are_averaged_in_octaves() -> None:
    a = [*scans("a", [0.4] * 3, 16), *scans("a", [1.6] * 3, 64)]
    b = [*scans("b", [0.2] * 3, 16), *scans("b", [0.2] * 3, 64)]
    assert "A 0.8; B 0.2 (geometric means); +2.00 octaves" in verdict([*a, *b])[1]


@pytest.mark.parametrize("edges", [[3.2, 0.4, 0.4], [0.05, 0.4, 0.4]])
def test_an_edge_at_an_end_of_what_was_tried_leaves_a_claim_open(edges: list[float]) -> None:
    found, told = verdict([*scans("a", edges), *scans("b", [0.2] * 3)])
    assert found == "inconclusive"
    assert "A has 1 of 3 edges outside of what was tried" in told


def test_too_few_seeds_and_unknown_factors() -> None:
    assert verdict([*scans("a", [0.4] * 2), *scans("b", [0.2] * 3)])[1].endswith("2 seeds are in both, of 2 and 3.")
    with pytest.raises(UserError, match=r"claims\.c\.factor=rate: the runs have no such factor"):
        verdict(scans("a", [0.4] * 3), factor="rate")
