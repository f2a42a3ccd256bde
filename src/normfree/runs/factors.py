"""The factors of a run: every key of its configuration that acts on its result, by the names that results use.

A sweep knows them when it has resolved its runs, so that a report needs no guess for a run without a result, and can
ask for any key.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from normfree.config import Resolved
from normfree.config.effect import acts, randaugments
from normfree.config.networks import usual_of
from normfree.config.parts import Part, own_parts
from normfree.runs.identity import source_of
from normfree.runs.reading import shortened
from normfree.runs.result import result_of, weights_name

Factors = dict[str, str | int | float | bool | None]

_OF_THE_COMMAND = ("logger", "experiment", "sweep", "plan", "again", "runs_dir", "evaluate_also", "seed", "batch")
_OF_THE_MACHINE = ("root", "train_file", "test_file", "workers", "cache", "download")
_OF_RESULTS = ("model", "clip", "data", "batch", "lr", "steps", "precision")
_PLACES = ("data.root", "data.places")
_LONGEST = 1000
"""Characters of a text."""


def factors_of(resolved: Resolved) -> Factors:
    """Key -> value, the same for all runs of an arm; ``None`` for a key that does not act.

    Learning rate, steps and the option of a network are what they come to. The version of the user's own code is
    ``model.source`` and the like. Nothing says where images lie or a run computes.
    """
    config = resolved.config
    content = asdict(config)
    for key in _OF_THE_COMMAND:
        del content[key]
    for key in _OF_THE_MACHINE:
        del content["data"][key]
    content["model"] |= {"weights": weights_name(config.model), "weights_run": None}
    if config.model.weights_arm is not None:  # each seed has weights of its own
        content["model"]["weights_sha256"] = None
    content["trainer"] = {key: getattr(config.trainer, key) for key in ("channels_last", "compile", "gradient_dtype")}
    usual = usual_of(config.model.name)
    content["model"] |= {key: usual.get(key) for key, value in content["model"].items() if value is None}
    found = {key: value if acts(config, key) else None for key, value in flat(content).items()}
    if config.augment.randaugment_layers and not randaugments(config.augment):
        found["augment.magnitude"] = config.augment.magnitude  # the 0 of its scale, by which its layers do nothing
    recorded = {key: value for key, value in result_of(resolved, "missing").items() if key in _OF_RESULTS}
    own = {f"{part.group}.source": _source(part, resolved) for part in own_parts(config) if part.group in content}
    return found | own | {key: value for key, value in flat(recorded).items() if key not in _PLACES}


def _source(part: Part, resolved: Resolved) -> str:
    """``my_nets@1a2b3c4d``: with the name it is a text, whatever its digits."""
    return f"{part.named(resolved.config).rpartition('.')[0]}@{source_of(part, resolved)[:8]}"


def pack(arms: Mapping[str, Factors]) -> tuple[Factors, dict[str, Factors]]:
    """What all arms have in common, and what each has beside it."""
    if not arms:
        return {}, {}
    first, *others = arms.values()
    common = {key: value for key, value in first.items() if all(_same(other, key, value) for other in others)}
    return common, {arm: {key: one[key] for key in one if key not in common} for arm, one in arms.items()}


def unpack(common: object, arms: object) -> dict[str, Factors]:
    """The factors of every arm again.

    Raises:
        ValueError: they are not what :func:`pack` gives; says what is wrong.
    """
    shared = _checked("factors", common or {})
    if not isinstance(arms or {}, Mapping):
        raise ValueError(f"arms is {shortened(arms)}, not names and factors")
    found: dict[str, Factors] = {}
    for arm, own in dict(arms or {}).items():  # type: ignore[call-overload]
        found[str(arm)] = shared | _checked(f"arms.{shortened(arm)}", own)
    return found


def _checked(place: str, content: object) -> Factors:
    if not isinstance(content, Mapping):
        raise ValueError(f"{place} is {shortened(content)}, not names and values")
    for key, value in content.items():
        if not (value is None or isinstance(value, str | int | float)):
            raise ValueError(f"{place}.{shortened(key)} is {shortened(value)}, not one value")
        if not all(text.isprintable() and len(text) <= _LONGEST for text in (key, value) if isinstance(text, str)):
            raise ValueError(f"{place}.{shortened(key)} is {shortened(value)}, not a text of one line")
    return dict(content)


def _same(other: Factors, key: str, value: object) -> bool:
    return key in other and other[key] == value and type(other[key]) is type(value)


def flat(content: Mapping[Any, Any]) -> Factors:
    """Names with dots; lists as texts, and long texts shortened."""
    return {name: _one_value(value) for name, value in leaves(content)}


def leaves(content: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is no table by its name with dots: what is below ``batch`` as ``batch.global``."""
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _one_value(value: Any) -> Any:
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
    return shortened(text, _LONGEST - 3) if isinstance(text, str) else text
