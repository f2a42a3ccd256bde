"""The keys of `python report.py probe=...`: one dataclass a probe, with texts, bounds and defaults."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from normfree.config.errors import UserError
from normfree.study.experiment import nearest

MOST_NETWORKS, MOST_OPTIONS = 4, 12


def key(default: Any, text: str, read: Callable[[str], Any] = str) -> Any:
    """A dataclass field; `read` turns what was typed into the value, or raises ValueError with the remedy."""
    return field(default=default, metadata={"text": text, "read": read})


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Reads a whole number within bounds."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[+-]?\d+", text) or not least <= int(text) <= most:
            raise ValueError(f"give a whole number from {least} to {most}")
        return int(text)

    return read


def finite_number(text: str) -> float:
    """Reads a number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError("give a number, such as 1 or 0.2")
    return value


def networks(text: str) -> tuple[str, ...]:
    """Reads names with commas between them."""
    names = tuple(text.split(","))
    if not all(re.fullmatch(r"[\w./-]+", name) for name in names):
        raise ValueError("give names of networks with commas between them, such as resnet50,nf_resnet50")
    if len(set(names)) < len(names):
        raise ValueError("give each network once")
    if len(names) > MOST_NETWORKS:
        raise ValueError(f"give up to {MOST_NETWORKS} networks")
    return names


def options(text: str) -> tuple[str, ...]:
    """Reads names of options with commas between them."""
    names = tuple(text.split(","))
    if not all(re.fullmatch(r"\w+", name) for name in names) or len(set(names)) < len(names):
        raise ValueError("give each option once, with commas between them, such as crop_flip,mixup")
    if len(names) > MOST_OPTIONS:
        raise ValueError(f"give up to {MOST_OPTIONS} options")
    return names


def option(text: str) -> str:
    """Reads the name of an option."""
    if not re.fullmatch(r"\w+", text):
        raise ValueError("give the name of an option, such as mnist5k")
    return text


def directory(text: str) -> str:
    """Reads a path."""
    if not text:
        raise ValueError("give a directory")
    return text


@dataclass(frozen=True, kw_only=True)
class ProbeKeys:
    """What every probe can be told."""

    probe: ClassVar[str]
    about: ClassVar[str]
    example: ClassVar[str]

    seed: int = key(0, "of everything that is drawn", whole_number(0, 2**31 - 1))
    reports_dir: str = key("reports", "the report is <reports_dir>/probes/<probe>/", directory)


@dataclass(frozen=True, kw_only=True)
class SignalKeys(ProbeKeys):
    """What `probe=signal` can be told."""

    probe: ClassVar[str] = "signal"
    about: ClassVar[str] = "means and variances block by block, of fresh networks on Gaussian noise"
    example: ClassVar[str] = "model=resnet50,nf_resnet50"

    model: tuple[str, ...] = key((), f"up to {MOST_NETWORKS} networks with commas between them", networks)
    batch: int = key(16, "images", whole_number(2, 1024))
    image_size: int | None = key(None, "side in pixels; default: each network's training size", whole_number(8, 1024))
    skip_gain: float = key(1.0, "of every NF block; 0 is how they begin, with closed branches", finite_number)


@dataclass(frozen=True, kw_only=True)
class AugmentKeys(ProbeKeys):
    """What `probe=augment` can be told."""

    probe: ClassVar[str] = "augment"
    about: ClassVar[str] = "a contact sheet: the same training images under each augmentation"
    example: ClassVar[str] = "augment=crop_flip,mixup,paper_f0"

    augment: tuple[str, ...] = key((), f"up to {MOST_OPTIONS} options of the group with commas between them", options)
    data: str = key("mnist5k", "option of the group", option)
    root: str | None = key(None, "data.root: where its files are", directory)
    image_size: int | None = key(None, "side in pixels; default: the data set's, or 128", whole_number(7, 512))
    magnitude: float | None = key(None, "augment.magnitude; default: each option's", finite_number)
    images: int = key(10, "columns of the sheet", whole_number(2, 16))


PROBES: dict[str, type[ProbeKeys]] = {one.probe: one for one in (SignalKeys, AugmentKeys)}


def keys_of_probe(name: str) -> str:
    """The part of `--help` on one probe."""
    probe = PROBES[name]
    lines = [f"  python report.py probe={name} {probe.example}     {probe.about}", ""]
    for each in fields(probe):
        default = "" if each.default in ((), None) else f"{each.default:g}" if each.type == "float" else each.default
        lines.append(f"    {each.name:11}  {default!s:8} {each.metadata['text']}")
    return "\n".join(lines)


def read_probe(arguments: Sequence[str]) -> ProbeKeys:
    """The typed keys of a command line that holds `probe=`.

    Raises:
        UserError: an unknown probe or key, a key given twice, a value out of its bounds, no `model=`.
    """
    given: dict[str, str] = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not equals or name.startswith("-"):
            raise UserError(f"{argument}: a probe takes key=value alone, such as model=resnet50,nf_resnet50")
        if name in given:
            raise UserError(f"{argument}: {name} is given twice; give it once")
        given[name] = value
    name = given.pop("probe")
    if name not in PROBES:
        raise UserError(f"probe={name}: no such probe{nearest(name, PROBES)}; there are: {', '.join(PROBES)}")
    known = {each.name: each.metadata["read"] for each in fields(PROBES[name])}
    values = {}
    for entry, text in given.items():
        if entry not in known:
            listed = ", ".join(known)
            raise UserError(f"{entry}={text}: no such key of probe={name}{nearest(entry, known)}; there are: {listed}")
        try:
            values[entry] = known[entry](text)
        except ValueError as error:
            raise UserError(f"{entry}={text}: {error}") from error
    needed, _, example = PROBES[name].example.partition("=")
    if needed not in values:
        what = "networks" if needed == "model" else "options"
        raise UserError(f"{needed}: is missing; probe={name} needs {what}, such as {needed}={example}")
    return PROBES[name](**values)
