"""Networks beside timm, torchvision or their twins: forward and backward pass, inference, peak memory, traffic.

Traffic is what the operations of a training step in bfloat16 read and write, counted and not measured.

A ratio is the other's time (memory, traffic) over ours, so more than 1 is better; low and high are quartiles over the
rounds. With against=twin the other is the same network with the other normaliser: what BatchNorm costs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import torch

from normfree.bench.case import FORMS, LAYOUTS, PRECISIONS, Case, refuse_captured
from normfree.bench.compiler import refuse_compiled
from normfree.bench.memory import peak_bytes
from normfree.bench.options import device_of, file_of
from normfree.bench.peers import build_other, other_label
from normfree.bench.rows import Table
from normfree.config.key_readers import choice, listed, optional, plain_text, whole_number
from normfree.config.keys import key
from normfree.nets import create_model, fold, model_info
from normfree.nets.traffic import bytes_moved
from normfree.probe.timing import CLOCKS, Spread, interleave, ratios

SUITE = "training step, inference and memory of networks beside timm and torchvision"
TITLE = "Networks"

COLUMNS = (
    "model", "against", "what", "subject", "form", "precision", "layout", "image_size", "batch",
    "unit", "value", "low", "high", "ratio", "ratio_low", "ratio_high", "rounds", "clock",
)  # fmt: skip
KEYS = ("model", "against", "what", "subject", "form", "precision", "layout", "image_size", "batch", "threads")
WHAT = ("traffic", "infer", "train", "memory")


@dataclass
class Options:
    """What is measured."""

    models: list[str] = key(["nf_resnet50", "nfnet_f0", "resnet50"], "networks of this package")
    against: str = key("peer", "peer (timm, torchvision) or twin (the other normaliser)", choice("peer", "twin"))
    what: list[str] = key(["traffic", "infer", "train", "memory"], "what to measure", listed(choice(*WHAT)))
    precision: list[str] = key(["fp32"], "fp32; bf16 is autocast", listed(choice(*PRECISIONS)))
    layout: list[str] = key(["nchw", "nhwc"], "memory format", listed(choice(*LAYOUTS)))
    batch: list[int] = key([4], "images of a training step")
    infer_batch: list[int] = key([1, 8], "images of an inference")
    image_size: int | None = key(
        None, "side in pixels; null: the network's size in training", optional(whole_number(1))
    )
    form: list[str] = key(
        ["eager"], "eager, captured (as a CUDA graph), compiled (torch.compile), all alike", listed(choice(*FORMS))
    )
    rounds: int = key(9, "measurements of each")
    threads: int = key(1, "CPU threads")
    clock: str = key("auto", "cpu, wall or auto (cpu with one thread on a processor)", choice("auto", *CLOCKS))
    device: str = key("auto", "cpu, cuda or auto", choice("auto", "cpu", "cuda"))
    out: str | None = key(None, "CSV file; null: reports/benchmarks/nets-<device>.csv", optional(plain_text))


@dataclass
class _Suite:
    options: Options
    device: torch.device
    table: Table
    clock: str = field(init=False)

    def __post_init__(self) -> None:
        alone = self.device.type == "cpu" and self.options.threads == 1
        self.clock = self.options.clock if self.options.clock != "auto" else "cpu" if alone else "wall"

    def traffic(self, model: str, image_size: int) -> None:
        """Counted on the meta device, so precision and layout are not the case's."""
        with torch.device("meta"):
            pair = {"plain": create_model(model), "peer": build_other(model, self.options.against)}
        case = Case(model, "bf16", "", image_size, self.device, "eager")
        counts = {form: [float(bytes_moved(network, image_size))] for form, network in pair.items()}
        self.write(case.columns("traffic", 1), case, "MB", 1e-6, counts)

    def network(self, case: Case) -> None:
        torch.manual_seed(0)
        ours, theirs = create_model(case.model), build_other(case.model, self.options.against)
        options = self.options
        if "infer" in options.what:
            forms = {"folded": fold(ours), "plain": ours, "peer": theirs}
            forms = {form: case.prepared(network) for form, network in forms.items()}
            for batch in options.infer_batch:
                calls = {form: case.inference(network, batch) for form, network in forms.items()}
                self.time(case, "infer", batch, calls)
            del forms
        pair = {"plain": case.prepared(ours), "peer": case.prepared(theirs)}
        for batch in options.batch:
            steps = {form: case.step(network, batch) for form, network in pair.items()}
            if "train" in options.what:
                self.time(case, "train", batch, steps)
            if "memory" in options.what and case.form != "captured":  # a replay allocates nothing
                peaks = {
                    form: [float(peak_bytes(step, self.device, pair[form].zero_grad))] for form, step in steps.items()
                }
                self.write(case.columns("memory", batch), case, "MiB", 1 / 2**20, peaks)
        torch._dynamo.reset()

    def time(self, case: Case, what: str, batch: int, calls: dict[str, Callable[[], None]]) -> None:
        seconds = interleave(calls, self.options.rounds, self.device, self.clock)
        self.write(case.columns(what, batch), case, "ms", 1e3, seconds)

    def write(self, place: dict[str, Any], case: Case, unit: str, scale: float, values: dict[str, list[float]]) -> None:
        for form, measured in values.items():
            spread, ratio = (
                Spread.of([scale * value for value in measured]),
                Spread.of(ratios(values["peer"], measured)),
            )
            row = {
                **place,
                "against": self.options.against,
                "subject": other_label(case.model, self.options.against) if form == "peer" else "normfree",
                "form": ("folded " if form == "folded" else "") + case.form,
                "unit": unit,
                "value": spread.median,
                "low": spread.low,
                "high": spread.high,
                "ratio": ratio.median,
                "ratio_low": ratio.low,
                "ratio_high": ratio.high,
                "rounds": len(measured),
                "clock": self.clock if unit == "ms" else "",
            }
            self.table.write(row)
            print(
                f"{case.model:14} {place['what']:6} batch {place['batch']:<4} {case.image_size} px {case.precision} "
                f"{case.layout} {row['form']:15} {row['subject']:20} {spread.median:10.1f} {unit}  "
                f"ratio {ratio.median:.3f} [{ratio.low:.3f}, {ratio.high:.3f}]",
                flush=True,
            )


def run(options: Options) -> None:
    """Measures and writes; see `Options`.

    Raises:
        UserError: an unknown network, one without a peer, or no such device.
    """
    for model in options.models:
        other_label(model, options.against)
    device = device_of(options.device)
    refuse_captured(options.form, device)
    refuse_compiled(options.form, device)
    torch.set_num_threads(options.threads)
    suite = _Suite(options, device, Table(Path(options.out or file_of("nets", device)), COLUMNS, KEYS, device))
    for model in options.models:
        size = options.image_size or model_info(model).train_size
        if "traffic" in options.what:
            suite.traffic(model, size)
        if options.what == ["traffic"]:
            continue
        for form, precision, layout in product(options.form, options.precision, options.layout):
            suite.network(Case(model, precision, layout, size, device, form))
