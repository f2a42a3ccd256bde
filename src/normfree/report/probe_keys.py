"""The keys of `python report.py probe=...`: one dataclass a probe, with texts, bounds and defaults."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, NamedTuple

from normfree.config.errors import UserError, nearest

MOST_NETWORKS, MOST_OPTIONS, MOST_NUMBERS = 4, 12, 6
DIGIT_SIZES = (7, 10, 14, 20, 28)


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


def whole_numbers(least: int, most: int) -> Callable[[str], tuple[int, ...]]:
    """Reads whole numbers within bounds, with commas between them; gives them in ascending order."""
    one = whole_number(least, most)

    def read(text: str) -> tuple[int, ...]:
        try:
            values = [one(part) for part in text.split(",")]
        except ValueError as error:
            raise ValueError(f"{error}, or several with commas between them") from error
        if len(set(values)) < len(values) or len(values) > MOST_NUMBERS:
            raise ValueError(f"give each number once, and up to {MOST_NUMBERS}")
        return tuple(sorted(values))

    return read


def digit_size(text: str) -> int:
    """Reads a size at which the embedded digits exist."""
    if not text.isascii() or not text.isdigit() or int(text) not in DIGIT_SIZES:
        raise ValueError(f"give one of {', '.join(map(str, DIGIT_SIZES))}")
    return int(text)


def finite_number(text: str) -> float:
    """Reads a number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError("give a number, such as 1 or 0.2")
    return value


def finite_numbers(text: str) -> tuple[float, ...]:
    """Reads numbers with commas between them."""
    values = tuple(map(finite_number, text.split(",")))
    if len(set(values)) < len(values) or len(values) > MOST_NUMBERS:
        raise ValueError(f"give each number once, and up to {MOST_NUMBERS}")
    return values


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
    magnitude: tuple[float, ...] = key(
        (), "augment.magnitude, or several with commas between them; default: each option's", finite_numbers
    )
    images: int = key(10, "columns of the sheet", whole_number(2, 16))


class Cut(NamedTuple):
    """One way to cut a batch: ``devices x micro_batch x accumulation``."""

    devices: int
    micro_batch: int
    accumulation: int


@dataclass(frozen=True, kw_only=True)
class CutKeys(ProbeKeys):
    """What `probe=split` can be told.

    Raises:
        UserError: a batch or a ghost batch that does not divide.
    """

    probe: ClassVar[str] = "split"
    about: ClassVar[str] = "one batch cut over devices and accumulation: what that changes"
    example: ClassVar[str] = "model=nf_resnet20,nfnet_nano,resnet20"

    model: tuple[str, ...] = key(("nf_resnet20", "nfnet_nano", "resnet20"), f"up to {MOST_NETWORKS} networks", networks)
    batch: int = key(48, "digits in one optimizer step", whole_number(2, 1024))
    devices: tuple[int, ...] = key((1, 2), "processes, with commas between them", whole_numbers(1, 64))
    accumulation: tuple[int, ...] = key((1, 2, 4), "micro batches a device adds up to one step", whole_numbers(1, 64))
    ghost_batch: tuple[int, ...] | None = key(
        None, "each a case of every BatchNorm network; default: 1 and the smallest micro batch", whole_numbers(1, 1024)
    )
    steps: int = key(4, "optimizer steps", whole_number(1, 1000))
    image_size: int = key(14, f"side in pixels: {', '.join(map(str, DIGIT_SIZES))}", digit_size)

    def __post_init__(self) -> None:
        for devices in self.devices:
            for count in self.accumulation:
                if self.batch % (unit := devices * count):
                    lower, upper = self.batch // unit * unit, (self.batch // unit + 1) * unit
                    nearest = f"batch={lower} or batch={upper}" if lower else f"batch={upper}"
                    raise UserError(
                        f"batch={self.batch}: does not divide into devices={devices} x accumulation={count} = {unit}; "
                        f"use {nearest}"
                    )
        for ghost in self.ghost_batches:
            for cut in self.cuts:
                if cut.micro_batch % ghost:
                    raise UserError(
                        f"ghost_batch={ghost}: does not divide the micro batch of {cut.micro_batch} images "
                        f"(devices={cut.devices} x accumulation={cut.accumulation}); "
                        f"use a divisor of {math.gcd(*(one.micro_batch for one in self.cuts))}"
                    )

    @property
    def cuts(self) -> list[Cut]:
        """The batch in one piece, then every other cut, from large to small micro batches."""
        asked = {(devices, count) for devices in self.devices for count in self.accumulation} | {(1, 1)}
        found = [Cut(devices, self.batch // (devices * count), count) for devices, count in asked]
        return sorted(found, key=lambda cut: (-cut.micro_batch, cut.devices))

    @property
    def ghost_batches(self) -> tuple[int, ...]:
        """Those asked for, or one image and the smallest micro batch."""
        if self.ghost_batch is not None:
            return self.ghost_batch
        return tuple(sorted({1, math.gcd(*(cut.micro_batch for cut in self.cuts))}))


PROBES: dict[str, type[ProbeKeys]] = {one.probe: one for one in (SignalKeys, AugmentKeys, CutKeys)}


def typed(value: Any) -> str:
    """A value as it is typed."""
    if isinstance(value, tuple):
        return ",".join(map(typed, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def keys_of_probe(name: str) -> str:
    """The part of `--help` on one probe."""
    probe = PROBES[name]
    lines = [f"  python report.py probe={name} {probe.example}     {probe.about}", ""]
    width = max(11, *(len(each.name) for each in fields(probe)))
    for each in fields(probe):
        default = "" if each.default in ((), None) else typed(each.default)
        text = each.metadata["text"]
        if len(default) > 8:
            default, text = "", f"{text}; default: {default}"
        lines.append(f"    {each.name:{width}}  {default:8} {text}")
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
    if not values.get(needed) and getattr(PROBES[name], needed) == ():
        what = "networks" if needed == "model" else "options"
        raise UserError(f"{needed}: is missing; probe={name} needs {what}, such as {needed}={example}")
    return PROBES[name](**values)
