"""The `experiment:` node of an experiment file: its question, series, panels and claims.

A report needs this node and the run directories, nothing else. Words: a *series* is one line of a figure (a
network with its clipping), declared once so that it keeps its colour everywhere; a *panel* is one set of
axes; a *claim* is a sentence that the runs support, refute or leave open by a rule that is in the file before
they start.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from normfree.config.errors import UserError, closest, nearest
from normfree.config.experiment_sizes import USUAL, file_of, in_size
from normfree.config.names import check_name
from normfree.config.places import short
from normfree.config.yaml_file import read_checked
from normfree.study.checks import Where, conditions, count_of, mapping, share_of, text_of, texts_of

_KEYS = ("name", "question", "command", "series", "panels", "figure", "claims", "rules", "threats")
MOST_PANELS = 16
"""Of the main figure, a letter each."""
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
    `minimum_seeds` the fewest seeds from which anything is concluded, `figure` the panels of the main figure. With
    `series_by` there is a series for each combination of these factors, known once the runs are (`with_series`). `size`
    is that of `experiment.sizes`, empty for the file as it is written, and `asked` what was chosen on the command line.
    """

    name: str
    question: str
    command: str
    series: tuple[Series, ...] = ()
    series_by: tuple[str, ...] = ()
    panels: tuple[Panel, ...] = ()
    claims: tuple[Claim, ...] = ()
    figure: tuple[str, ...] = ()
    threats: tuple[str, ...] = ()
    alpha: float = 0.05
    level: float = 0.95
    minimum_seeds: int = 3
    sha256: str = ""
    size: str = ""
    asked: str = ""


def load_experiment(name: str, *directories: Path) -> Experiment:
    """Read `<name>.yaml` of the first directory that has it; `<name>-<size>` is a size of `<name>`.

    Raises:
        UserError: there is none, or the file or its `experiment:` node is unusable.
    """
    check_name("experiment", name)
    found = file_of(name, directories)
    if found is None:
        place = short(directories[0])
        path = place / f"{name}.yaml"
        known = sorted({file.stem for each in directories for file in each.glob("*.yaml")})
        listed = f"; there are: {', '.join(known)}" if known else f"; {place} holds no experiment files"
        raise UserError(f"experiment={name}: there is no {path}{nearest(name, known)}{listed}")
    path, own_name, size = found
    text = read_checked(path, f"experiment={name}")
    try:
        root = OmegaConf.create(text)
        node = OmegaConf.select(root, "experiment")
        content = OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else None
    except (YAMLError, OmegaConfBaseException, ValueError) as error:
        raise UserError(f"experiment={name}: {path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise UserError(f"experiment={name}: {path} has no `experiment:` node; a report needs its question and panels")
    parsed = parse_experiment(in_size(content, own_name, size), name, hashlib.sha256(text.encode()).hexdigest())
    return parsed if size == USUAL else replace(parsed, size=size)


def parse_experiment(content: Mapping[Any, Any], name: str, sha256: str = "") -> Experiment:
    """Check an `experiment:` node and give it types. Keys of others (grids, seeds) are left alone."""
    for key in content:
        close = closest(str(key), _KEYS, cutoff=0.8)
        if key not in _KEYS and close and close[0] not in content:
            raise UserError(f"experiment.{key}: no such key, did you mean '{close[0]}'?")
    declared = mapping(content, "series")
    by = _series_by(declared)
    series = () if by else tuple(_series(str(key), value) for key, value in declared.items())
    names = None if by else tuple(one.name for one in series)
    panels = tuple(_panel(str(key), value, names) for key, value in mapping(content, "panels").items())
    claims = tuple(_claim(str(key), value) for key, value in mapping(content, "claims").items())
    known = [panel.name for panel in panels]
    figure = tuple(texts_of("figure", content.get("figure"))) or tuple(known[:4])
    if len(figure) > MOST_PANELS:
        raise UserError(f"experiment.figure: {len(figure)} panels; a figure has at most {MOST_PANELS}")
    for panel_name in figure:
        if panel_name not in known:
            raise UserError(
                f"experiment.figure: '{panel_name}' is no panel of this experiment{nearest(panel_name, known)}"
            )
    check_name("experiment.name", text_of("name", content.get("name", name)))
    rules = mapping(content, "rules")
    for key in rules:
        if key not in _RULES:
            raise UserError(f"experiment.rules.{key}: no such rule{nearest(str(key), _RULES)}")
    return Experiment(
        name=text_of("name", content.get("name", name)),
        question=text_of("question", content.get("question", "")),
        command=text_of("command", content.get("command", f"python train.py -m experiment={name}")),
        series=series,
        series_by=by,
        panels=panels,
        claims=claims,
        figure=figure,
        threats=tuple(texts_of("threats", content.get("threats"))),
        alpha=share_of("alpha", rules.get("alpha", 0.05)),
        level=share_of("level", rules.get("level", 0.95)),
        minimum_seeds=count_of("rules.minimum_seeds", rules.get("minimum_seeds", 3)),
        sha256=sha256,
    )


def _series_by(declared: Mapping[Any, Any]) -> tuple[str, ...]:
    """The factors of ``series: {by: [...]}``; none where series are listed."""
    by = declared.get("by")
    if by is None or isinstance(by, Mapping):
        return ()
    if others := [str(key) for key in declared if key != "by"]:
        raise UserError(f"experiment.series: `by` makes all series; take {', '.join(others)} away, or `by`")
    named = tuple(texts_of("series.by", [by] if isinstance(by, str) else by))
    if not named:
        raise UserError("experiment.series.by: name factors, such as [model, clip]")
    return named


def _series(name: str, value: Any) -> Series:
    if not isinstance(value, Mapping) or not value.get("where"):
        raise UserError(f"experiment.series.{name}: give it a `where` (and a `label`)")
    label = text_of(f"series.{name}.label", value.get("label", name))
    return Series(name, label, conditions(value["where"], f"experiment.series.{name}.where"))


def _panel(name: str, value: Any, names: tuple[str, ...] | None) -> Panel:
    if not isinstance(value, Mapping) or "kind" not in value:
        raise UserError(f"experiment.panels.{name}: give it a `kind`")
    check_name("experiment.panels", name)
    chosen = tuple(texts_of(f"panels.{name}.series", value.get("series"))) or names or ()
    for one in chosen:
        if names is not None and one not in names:
            raise UserError(f"experiment.panels.{name}.series: '{one}' is no series{nearest(one, names)}")
    return Panel(
        name,
        text_of(f"panels.{name}.kind", value["kind"]),
        text_of(f"panels.{name}.title", value.get("title", name)),
        conditions(value.get("where") or {}, f"experiment.panels.{name}.where"),
        chosen,
        _options(value, ("kind", "title", "where", "series"), f"panels.{name}"),
    )


def _claim(name: str, value: Any) -> Claim:
    if not isinstance(value, Mapping) or "kind" not in value or "claim" not in value:
        raise UserError(f"experiment.claims.{name}: give it a `kind` and the `claim` as a sentence")
    place = f"claims.{name}"
    kind, sentence = text_of(f"{place}.kind", value["kind"]), text_of(f"{place}.claim", value["claim"])
    options = _options(value, ("kind", "claim"), place)
    for side in ("a", "b"):
        if isinstance(chosen := options.get(side), Mapping):
            options[side] = {
                str(key): conditions(one, f"experiment.{place}.{side}.where")
                if key == "where"
                else text_of(f"{place}.{side}", one)
                for key, one in chosen.items()
            }
    if options.get("where") is not None:
        options["where"] = conditions(options["where"], f"experiment.{place}.where")
    return Claim(name, kind, sentence, options)


def _options(value: Mapping[Any, Any], others: tuple[str, ...], place: str) -> dict[str, Any]:
    """A kind's own keys: texts are in one line, as everywhere."""
    own = {str(key): one for key, one in value.items() if key not in others}
    return {key: text_of(f"{place}.{key}", one) if isinstance(one, str) else one for key, one in own.items()}
