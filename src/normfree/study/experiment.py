"""The `experiment:` node of an experiment file: its question, series, panels and claims.

A report needs this node and the run directories, nothing else. Words: a *series* is one line of a figure (a
network with its clipping), declared once so that it keeps its colour everywhere; a *panel* is one set of
axes; a *claim* is a sentence that the runs support, refute or leave open by a rule that is in the file before
they start.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from normfree.config.errors import UserError
from normfree.config.names import check_name

Where = Mapping[str, Any]

_KEYS = ("name", "question", "command", "series", "panels", "figure", "claims", "rules", "threats")
_RULES = ("alpha", "level", "minimum_seeds")


@dataclass(frozen=True)
class Series:
    """One line of a figure: the runs that `where` selects, under one label."""

    name: str
    label: str
    where: Where


@dataclass(frozen=True)
class Panel:
    """One set of axes. `kind` names a file of `normfree.report.figures`; `options` are its own keys."""

    name: str
    kind: str
    title: str
    where: Where
    series: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Claim:
    """One statement with its rule. `kind` names a file of `normfree.study.claims`."""

    name: str
    kind: str
    claim: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Experiment:
    """What a report has to know of an experiment.

    `alpha` is the family-wise error rate of the claims, `level` the confidence level of every interval,
    `minimum_seeds` the fewest seeds from which anything is concluded, `figure` the panels of the main figure.
    """

    name: str
    question: str
    command: str
    series: tuple[Series, ...] = ()
    panels: tuple[Panel, ...] = ()
    claims: tuple[Claim, ...] = ()
    figure: tuple[str, ...] = ()
    threats: tuple[str, ...] = ()
    alpha: float = 0.05
    level: float = 0.95
    minimum_seeds: int = 3
    sha256: str = ""


def nearest(word: str, known: Iterable[str]) -> str:
    """`", did you mean 'x'?"` for the closest known word, or an empty string."""
    close = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.5)
    return f", did you mean '{close[0]}'?" if close else ""


def load_experiment(name: str, directory: Path) -> Experiment:
    """Read `<directory>/<name>.yaml`. Raises `UserError` where the file or its `experiment:` node is
    unusable.
    """
    check_name("experiment", name)
    path = directory / f"{name}.yaml"
    if not path.is_file():
        known = sorted(file.stem for file in directory.glob("*.yaml"))
        listed = f"; there are: {', '.join(known)}" if known else f"; {directory} holds no experiment files"
        raise UserError(f"experiment={name}: there is no {path}{nearest(name, known)}{listed}")
    text = path.read_bytes()
    try:
        root = OmegaConf.load(path)
        node = OmegaConf.select(root, "experiment")
        content = OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else None
    except (YAMLError, OmegaConfBaseException) as error:
        raise UserError(f"experiment={name}: {path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise UserError(f"experiment={name}: {path} has no `experiment:` node; a report needs its question and panels")
    return parse_experiment(content, name, hashlib.sha256(text).hexdigest())


def parse_experiment(content: Mapping[Any, Any], name: str, sha256: str = "") -> Experiment:
    """Check an `experiment:` node and give it types. Keys of others (grids, seeds) are left alone."""
    for key in content:
        close = difflib.get_close_matches(str(key), _KEYS, n=1, cutoff=0.8)
        if key not in _KEYS and close and close[0] not in content:
            raise UserError(f"experiment.{key}: no such key, did you mean '{close[0]}'?")
    series = tuple(_series(str(key), value) for key, value in _mapping(content, "series").items())
    names = tuple(one.name for one in series)
    panels = tuple(_panel(str(key), value, names) for key, value in _mapping(content, "panels").items())
    claims = tuple(_claim(str(key), value) for key, value in _mapping(content, "claims").items())
    figure = tuple(content.get("figure") or [panel.name for panel in panels][:4])
    for panel_name in figure:
        if panel_name not in {panel.name for panel in panels}:
            guess = nearest(str(panel_name), [panel.name for panel in panels])
            raise UserError(f"experiment.figure: '{panel_name}' is no panel of this experiment{guess}")
    check_name("experiment.name", str(content.get("name", name)))
    rules = _mapping(content, "rules")
    for key in rules:
        if key not in _RULES:
            raise UserError(f"experiment.rules.{key}: no such rule{nearest(str(key), _RULES)}")
    return Experiment(
        name=str(content.get("name", name)),
        question=" ".join(str(content.get("question", "")).split()),
        command=str(content.get("command", f"python train.py -m experiment={name}")),
        series=series,
        panels=panels,
        claims=claims,
        figure=figure,
        threats=tuple(" ".join(str(threat).split()) for threat in content.get("threats") or ()),
        alpha=_share("alpha", rules.get("alpha", 0.05)),
        level=_share("level", rules.get("level", 0.95)),
        minimum_seeds=int(rules.get("minimum_seeds", 3)),
        sha256=sha256,
    )


def _mapping(content: Mapping[Any, Any], key: str) -> Mapping[Any, Any]:
    value = content.get(key) or {}
    if not isinstance(value, Mapping):
        raise UserError(f"experiment.{key}: expected names with values, got {type(value).__name__}")
    return value


def _share(key: str, value: Any) -> float:
    if not isinstance(value, int | float) or not 0 < value < 1:
        raise UserError(f"experiment.rules.{key}={value}: give a number between 0 and 1")
    return float(value)


def _series(name: str, value: Any) -> Series:
    if not isinstance(value, Mapping) or not value.get("where"):
        raise UserError(f"experiment.series.{name}: give it a `where` (and a `label`)")
    return Series(name, str(value.get("label", name)), dict(value["where"]))


def _panel(name: str, value: Any, names: tuple[str, ...]) -> Panel:
    if not isinstance(value, Mapping) or "kind" not in value:
        raise UserError(f"experiment.panels.{name}: give it a `kind`")
    check_name("experiment.panels", name)
    chosen = tuple(str(one) for one in value.get("series") or names)
    for one in chosen:
        if one not in names:
            raise UserError(f"experiment.panels.{name}.series: '{one}' is no series{nearest(one, names)}")
    options = {str(k): v for k, v in value.items() if k not in {"kind", "title", "where", "series"}}
    return Panel(
        name,
        str(value["kind"]),
        str(value.get("title", name)),
        dict(value.get("where") or {}),
        chosen,
        options,
    )


def _claim(name: str, value: Any) -> Claim:
    if not isinstance(value, Mapping) or "kind" not in value or "claim" not in value:
        raise UserError(f"experiment.claims.{name}: give it a `kind` and the `claim` as a sentence")
    options = {str(k): v for k, v in value.items() if k not in {"kind", "claim"}}
    return Claim(name, str(value["kind"]), " ".join(str(value["claim"]).split()), options)
