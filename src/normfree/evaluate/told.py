"""What an evaluation says of itself: its record, its facts, its table of numbers."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from normfree.evaluate.findings import Table
from normfree.evaluate.images import Wanted
from normfree.evaluate.keys import COMMAND, EvaluateKeys
from normfree.runs.provenance import provenance
from normfree.trained import Trained

_NOT_TOLD = ("run", "compare", "weights", "model", "out", "device", "devices", "batch")
_LONGEST = 120
_QUESTIONS = ("evaluate", "kind", "fold", "split", "classes", "corruptions", "shifts")
_HIDDEN = "data.root"
"""Where the user's images lie is nobody else's business."""


def command_of(words: Sequence[str]) -> str:
    """The command that makes the folder again."""
    shown = [f"{_HIDDEN}=PATH" if word.startswith(f"{_HIDDEN}=") else word for word in words]
    return " ".join([COMMAND, *map(shlex.quote, shown)])


def suffix_of(words: Sequence[str]) -> str:
    """What tells an evaluation from others of its network, for the name of its folder; empty for the plain one."""
    said = [word for word in words if word.partition("=")[0] not in _NOT_TOLD]
    text = "_".join(Path(word).name if word.startswith(f"{_HIDDEN}=") else word for word in said)
    return "_" + re.sub(r"[^\w.,=-]+", "-", text)[:_LONGEST] if text else ""


def identity_of(
    keys: EvaluateKeys, groups: Mapping[str, Mapping[str, Trained]], asked: Mapping[str, Wanted]
) -> dict[str, Any]:
    """What an evaluation is of, as JSON has it: the same weights, images and questions give the same numbers."""
    weights = [trained.about["sha256"] for networks in groups.values() for trained in networks.values()]
    images = [[each.digest, each.preprocessing.record()] for each in asked.values()]
    asking = {name: getattr(keys, name) for name in _QUESTIONS}
    found: dict[str, Any] = json.loads(json.dumps({"weights": weights, "images": images, **asking}))
    return found


def data_record(keys: EvaluateKeys, asked: Wanted, images: int, skipped: int) -> dict[str, Any]:
    """What the images are."""
    data = asked.data
    return {
        "name": data.name, "label": data.label, "split": keys.split, "images": images, "left_out": skipped,
        "digest": asked.digest, "classes": data.classes, "the_runs_own": asked.unchanged,
    }  # fmt: skip


def network_record(trained: Trained, asked: Wanted) -> dict[str, Any]:
    """What the network is, and what its images go through."""
    return {
        "name": trained.name, "model": trained.model, **trained.about,
        "preprocessing": asked.preprocessing.record(),
    }  # fmt: skip


def facts_of(
    networks: Mapping[str, Mapping[str, Any]], data: Mapping[str, Any], made: Mapping[str, Any]
) -> dict[str, str]:
    """For people."""
    found = {}
    for label, one in networks.items():
        told = ", ".join(f"{key} {one[key]}" for key in ("checkpoint", "file", "weights") if one.get(key))
        folded = ", folded" if one["folded"] else ""
        found[f"network {label}"] = f"{one['name']} ({one['model']}): {told}{folded}; sha256 {one['sha256'][:16]}…"
        through = one["preprocessing"]
        cut = "central square" if through["keep_aspect"] else "squashed to a square"
        means = ", ".join(f"{value:.4g}" for value in through["mean"])
        deviations = ", ".join(f"{value:.4g}" for value in through["std"])
        found[f"images of {label}"] = f"{through['size']} px, {cut}; mean {means}; deviation {deviations}"
    left = f", {data['left_out']:,} unreadable ones left out" if data["left_out"] else ""
    trained_on = {"train": "; the network was trained on them", "all": "; the network was trained on most of them"}
    seen = trained_on.get(data["split"], "") if data["the_runs_own"] else ""
    found["data"] = f"{data['label']}, {data['split']}: {data['images']:,} images{left}{seen}; digest {data['digest']}"
    code = (
        f"commit {made['commit'][:12]}{' with uncommitted changes' if made['dirty'] else ''}"
        if made["commit"]
        else "no commit"
    )
    found["made with"] = (
        f"normfree {made['normfree']} ({code}), torch {made['torch']}, on {made['device']}, {made['devices']} "
        f"process{'es' if made['devices'] > 1 else ''}"
    )
    return found


def made_with(device: str, threads: int, keys: EvaluateKeys) -> dict[str, Any]:
    """Code, versions and machine."""
    return provenance(device, threads) | {"devices": keys.devices, "batch": keys.batch}


def summary_table(results: Mapping[str, Mapping[str, Any]], titles: Mapping[str, str]) -> Table:
    """A row a network: what there is of the numbers.

    Args:
        results: network -> evaluator -> numbers.
    """
    heads, rows = ["network"], [[titles[name]] for name in results]

    def column(head: str, texts: Sequence[str]) -> None:
        if any(texts):
            heads.append(head)
            for row, text in zip(rows, texts, strict=True):
                row.append(text)

    tests = [found.get("test") for found in results.values()]
    column("top-1 (%)", [f"{100 * one['top1']:.2f}" if one else "" for one in tests])
    column(
        "95 % interval", [" to ".join(f"{100 * e:.2f}" for e in one["top1_interval"]) if one else "" for one in tests]
    )
    column(
        "published (%)",
        [f"{100 * one['published_top1']:.1f}" if one and one["published_top1"] else "" for one in tests],
    )
    column("top-5 (%)", [f"{100 * one['top5']:.2f}" if one and one["top5"] is not None else "" for one in tests])
    column("NLL (nats)", [f"{one['nll']:.4f}" if one else "" for one in tests])
    column("ECE (%)", [f"{100 * one['ece']:.2f}" if one else "" for one in tests])
    corrupted = [found.get("corruptions") for found in results.values()]
    column("corruption error (%)", [f"{100 * one['mean_corruption_error']:.1f}" if one else "" for one in corrupted])
    shifted = [
        list(found["shift"]["top1_by_pixels"].items())[-1] if "shift" in found else None for found in results.values()
    ]
    column("moved (%)", [f"{100 * one[1]:.2f} at {one[0]} px" if one else "" for one in shifted])
    return Table("Result", heads, rows)
