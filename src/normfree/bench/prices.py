"""What a network costs with each normaliser, beside BatchNorm: training step, inference, peak memory, traffic.

All of them are timed in turn, in one process. A price is a normaliser's time (memory, traffic) over BatchNorm's in the
same network: 1.3 is 30 % dearer; low and high are quartiles over the rounds. Inference is of the folded network where
it folds. Traffic is what the operations of an eager training step in bfloat16 read and write, counted and not measured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from normfree.bench.case import FORMS, LAYOUTS, PRECISIONS, Case, refuse_captured
from normfree.bench.compiler import refuse_compiled
from normfree.bench.memory import peak_bytes
from normfree.bench.options import device_of, file_of
from normfree.bench.prices_figure import caption as caption
from normfree.bench.prices_figure import draw_figure
from normfree.bench.rows import Table
from normfree.config import UserError
from normfree.config.key_readers import choice, listed, optional, plain_text
from normfree.config.keys import key
from normfree.host.files import write_bytes_atomic
from normfree.nets import ClassifierNetwork, create_model, fold, list_normalizers, model_info, model_options
from normfree.nets.normalizer_prices import TWIN
from normfree.nets.normalizers import DEFAULT, normalizer
from normfree.nets.traffic import bytes_moved
from normfree.probe.timing import Spread, interleave, ratios

SUITE = "what a network costs with each normaliser, beside BatchNorm"
TITLE = "Normalisers in a network"

COLUMNS = (
    "model", "normalizer", "what", "form", "precision", "layout", "image_size", "batch", "unit", "value", "low", "high",
    "price", "price_low", "price_high", "rounds",
)  # fmt: skip
KEYS = ("model", "normalizer", "what", "form", "precision", "layout", "image_size", "batch", "threads")
WHAT = ("traffic", "infer", "train", "memory")


@dataclass
class Options:
    """What is measured."""

    model: str = key("resnet20", "a BatchNorm network of this package")
    normalizers: list[str] = key(["all"], "names, all of them, or twin for the NF network of the same shape")
    what: list[str] = key([*WHAT], "what to measure", listed(choice(*WHAT)))
    precision: str = key("fp32", "fp32; bf16 is autocast", choice(*PRECISIONS))
    layout: str = key("nhwc", "memory format", choice(*LAYOUTS))
    form: str = key("eager", "eager, captured (as a CUDA graph) or compiled (torch.compile)", choice(*FORMS))
    batch: int = key(128, "images of a step")
    image_size: int = key(32, "side of the images in pixels")
    rounds: int = key(9, "measurements of each")
    measure: bool = key(True, "false: the figure from the rows that are there")
    threads: int = key(1, "CPU threads")
    device: str = key("auto", "cpu, cuda or auto", choice("auto", "cpu", "cuda"))
    out: str | None = key(None, "CSV file; null: reports/benchmarks/prices-<device>.csv", optional(plain_text))


def chosen(options: Options) -> dict[str, ClassifierNetwork]:
    """The networks by what they have in BatchNorm's place, BatchNorm first.

    Raises:
        UserError: no such network or normaliser, the network takes none, or it has no twin.
    """
    try:
        takes, twin = "normalizer" in model_options(options.model), model_info(options.model).twin
    except ValueError as error:
        raise UserError(f"model={options.model}: {error}") from error
    if not takes:
        raise UserError(f"model={options.model}: takes no normaliser; give a BatchNorm network, such as resnet20")
    known = [*list_normalizers(), *([TWIN] if twin else [])]
    wanted = known if options.normalizers == ["all"] else options.normalizers
    if unknown := [name for name in wanted if name not in known]:
        raise UserError(
            f"normalizers={unknown[0]}: {options.model} has none of this name; choose from {', '.join(known)}"
        )
    names = dict.fromkeys([DEFAULT, *wanted])
    return {
        name: create_model(str(twin)) if name == TWIN else create_model(options.model, normalizer=name)
        for name in names
    }


def run(options: Options) -> None:
    """Measures, writes, and draws where the accuracies of a study are there; see `Options`.

    Raises:
        UserError: as `chosen`, no such device or form of it, or nothing to draw.
    """
    networks = chosen(options) if options.measure else {}
    device = device_of(options.device)
    path = Path(options.out or file_of("prices", device))
    refuse_captured([options.form], device)
    refuse_compiled([options.form], device)
    torch.set_num_threads(options.threads)
    clock = "cpu" if device.type == "cpu" and options.threads == 1 else "wall"
    case = Case(options.model, options.precision, options.layout, options.image_size, device, options.form)
    table = Table(path, COLUMNS, KEYS, device)
    for what in options.what if options.measure else []:
        if what == "traffic":
            counted = {name: [float(bytes_moved(network, options.image_size))] for name, network in networks.items()}
            _write(table, case, what, 1, "MB", 1e-6, counted)
        elif what == "infer":
            folded = {name: fold(network) if _folds(name) else network for name, network in networks.items()}
            calls = {name: case.inference(case.prepared(each), options.batch) for name, each in folded.items()}
            _write(table, case, what, options.batch, "ms", 1e3, interleave(calls, options.rounds, device, clock))
        else:
            steps = {name: case.step(case.prepared(each), options.batch) for name, each in networks.items()}
            if what == "train":
                _write(table, case, what, options.batch, "ms", 1e3, interleave(steps, options.rounds, device, clock))
            else:
                peaks = {name: [_peak(steps[name], networks[name], device)] for name in networks}
                _write(table, case, what, options.batch, "MiB", 1 / 2**20, peaks)
    if not table.rows:
        raise UserError(f"out={path}: has no row to draw; leave out measure=false")
    if files := draw_figure(table.rows):
        for kind, content in files.items():
            write_bytes_atomic(path.with_suffix(f".{kind}"), content)
        print(caption(table.rows), path, *(path.with_suffix(f".{kind}") for kind in files), sep="\n")


def _folds(name: str) -> bool:
    return name == TWIN or normalizer(name).folds


def _peak(step: Callable[[], None], network: ClassifierNetwork, device: torch.device) -> float:
    return float(peak_bytes(step, device, network.zero_grad))


def _write(
    table: Table, case: Case, what: str, batch: int, unit: str, scale: float, values: dict[str, list[float]]
) -> None:
    for name, measured in values.items():
        value = Spread.of([scale * each for each in measured])
        price = Spread.of(ratios(measured, values[DEFAULT]))
        table.write({
            **case.columns(what, batch), "normalizer": name, "form": case.form, "unit": unit,
            "value": value.median, "low": value.low, "high": value.high,
            "price": price.median, "price_low": price.low, "price_high": price.high, "rounds": len(measured),
        })  # fmt: skip
        print(
            f"{case.model} {name:13} {what:7} {value.median:9.2f} {unit}, {price.median:.2f} of BatchNorm's "
            f"[{price.low:.2f}, {price.high:.2f}]",
            flush=True,
        )


def section(rows: list[dict[str, str]]) -> str:
    """A line a normaliser: what it costs over BatchNorm."""
    lines = []
    for model in dict.fromkeys(row["model"] for row in rows):
        of_model = [row for row in rows if row["model"] == model]
        what = [each for each in WHAT if any(row["what"] == each for row in of_model)]
        lines += [f"| {model} | " + " | ".join(what) + " |", "|---" * (len(what) + 1) + "|"]
        for name in dict.fromkeys(row["normalizer"] for row in of_model):
            price = {row["what"]: row for row in of_model if row["normalizer"] == name}
            lines.append(f"| {name} | " + " | ".join(_told(price.get(each)) for each in what) + " |")
        lines.append("")
    return "\n".join(lines)


def _told(row: dict[str, str] | None) -> str:
    if row is None:
        return ""
    price = f"{float(row['price']):.2f}"
    spread = f" [{float(row['price_low']):.2f}, {float(row['price_high']):.2f}]" if row["rounds"] != "1" else ""
    return price + spread
