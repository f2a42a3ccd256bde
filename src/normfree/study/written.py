"""An experiment file from runs that had none: their sweep as grids, and the figure that was drawn, to be edited."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from normfree.config.errors import UserError
from normfree.config.sources import SOURCES
from normfree.host.spoken import spoken
from normfree.study.chosen import Choice, chosen
from normfree.study.factors import split_override
from normfree.study.study import Study
from normfree.study.varying import natural

_HEAD = """\
# @package _global_
# Question: {question}
# Command: normfree train -m experiment={name}{place} && normfree report experiment={name}
# Expected: say here, before further seeds are run, what you expect.
# Hardware and time: {time} of training in all, as these runs took.
"""


def experiment_file(content: Mapping[str, Any], stem: str, name: str, table: pd.DataFrame) -> str:
    """The text of ``experiments/<stem>.yaml``, of which the runs of the table are the runs.

    Args:
        content: the `experiment:` node without grids.
        stem: of the file, which is what commands call it.
        name: of the experiment, which is that of the folder of its runs.
    """
    seconds = float(pd.to_numeric(table["time.seconds"], errors="coerce").sum())
    place = " data.root=PATH" if _from_files(table) else ""
    command = f"python train.py -m experiment={stem}{place}"
    node = {"name": name, "question": content["question"], "command": command}
    node |= {"rules": {"alpha": 0.05, "level": 0.95, "minimum_seeds": 3}}
    if grids := _grids(table):
        node["grids"] = grids
    node |= {key: content[key] for key in ("series", "figure", "panels")}
    body = {"hydra": {"mode": "MULTIRUN"}, "experiment": node}
    head = _HEAD.format(question=content["question"], name=stem, place=place, time=f"{seconds / 60:.0f} min")
    return head + yaml.dump(body, Dumper=_Indented, sort_keys=False, allow_unicode=True, width=116)


def _from_files(table: pd.DataFrame) -> bool:
    """The images of some runs lie in files, and rows do not tell where."""
    known = {name: source.from_files for source in SOURCES for name in source.names}
    return any(known.get(name, False) for name in set(table["data.name"]) - {"custom"})


class _Indented(yaml.SafeDumper):
    """Lists stand in from their key, as everywhere here."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _grids(table: pd.DataFrame) -> dict[str, Any]:
    """The arms as typed, with their seeds; none where a run says not what was typed, or not in words of one piece."""
    arms: dict[str, list[int]] = {}
    for overrides, seed in zip(table["overrides"], table["seed"], strict=True):
        words = [one for one in str(overrides or "").split(" ") if split_override(one)[0] not in _NOT_TYPED]
        if seed != seed or not words or any("=" not in one or "," in one or one[:1] in "{[" for one in words):
            return {}
        arms.setdefault(" ".join(sorted(words, key=_group_first)), []).append(int(seed))
    seeds: dict[tuple[int, ...], list[str]] = {}
    for arm, found in arms.items():
        seeds.setdefault(tuple(sorted(found)), []).append(arm)
    several = len(seeds) > 1
    return {
        f"sweep_{number}" if several else "sweep": _crossed(names) | {"seed": ",".join(map(str, each))}
        for number, (each, names) in enumerate(seeds.items(), 1)
    }


def _crossed(arms: list[str]) -> dict[str, Any]:
    """Arms of networks and clippings, crossed with the values of the other keys where all crossings are there."""
    pairs = [[split_override(word) for word in arm.split(" ")] for arm in arms]
    heads = [" ".join(f"{key}={value}" for key, value in each if _is_named(key)) for each in pairs]
    rests = [{key: value for key, value in each if not _is_named(key)} for each in pairs]
    values = {key: list(dict.fromkeys(rest.get(key, "") for rest in rests)) for rest in rests for key in rest}
    named = list(dict.fromkeys(heads))
    crossings = len(named) * math.prod(len(each) for each in values.values())
    if crossings != len(arms) or not all(named) or any(len(rest) < len(values) for rest in rests):
        return {"arms": arms}
    return {"arms": named} | {key: ",".join(sorted(each, key=natural)) for key, each in values.items()}


def _is_named(key: str) -> bool:
    return key.split(".")[0] in ("model", "clip")


_NOT_TYPED = ("experiment", "experiment.name", "seed")


def _group_first(word: str) -> tuple[int, str]:
    order = ("model", "clip")
    key = split_override(word)[0]
    group = key.split(".")[0]
    return (order.index(group) if group in order else len(order), key)


def write_experiment(path: Path, study: Study, choice: Choice) -> str:
    """Write the file of these runs; returns what is said of it.

    Raises:
        UserError: it cannot be written.
    """
    table, name = study.collection.table, path.stem
    text = experiment_file(chosen(name, table, choice), name, study.experiment.name, table)
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text(spoken(text), encoding="utf-8")
    except OSError as error:
        raise UserError(f"write={path}: cannot be written ({error.strerror})") from error
    command = spoken(f"python report.py experiment={name}")
    return f"{path} is of the runs in {study.experiment.name}; edit it, then: {command}"
