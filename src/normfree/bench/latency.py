"""Latency of a training step and of inference, at each paper's image sizes, beside what the device could reach.

A training step is forward and backward pass, AGC where there is no BatchNorm, and SGD with Nesterov momentum (its
learning rate is 0, so that all steps compute the same); update=false leaves the last two out. form=captured replays
both passes as a CUDA graph, so that the processor's pace does not count; the update stays as it is. Inference is
that of the folded network. Networks that fit into memory together are measured in turn, in an order that rotates, for
each memory format, precision and form; `best` marks the fastest of these. Medians, p10 and p90 of the rounds, on the
wall clock.

`tflops` is from counted multiply-adds (training: three forward passes less the first convolution's input gradient) and
`of_matmul` its share of a matrix product measured here; `of_copy` is what eager operations read and write, as counted,
as a share of a copy measured here: 1 and more where caches or a compiler save what is counted. `roofline` is the
larger of the two. What does not fit, or would take longer than budget_s, has a row with its reason and no number.

Afterwards it prints the paper's ratios beside those measured, and draws the paper's figure 1 beside the CSV file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from normfree.bench.case import FORMS, LAYOUTS, PRECISIONS, refuse_captured
from normfree.bench.compiler import refuse_compiled
from normfree.bench.latency_figure import caption as caption
from normfree.bench.latency_figure import draw_figure
from normfree.bench.latency_ratios import ratio_lines
from normfree.bench.latency_rows import COLUMNS, KEYS, WHAT, mark_best
from normfree.bench.latency_rows import section as section
from normfree.bench.latency_steps import Settings, measure
from normfree.bench.options import device_of, file_of
from normfree.bench.rows import Table, device_name
from normfree.config import UserError
from normfree.config.key_readers import choice, listed, number, optional, plain_text, whole_number
from normfree.config.keys import key
from normfree.host.devices import cores
from normfree.host.files import write_bytes_atomic
from normfree.nets import model_info

SUITE = "latency of networks at their papers' image sizes, beside the roofline and the paper's figure 1"
TITLE = "Latency"

EVERYTHING = (
    *(f"nfnet_f{level}" for level in range(7)),
    *(f"bn_nfnet_f{level}" for level in range(4)),
    *(f"efficientnet_b{level}" for level in range(8)),
    *(f"{family}{layers}" for layers in (50, 101, 152) for family in ("resnet", "nf_resnet")),
)
REDUCED = (
    *("nfnet_f0", "bn_nfnet_f0", "nfnet_f1", "bn_nfnet_f1"),
    *("efficientnet_b0", "efficientnet_b3", "efficientnet_b7", "resnet50", "nf_resnet50"),
)
_BATCH = {"cpu": 2, "cuda": 32}


def _positive(text: str) -> float:
    if (value := number(text)) <= 0:
        raise ValueError("give a number above 0")
    return value


@dataclass
class Options:
    """What is measured."""

    models: list[str] | None = key(
        None, "networks of this package; null: NFNets, twins, EfficientNets, ResNets, on a CPU nine of them",
        optional(listed(plain_text)),
    )  # fmt: skip
    what: list[str] = key(["train", "infer"], "what to measure", listed(choice(*WHAT)))
    precision: list[str] = key(["fp32", "bf16"], "fp32; bf16 is autocast", listed(choice(*PRECISIONS)))
    layout: list[str] = key(["nchw", "nhwc"], "memory formats", listed(choice(*LAYOUTS)))
    form: list[str] | None = key(
        None,
        "eager, captured (the pass as a CUDA graph), compiled (torch.compile); null: on a GPU eager and captured",
        optional(listed(choice(*FORMS))),
    )
    batch: int | None = key(None, "images; null: 32 on a GPU, 2 on a CPU", optional(whole_number(1)))
    image_size: int | None = key(
        None, "side in pixels; null: the network's size in training and in testing", optional(whole_number(1))
    )
    update: bool = key(True, "clip gradients and update the weights in a training step")
    rounds: int = key(7, "measurements of each")
    budget_s: float = key(300.0, "seconds that one case may take; a slower one is not measured", _positive)
    memory_gb: float | None = key(None, "memory to use, in GB; null: what is free", optional(_positive))
    threads: int | None = key(None, "CPU threads; null: one a core", optional(whole_number(1)))
    resume: bool = key(False, "leave out what the file has from this commit, hardware and versions")
    measure: bool = key(True, "false: ratios and figure from the rows that are there")
    device: str = key("auto", "cpu, cuda or auto", choice("auto", "cpu", "cuda"))
    out: str | None = key(None, "CSV file; null: reports/benchmarks/latency-<device>.csv", optional(plain_text))


def run(options: Options) -> None:
    """Measures, writes and draws; see `Options`.

    Raises:
        UserError: an unknown network, images too small for one, no such device, no compiler, or no row.
    """
    device = device_of(options.device)
    torch.set_num_threads(options.threads or cores())
    path = Path(options.out or file_of("latency", device))
    models = list(dict.fromkeys(options.models or (EVERYTHING if device.type == "cuda" else REDUCED)))
    for name in models:
        try:
            model_info(name)
        except ValueError as error:
            raise UserError(f"models={name}: {error}") from error
    forms = _forms(options, device) if options.measure else []
    table = Table(path, COLUMNS, KEYS, device)
    if options.measure:
        measure(
            Settings(
                models, options.what, options.precision, options.layout, forms, options.batch or _BATCH[device.type],
                options.image_size, options.update, options.rounds, options.budget_s,
                None if options.memory_gb is None else round(1e9 * options.memory_gb), options.resume,
            ),
            device, table,
        )  # fmt: skip
    if not table.rows:
        raise UserError(f"out={path}: has no row to draw; leave out measure=false")
    mark_best(table)
    print(*ratio_lines(table.rows, device_name(device)), sep="\n")
    files = draw_figure(table.rows, device_name(device))
    for kind, content in files.items():
        write_bytes_atomic(path.with_suffix(f".{kind}"), content)
    print(caption(table.rows, device_name(device)), path, *(path.with_suffix(f".{kind}") for kind in files), sep="\n")


def _forms(options: Options, device: torch.device) -> list[str]:
    forms = options.form or (["eager", "captured"] if device.type == "cuda" else ["eager"])
    refuse_captured(forms, device)
    refuse_compiled(forms, device)
    return forms
