"""``evaluate.py``: from its keys to its folder."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table as Shown

from normfree.config import UserError
from normfree.config.sources.reading import listed
from normfree.evaluate import comparison
from normfree.evaluate.collect import Collected, changes_of
from normfree.evaluate.comparison import FIRST, SECOND
from normfree.evaluate.devices import collected, device_of
from normfree.evaluate.evaluators import evaluators
from normfree.evaluate.findings import CLEAN, Findings, Judged, Table
from normfree.evaluate.folder import refuse_others, require_writable, write
from normfree.evaluate.images import Wanted, files_of, splits_of
from normfree.evaluate.keys import EvaluateKeys
from normfree.evaluate.page import Section, page
from normfree.evaluate.predictions import parquet_of
from normfree.evaluate.subjects import images_of, subjects
from normfree.evaluate.told import (
    command_of,
    data_record,
    facts_of,
    identity_of,
    made_with,
    network_record,
    suffix_of,
    summary_table,
)
from normfree.host.exit_codes import EXIT_OK
from normfree.train.hardware import device_name
from normfree.trained import Trained


def evaluate(keys: EvaluateKeys, words: Sequence[str]) -> int:
    """Judge, write and print; returns the exit code.

    Args:
        words: as typed, for the record.

    Raises:
        UserError: something is wrong with keys, weights or images; before an image is judged, where that can be known.
    """
    device = device_of(keys)
    groups = {run: subjects(keys, run) for run in keys.compare or [keys.run]}
    if len(groups) < len(keys.compare):
        raise UserError(f"compare={','.join(keys.compare)}: is the same run twice; give two")
    asked = {run: images_of(keys, next(iter(networks.values()))) for run, networks in groups.items()}
    _check(keys, groups, asked)
    out = Path(keys.out or Path("evaluations") / f"{_name(groups)}{suffix_of(words)}")
    identity = identity_of(keys, groups, asked)
    refuse_others(out, identity)
    require_writable(out)
    with _progress(asked, keys) as tick:
        found = {run: collected(keys, run, networks, tick) for run, networks in groups.items()}
    networks = {label: trained for _, label, trained in _labelled(keys, groups)}
    judged = {
        label: _judged(label, trained, found[run], kind, asked[run])
        for (run, label, trained), kind in zip(_labelled(keys, groups), _kinds(groups), strict=True)
    }
    results = {
        label: {name: evaluators()[name].findings(one, keys) for name in keys.evaluate} for label, one in judged.items()
    }
    compared = _compared(keys, judged, networks)
    files, sections = _files(results, compared, networks)
    first = next(iter(asked.values()))
    names = files_of(first.data, keys.split) if not sum(each.skipped for each in found.values()) else None
    for label, one in judged.items():
        files[_file("predictions.parquet", label, judged)] = parquet_of(one.clean, one.classes, names)
    record = {**_record(keys, words, networks, results, compared, asked, found, device), "identity": identity}
    summary = summary_table(record["results"], {label: _title(label, networks) for label in networks})
    facts = facts_of(record["networks"], record["data"], record["provenance"])
    title = " and ".join(dict.fromkeys(trained.name for trained in networks.values()))
    subtitle = f"On {record['data']['images']:,} images of {record['data']['label']} ({keys.split})."
    files["index.html"] = page(title, subtitle, summary, sections, facts, record["command"])
    write(out, files, record)
    _print(summary, [*compared.lines[:2]] if compared else [], out)
    return EXIT_OK


def _check(keys: EvaluateKeys, groups: Mapping[str, Mapping[str, Trained]], asked: Mapping[str, Wanted]) -> None:
    for run, each in asked.items():
        changes_of(keys, each.preprocessing.size)
        if each.unnamed:
            classes = listed(next(iter(groups[run].values())).classes)
            warnings.warn(
                f"data={each.data.name}: its classes have numbers for names, which are taken for the network's "
                f"({classes}); do they mean the same?",
                stacklevel=2,
            )
    if keys.compare:
        one, other = ((next(iter(groups[run].values())), asked[run]) for run in keys.compare)
        comparison.refuse_others(one, other)


def _labelled(keys: EvaluateKeys, groups: Mapping[str, Mapping[str, Trained]]) -> list[tuple[str, str, Trained]]:
    """Run, label and network: A and B, or raw and ema."""
    labels = iter((FIRST, SECOND))
    return [
        (run, next(labels) if keys.compare else kind, trained)
        for run, networks in groups.items()
        for kind, trained in networks.items()
    ]


def _kinds(groups: Mapping[str, Mapping[str, Trained]]) -> list[str]:
    return [kind for networks in groups.values() for kind in networks]


def _judged(label: str, trained: Trained, found: Collected, kind: str, asked: Wanted) -> Judged:
    if CLEAN not in found.found[kind]:
        raise UserError(f"data.on_error=skip: none of the images of {asked.data.name} could be read; give others")
    facts = {"published_top1": trained.published_top1}
    return Judged(label, found.found[kind], found.mistakes[kind], trained.classes, asked.preprocessing.size, facts)


def _compared(keys: EvaluateKeys, judged: Mapping[str, Judged], networks: Mapping[str, Trained]) -> Findings | None:
    if not keys.compare:
        return None
    return comparison.findings(judged[FIRST], judged[SECOND], (networks[FIRST].name, networks[SECOND].name))


def _files(
    results: Mapping[str, Mapping[str, Findings]], compared: Findings | None, networks: Mapping[str, Trained]
) -> tuple[dict[str, bytes], list[Section]]:
    files: dict[str, bytes] = {}
    sections = [] if compared is None else [Section("comparison", "Comparison", compared)]
    for label, found in results.items():
        for name, one in found.items():
            title = name if len(results) == 1 else f"{label}: {name}"
            sections.append(Section(f"{label}-{name}", title.capitalize() if len(results) == 1 else title, one))
            for drawn in one.figures:
                for kind, content in drawn.files.items():
                    files[_file(f"figures/{drawn.name}.{kind}", label, results)] = content
            files |= {_file(each, label, results): content for each, content in one.files.items()}
    return files, sections


def _file(name: str, label: str, every: Mapping[str, Any]) -> str:
    """With the label in it, where there are several networks."""
    path = Path(name)
    return name if len(every) == 1 else str(path.with_name(f"{path.stem}_{label}{path.suffix}"))


def _record(
    keys: EvaluateKeys,
    words: Sequence[str],
    networks: Mapping[str, Trained],
    results: Mapping[str, Mapping[str, Findings]],
    compared: Findings | None,
    asked: Mapping[str, Wanted],
    found: Mapping[str, Collected],
    device: torch.device,
) -> dict[str, Any]:
    runs = [run for run, _, _ in _labelled(keys, {run: one.found for run, one in found.items()})]  # type: ignore[misc]
    first = next(iter(found))
    images = len(next(iter(found[first].found.values()))[CLEAN])
    return {
        "command": command_of(words),
        "networks": {
            label: network_record(trained, asked[run])
            for (label, trained), run in zip(networks.items(), runs, strict=True)
        },
        "data": data_record(keys, asked[first], images, found[first].skipped),
        "results": {label: {name: one.numbers for name, one in each.items()} for label, each in results.items()},
        "comparison": None if compared is None else compared.numbers,
        "provenance": made_with(device_name(device), torch.get_num_threads(), keys),
    }


def _name(groups: Mapping[str, Mapping[str, Trained]]) -> str:
    return "-".join(next(iter(networks.values())).title for networks in groups.values())


def _title(label: str, networks: Mapping[str, Trained]) -> str:
    return label if len({trained.name for trained in networks.values()}) == 1 else f"{label}: {networks[label].model}"


@contextmanager
def _progress(asked: Mapping[str, Wanted], keys: EvaluateKeys) -> Iterator[Callable[[int], object]]:
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        splits = splits_of(keys.split)
        total = sum(int(getattr(each.data, f"{split}_samples")) for each in asked.values() for split in splits)
        task = shown.add_task("images", total=total)
        yield lambda images: shown.advance(task, images)


def _print(summary: Table, lines: Sequence[str], out: Path) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, 120)
    shown = Shown(box=None, pad_edge=False)
    for place, head in enumerate(summary.heads):
        shown.add_column(head, justify="left" if place == 0 else "right", no_wrap=True)
    for row in summary.rows:
        shown.add_row(*row)
    console.print(shown)
    for line in lines:
        console.print(line, soft_wrap=True, markup=False)
    console.print(str(out / "index.html"), soft_wrap=True, markup=False)
