"""``experiment.trials``: what an experiment file says of a search over configurations.

``base`` are the words that every trial has, ``space`` the keys that they differ in, ``objectives`` what is looked for,
``latency`` how inference is timed and its budget, ``short`` a shorter run before the whole one, ``rerun`` how many of
the best are trained with further seeds, and ``beside`` the lines that are trained and timed with them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from normfree.config import UserError
from normfree.config.errors import nearest
from normfree.config.experiment_sizes import size_of
from normfree.config.names import key_of
from normfree.sweep.trials.space import Dimension, combinations_of, space_of

TRIALS = "trials"
PLACE = f"experiment.{TRIALS}"
ACCURACY, LATENCY = "accuracy", "latency"
OBJECTIVES = (ACCURACY, LATENCY)
_KEYS = (
    "base", "space", "objectives", "latency", "number", "startup", "sampler_seed", "seed", "short", "rerun", "beside",
    "storage",
)  # fmt: skip
_OF_LATENCY = {"budget_ms": None, "batch": 32, "rounds": 15, "threads": 1}
_OF_SHORT = {"share": 0.25, "after": 8}
_OF_RERUN = {"members": 5, "seeds": "0,1,2"}


@dataclass(frozen=True)
class Timing:
    """How inference is timed, and the most that it may take.

    Attributes:
        budget: milliseconds for a batch; a slower network is not trained. ``None`` for no limit.
        batch: images at a time.
        threads: of a processor.
    """

    budget: float | None
    batch: int
    rounds: int
    threads: int


@dataclass(frozen=True)
class Short:
    """A run of a share of the steps, after which the slower half is pruned.

    Attributes:
        after: trials no slower that have to be known before one is pruned.
    """

    share: float
    after: int


@dataclass(frozen=True)
class Search:
    """A search, checked."""

    base: tuple[str, ...]
    space: tuple[Dimension, ...]
    objectives: tuple[str, ...]
    timing: Timing | None
    number: int
    startup: int
    sampler_seed: int
    seed: int
    short: Short | None
    members: int
    seeds: tuple[int, ...]
    beside: tuple[tuple[str, ...], ...]
    storage: str | None

    @property
    def reference(self) -> tuple[str, ...]:
        """The words of the network beside which every other is timed."""
        return self.beside[0] if self.beside else self.base


def search_of(experiment: Mapping[str, Any], arguments: list[str]) -> Search | None:
    """The search of an ``experiment:`` node in its size; none where it has no ``trials``.

    Args:
        arguments: overrides as typed; they outweigh ``base`` and ``beside``.

    Raises:
        UserError: names key, value and remedy.
    """
    own = size_of(experiment, str(experiment.get("name")), str(experiment.get("size", "cpu"))).get(TRIALS)
    given = experiment.get(TRIALS) if own is None else own
    if not given:
        return None
    return parse(given, arguments)


def parse(given: Any, arguments: list[str]) -> Search:
    """As `search_of`, of the node itself."""
    values = _table(PLACE, given, dict.fromkeys(_KEYS))
    typed = {key_of(word) for word in arguments}
    space = space_of(values["space"])
    for one in space:
        if one.key in typed:
            raise UserError(f"{one.key}: is in {PLACE}.space; leave it out, or take it out of the space")
    if "seed" in typed:
        raise UserError(f"seed: a search has its own; give {PLACE}.seed and {PLACE}.rerun.seeds in their place")
    base = _line(f"{PLACE}.base", values["base"] or "", typed)
    for word in base:
        if key_of(word) in {one.key for one in space}:
            raise UserError(f"{PLACE}.base: has {word}, whose key is in the space; take one of them out")
    objectives = _objectives(values["objectives"])
    timing = None if values["latency"] is None else _timing(values["latency"])
    if LATENCY in objectives and timing is None:
        timing = _timing({})
    number = _whole(f"{PLACE}.number", 60 if values["number"] is None else values["number"])
    if (most := combinations_of(space)) is not None and number > most:
        raise UserError(f"{PLACE}.number={number}: the space has {most} combinations; give at most {most}")
    rerun = _table(f"{PLACE}.rerun", values["rerun"] or {}, _OF_RERUN)
    seed = _whole(f"{PLACE}.seed", 10 if values["seed"] is None else values["seed"], 0)
    seeds = _seeds(f"{PLACE}.rerun.seeds", rerun["seeds"])
    if seed in seeds:
        raise UserError(f"{PLACE}.rerun.seeds: has {seed}, by which trials were chosen; give others")
    beside = values["beside"] or []
    if not isinstance(beside, list):
        raise UserError(f"{PLACE}.beside={beside!r}: give a list of lines, such as [model=resnet20 clip=none]")
    startup = 10 if values["startup"] is None else values["startup"]
    storage = values["storage"]
    if storage is not None and (not isinstance(storage, str) or "://" not in storage):
        raise UserError(f"{PLACE}.storage={storage}: give a URL, such as sqlite:///trials.db, or leave it out")
    return Search(
        base=base,
        space=space,
        objectives=objectives,
        timing=timing,
        number=number,
        startup=_whole(f"{PLACE}.startup", startup),
        sampler_seed=_whole(f"{PLACE}.sampler_seed", values["sampler_seed"] or 0, 0),
        seed=seed,
        short=None if values["short"] is None else _short(values["short"]),
        members=_whole(f"{PLACE}.rerun.members", rerun["members"]),
        seeds=seeds,
        beside=tuple(_line(f"{PLACE}.beside", line, typed) for line in beside),
        storage=storage,
    )


def _table(place: str, given: Any, usual: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise UserError(f"{place}={given!r}: must be a table of keys and values; there are: {', '.join(usual)}")
    for key in given:
        if key not in usual:
            raise UserError(f"{place}.{key}: no such key{nearest(str(key), usual)}; there are: {', '.join(usual)}")
    return dict(usual) | {str(key): value for key, value in given.items()}


def _line(place: str, given: Any, typed: set[str]) -> tuple[str, ...]:
    if not isinstance(given, str):
        raise UserError(f"{place}: {given!r} is no line of overrides; write one, such as model=nfnet_nano clip=agc")
    words = given.split()
    for word in words:
        if "=" not in word:
            raise UserError(f"{place}: {word} is no override; give KEY=VALUE, such as model=nfnet_nano")
        if key_of(word) == "seed":
            raise UserError(f"{place}: has {word}; give {PLACE}.seed and {PLACE}.rerun.seeds in its place")
    return tuple(word for word in words if key_of(word) not in typed)


def _objectives(given: Any) -> tuple[str, ...]:
    if given is not None and not isinstance(given, str | list):
        raise UserError(f"{PLACE}.objectives={given}: give a list of {', '.join(OBJECTIVES)}")
    words = [given] if isinstance(given, str) else list(given or OBJECTIVES)
    for word in words:
        if word not in OBJECTIVES:
            raise UserError(
                f"{PLACE}.objectives={word}: no such objective{nearest(str(word), OBJECTIVES)}; "
                f"there are: {', '.join(OBJECTIVES)}"
            )
    if ACCURACY not in words:
        raise UserError(f"{PLACE}.objectives={','.join(words)}: without accuracy nothing is trained for; add it")
    return tuple(word for word in OBJECTIVES if word in words)


def _timing(given: Any) -> Timing:
    place = f"{PLACE}.latency"
    values = _table(place, given, _OF_LATENCY)
    budget = values["budget_ms"]
    if budget is not None:
        budget = _number(f"{place}.budget_ms", budget)
    batch, rounds, threads = (_whole(f"{place}.{key}", values[key]) for key in ("batch", "rounds", "threads"))
    return Timing(budget, batch, rounds, threads)


def _short(given: Any) -> Short:
    place = f"{PLACE}.short"
    values = _table(place, given, _OF_SHORT)
    share = _number(f"{place}.share", values["share"])
    if share >= 1:
        raise UserError(f"{place}.share={share:g}: is no shorter run; give a share below 1, such as 0.25")
    return Short(share, _whole(f"{place}.after", values["after"]))


def _seeds(place: str, given: Any) -> tuple[int, ...]:
    words = given if isinstance(given, list) else str(given).split(",")
    try:
        seeds = tuple(int(str(word)) for word in words)
    except ValueError:
        seeds = ()
    if not seeds or min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise UserError(f'{place}={given}: give whole numbers, each once, such as "0,1,2"')
    return seeds


def _number(place: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not (math.isfinite(value) and value > 0):
        raise UserError(f"{place}={value}: give a number above 0")
    return float(value)


def _whole(place: str, value: Any, least: int = 1) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise UserError(f"{place}={value}: give a whole number of at least {least}")
    return value
