"""Training beside a bare PyTorch loop, timm's loop, and Lightning with timm's network: the race on a user's work.

Every contestant trains the same number of steps on the same encoded images with the same augmentation (random crop,
mirrored at random), batch, loss, AGC, SGD and moving average of the weights, from a call in a process of its own that
has imported everything. Rounds are interleaved; the order rotates.

what=train: images per second from the call, with opening, reading and decoding images and building the network, to the
end of the last step; nobody is evaluated. what=target: seconds to the end of the first evaluation that reaches
`target`; all are evaluated on the same test images, weights and average, after every pass. what=step: forward and
backward pass, AGC, SGD and moving average on images that stay the same.

normfree is the run that train.py starts: images as parquet are decoded once, with a thread a core, and held in memory;
files are read again in every pass by `workers` processes. All others read again in every pass with `workers` processes.
With form=compiled ours has trainer.compile=true and the others torch.compile as it comes; compiling counts in seconds.
bare and normfree train this package's network, timm and lightning timm's; the rows say which. `ratio` is the other's
time over ours, round by round: more than 1 means that ours is faster.
"""

from __future__ import annotations

import importlib.util
import tempfile
import time
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any

import torch

from normfree.bench.options import device_of, file_of
from normfree.bench.peers import PEERS
from normfree.bench.race import step, work
from normfree.bench.race.apart import Contestants
from normfree.bench.race.images import DATA, Encoded, read, write
from normfree.bench.race.step import StepCase
from normfree.bench.race.table import COLUMNS, KEYS, add, section
from normfree.bench.race.work import CONTESTANTS, Done, Work
from normfree.bench.rows import Table
from normfree.config import UserError
from normfree.config.key_readers import choice, listed, number, optional, plain_text, whole_number
from normfree.config.keys import key
from normfree.host.installing import install
from normfree.nets import model_info
from normfree.probe.timing import Spread

__all__ = ["COLUMNS", "KEYS", "SUITE", "TITLE", "Options", "run", "section"]

SUITE = "training beside a bare PyTorch loop, timm's loop and Lightning with timm's network"
TITLE = "Training"

WHAT = ("train", "target", "step")
OURS = "normfree"
_WARMUP_STEPS = 2


@dataclass
class Options:
    """What is measured."""

    what: list[str] = key(list(WHAT), "what to measure", listed(choice(*WHAT)))
    contestants: list[str] = key(list(CONTESTANTS), "who trains", listed(choice(*CONTESTANTS)))
    root: str | None = key(
        None, "CIFAR-10 as Hugging Face parquet; null: the embedded digits as JPEG", optional(plain_text)
    )
    data: list[str] = key(list(DATA), "parquet, or folder: files in class folders", listed(choice(*DATA)))
    model: str = key("nf_resnet20", "network of this package")
    size: int = key(32, "side in pixels")
    crop: str = key("padded", "random crop: padded (by 4 px) or resized", choice("padded", "resized"))
    batch: int = key(128, "images of a step")
    samples: int = key(4096, "training images, or all where there are fewer", whole_number(10))
    epochs: int = key(4, "passes of what=train")
    test: int = key(1000, "test images of what=target, or all where there are fewer", whole_number(10))
    target: float = key(0.35, "accuracy of what=target on the test images, in [0, 1]", number)
    target_epochs: int = key(5, "passes of what=target, of one learning-rate schedule")
    device: str = key("auto", "cpu, cuda, or auto: the GPU if there is one", choice("auto", "cpu", "cuda"))
    form: list[str] = key(["eager"], "eager, compiled: of what=train and target", listed(choice("eager", "compiled")))
    precision: list[str] = key(["fp32"], "fp32; bf16 is autocast", listed(choice("fp32", "bf16")))
    layout: str = key("nhwc", "memory format: nhwc, as train.py has it for small images, or nchw",
                      choice("nhwc", "nchw"))  # fmt: skip
    peer_layout: str = key("same", "that of all but normfree; timm's train.py has nchw unless it is told otherwise",
                           choice("same", "nhwc", "nchw"))  # fmt: skip
    ema: float | None = key(0.99, "decay of the moving average of the weights; null: none", optional(number))
    loader: str = key("auto", "data.loader of normfree", choice("auto", "resident", "workers"))
    workers: int = key(2, "processes that read images", whole_number(0))
    threads: int = key(2, "CPU threads that compute")
    rounds: int = key(3, "trainings of each")
    step_models: list[str] = key(["nf_resnet50", "nfnet_f0"], "networks of what=step")
    step_size: int = key(128, "side in pixels of what=step")
    step_batch: int = key(4, "images of what=step")
    step_layout: list[str] = key(["nchw", "nhwc"], "memory formats of what=step", listed(choice("nchw", "nhwc")))
    step_rounds: int = key(11, "steps measured of each")
    apart: bool = key(True, "a process for each contestant")
    out: str | None = key(None, "CSV file; null: reports/benchmarks/train-DEVICE.csv", optional(plain_text))


def run(options: Options) -> None:
    """Measures and writes; see `Options`.

    Raises:
        UserError: a network that there is not, images that there are not, a peer that is not installed, or a training
            that fails.
    """
    _refuse(options)
    torch.set_num_threads(options.threads)
    device = device_of(options.device)
    table = Table(Path(options.out or file_of("train", device)), COLUMNS, KEYS, device)
    trained = [what for what in options.what if what != "step"]
    with tempfile.TemporaryDirectory() as folder, Contestants(options.contestants, options.apart) as contestants:
        if trained:
            images = read(options.root, options.samples, options.test)
            if len(images.train) < options.batch:
                raise UserError(
                    f"batch={options.batch}: there are {len(images.train)} training images; make it smaller"
                )
            for what, data, precision, form in product(trained, options.data, options.precision, options.form):
                place = Path(folder) / f"{what}-{data}"
                root = str(place) if place.exists() else write(images, data, place, evaluated=what == "target")
                work_of = replace(
                    _work(what, data, precision, root, images, options), device=device.type, compile=form == "compiled"
                )
                _train(what, work_of, images, options, table, contestants)
    if "step" in options.what:
        names = [name for name in options.contestants if name in step.CONTESTANTS]
        for model, precision, layout in product(options.step_models, options.precision, options.step_layout):
            case = StepCase(
                model,
                options.step_size,
                options.step_batch,
                precision,
                layout,
                options.ema,
                options.threads,
                device.type,
            )
            with Contestants(names, options.apart) as contestants:  # new ones: their memory is all free
                _step(case, names, options, table, contestants)


def _refuse(options: Options) -> None:
    if OURS not in options.contestants:
        raise UserError(
            f"contestants={','.join(options.contestants)}: the others are measured beside {OURS}; add it to them"
        )
    if {"timm", "lightning"} & set(options.contestants) and importlib.util.find_spec("timm") is None:
        raise UserError(
            f"contestants={','.join(options.contestants)}: timm is not installed; {install('normfree[peers]')}, "
            "or leave it out: contestants=normfree,bare"
        )
    if not 0 < options.target <= 1:
        raise UserError(f"target={options.target:g}: give an accuracy above 0, up to 1")
    if options.ema is not None and not 0 <= options.ema < 1:
        raise UserError(f"ema={options.ema:g}: give a decay of at least 0 and below 1, or null")
    for name, model in (("model", options.model), *(("step_models", model) for model in options.step_models)):
        try:
            model_info(model)
        except ValueError as error:
            raise UserError(f"{name}={model}: {error}") from error
        if name == "step_models" and PEERS.get(model, ("", ""))[0] != "timm":
            there = ", ".join(each for each, (library, _) in PEERS.items() if library == "timm")
            raise UserError(f"step_models={model}: timm has no such network; there are: {there}")


def _work(what: str, data: str, precision: str, root: str, images: Encoded, options: Options) -> Work:
    samples = len(images.train)
    epochs = options.target_epochs if what == "target" else options.epochs
    return Work(
        model=options.model, data=data, root=root, classes=images.classes, size=options.size, crop=options.crop,
        samples=samples, batch=options.batch, steps=epochs * (samples // options.batch), precision=precision,
        layout=options.layout, ema=options.ema, loader=options.loader, workers=options.workers,
        threads=options.threads, evaluated=what == "target",
    )  # fmt: skip


def _train(what: str, asked: Work, images: Encoded, options: Options, table: Table, contestants: Contestants) -> None:
    names = options.contestants
    theirs = asked if options.peer_layout == "same" else replace(asked, layout=options.peer_layout)
    works = {name: asked if name == OURS else theirs for name in names}
    for name in names:
        began = time.monotonic()
        contestants.call(name, work.train, name, replace(works[name], steps=_WARMUP_STEPS))
        print(f"{what:6} {asked.model:12} {name} is warm after {time.monotonic() - began:.1f} s", flush=True)
    done: dict[str, list[Done]] = {name: [] for name in names}
    for turn in range(options.rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            done[name].append(contestants.call(name, work.train, name, replace(works[name], seed=turn)))
            if (trained := done[name][-1].steps) != asked.steps:
                raise UserError(f"contestants={name}: trained {trained} steps instead of {asked.steps}; it diverged")
        took = " ".join(f"{name} {done[name][-1].seconds:.1f}" for name in names)
        print(f"{what:6} {asked.model:12} round {turn + 1} of {options.rounds}, seconds: {took}", flush=True)
        _write(what, works, images, options, table, done)


def _write(
    what: str, works: dict[str, Work], images: Encoded, options: Options, table: Table, done: dict[str, list[Done]]
) -> None:
    """The rows of the rounds that there are: a race that is cut leaves those that it ended."""
    seconds = {name: [_seconds(what, each, options.target) for each in done[name]] for name in done}
    peers_layout = next((works[name].layout for name in works if name != OURS), works[OURS].layout)
    for name, its_work in works.items():
        latest, rounds = done[name][-1], len(done[name])
        row: dict[str, Any] = {
            "what": what, "model": its_work.model, "images": images.label, "data": its_work.data, "contestant": name,
            "network": _network(name, its_work.model), "crop": its_work.crop, "loader": its_work.loader,
            "precision": its_work.precision, "form": "compiled" if its_work.compile else "eager",
            "layout": works[OURS].layout, "peer_layout": peers_layout, "size": its_work.size,
            "batch": its_work.batch, "samples": its_work.samples, "epochs": its_work.steps // its_work.per_epoch,
            "ema": its_work.ema, "workers": its_work.workers, "seen": latest.images, "steps": latest.steps,
            "parameters": latest.parameters, "unit": "images/s" if what == "train" else "s", "rounds": rounds,
            "clock": "wall",
        }  # fmt: skip
        if what == "target":
            reached = [each for each in seconds[name] if each is not None]
            final = Spread.of([each.evaluations[-1][1] for each in done[name]])
            row |= {"target": options.target, "accuracy": final.median, "reached": f"{len(reached)} of {rounds}"}
        add(table, row, seconds[name], seconds[OURS], told=rounds == options.rounds)


def _seconds(what: str, done: Done, target: float) -> float | None:
    return done.seconds if what == "train" else done.seconds_to(target)


def _network(contestant: str, model: str) -> str:
    if contestant in ("normfree", "bare"):
        return f"normfree {model}"
    told = import_module("normfree.bench.race.timm_network").told(model)
    return str(told)


def _step(case: StepCase, names: list[str], options: Options, table: Table, contestants: Contestants) -> None:
    parameters = {name: contestants.call(name, step.seconds, name, case)[1] for name in names}
    seconds: dict[str, list[float | None]] = {name: [] for name in names}
    for turn in range(options.step_rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            seconds[name].append(contestants.call(name, step.seconds, name, case)[0])
    for name in names:
        row = {
            "what": "step", "model": case.model, "contestant": name, "network": _network(name, case.model),
            "precision": case.precision, "form": "eager", "layout": case.layout, "peer_layout": case.layout,
            "size": case.size, "batch": case.batch,
            "ema": case.ema, "parameters": parameters[name], "unit": "ms", "rounds": options.step_rounds,
            "clock": "wall",
        }  # fmt: skip
        add(table, row, seconds[name], seconds[OURS])
