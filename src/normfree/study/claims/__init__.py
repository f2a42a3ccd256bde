"""The kinds of claim. A kind is one file here with a `weigh` function, and is known by the file's name.

`weigh(claim, experiment, table) -> Evidence` turns the runs that a claim names into evidence for and against
it; `OPTIONS` are the keys it reads beside `a`, `b` and `where`. `normfree.study.verdicts` decides.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module

import pandas as pd

from normfree.config.errors import UserError, nearest
from normfree.study.experiment import Claim, Experiment
from normfree.study.statistics import Interval


@dataclass(frozen=True)
class Evidence:
    """What the runs say of one claim.

    `gap` tells why nothing can be concluded, where that is so. `p_for` and `p_against` are one-sided and not
    yet corrected. `eligible` is False where an effect is smaller than the claim asks for. `holds` decides
    claims that need no test. `interval` is of a difference of shares.
    """

    rule: str
    numbers: str
    gap: str = ""
    n: int = 0
    interval: Interval | None = None
    p_for: float | None = None
    p_against: float | None = None
    holds: bool | None = None
    eligible: bool = True


Weigh = Callable[[Claim, Experiment, pd.DataFrame], Evidence]


@cache
def kinds() -> dict[str, tuple[Weigh, frozenset[str]]]:
    """Function and keys of every kind by its name."""
    found = {}
    for name in sorted(module.name for module in pkgutil.iter_modules(__path__)):
        if not name.startswith("_"):
            module = import_module(f"{__name__}.{name}")
            found[name] = (module.weigh, frozenset({"a", "b", "where", *module.OPTIONS}))
    return found


def weigh(claim: Claim, experiment: Experiment, table: pd.DataFrame) -> Evidence:
    """The evidence for one claim. Raises `UserError` for an unknown kind, key, series or factor."""
    place, known = f"experiment.claims.{claim.name}", kinds()
    if claim.kind not in known:
        listed = ", ".join(known)
        raise UserError(f"{place}.kind={claim.kind}: no such kind{nearest(claim.kind, known)}; there are: {listed}")
    function, options = known[claim.kind]
    for key in claim.options:
        if key not in options:
            raise UserError(f"{place}.{key}: no such key of kind {claim.kind}{nearest(key, options)}")
    return function(claim, experiment, table)
