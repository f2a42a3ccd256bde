"""k runs of a small network as one program, beside k processes: seeds and learning rates of one network at once.

Every run has its own weights, images, labels, learning rate and norms of AGC. A step is forward and backward pass, AGC
(none with BatchNorm, as the recipe has it) and SGD with Nesterov momentum, on images that stay the same. Forms:
processes, k of them with a thread each, and turns, k runs one after another in this process, step as train.py does;
vmap is torch.func's vmap(grad); grouped has the convolutions of k runs as one grouped convolution; bmm as a batched
product of patches and filters. streams has a CUDA stream for each run. _graph captures a step as a CUDA graph, that of
one run for turns and streams; _compiled is torch.compile.

The value is images/s of all runs, k * batch over the time of a step of all, with p10 and p90 of the rounds, which are
interleaved. over_processes and over_turns are how many times faster than these. difference is the largest absolute
one of the weights from separate runs, after `compare_steps` steps of `compare_runs` runs; in the row of turns, that of
separate runs in the other memory format, which is what rounding does by itself.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import torch

from normfree.bench.many.apart import Processes
from normfree.bench.many.equal import Weights, difference, other_layout, weights_alone, weights_together
from normfree.bench.many.forms import FORMS, PROCESSES, TURNS, Form, step_of
from normfree.bench.many.job import Job, Recipe
from normfree.bench.many.table import COLUMNS, KEYS, add, add_trouble, section
from normfree.bench.options import device_of, file_of
from normfree.bench.rows import Table
from normfree.config import UserError
from normfree.config.key_readers import choice, listed, number, optional, plain_text, whole_number
from normfree.config.keys import key
from normfree.nets import list_models, model_info
from normfree.probe.timing import interleave
from normfree.train.parts.compiled import missing_compiler

__all__ = ["COLUMNS", "KEYS", "SUITE", "TITLE", "Options", "run", "section"]

SUITE = "k runs of a small network as one program beside k processes"
TITLE = "Many small runs at once"

_CLIP_FACTOR = 0.04


@dataclass
class Options:
    """What is measured."""

    models: list[str] = key(["nf_resnet20", "resnet20"], "networks of this package")
    k: list[int] = key([1, 2, 4, 8], "runs at once", listed(whole_number(1)))
    forms: list[str] = key([], "some of the forms; empty: all that the device has", listed(choice(*FORMS)))
    compile: bool = key(False, "those of torch.compile too, where forms is empty")
    batch: int = key(128, "images of a step of a run")
    image_size: int = key(32, "side in pixels")
    precision: list[str] = key(["fp32"], "fp32; bf16 is autocast", listed(choice("fp32", "bf16")))
    layout: list[str] = key(["nhwc"], "memory formats", listed(choice("nchw", "nhwc")))
    lr: float = key(0.1, "learning rate of the first run; each further one has 0.9 times the one before", number)
    seconds: float = key(0.2, "least time of a measurement; steps are as many as it takes", number)
    rounds: int = key(5, "measurements of each")
    compare: list[str] = key(["fp32", "fp64"], "precisions in which weights are compared; empty: in none",
                             listed(choice("fp32", "fp64")))  # fmt: skip
    compare_runs: int = key(3, "runs of it")
    compare_steps: int = key(50, "steps of it")
    compare_batch: int = key(32, "images of its steps")
    limit: float | None = key(None, "seconds after which nothing further is begun; null: none", optional(number))
    threads: int = key(1, "CPU threads of this process")
    device: str = key("auto", "cpu, cuda or auto", choice("auto", "cpu", "cuda"))
    out: str | None = key(None, "CSV file; null: reports/benchmarks/together-<device>.csv", optional(plain_text))


def run(options: Options) -> None:
    """Measures and writes; see `Options`.

    Raises:
        UserError: a network that there is not or that has no such form, no GPU or compiler, or a process that failed.
    """
    ends = math.inf if options.limit is None else time.monotonic() + options.limit
    device = device_of(options.device)
    if options.seconds <= 0:
        raise UserError(f"seconds={options.seconds:g}: give a number above 0")
    forms = _forms(options, device)
    batch_norm = {name: _has_batch_norm(name) for name in options.models}
    for name in options.models:
        if batch_norm[name] and any(form.way == "bmm" for form in forms) and options.forms:
            raise UserError(f"models={name}: forms=bmm has no BatchNorm; leave one of them out")
    torch.set_num_threads(options.threads)
    table = Table(Path(options.out or file_of("together", device)), COLUMNS, KEYS, device)
    with ExitStack() as stack:
        processes = None
        if any(form.name == PROCESSES for form in forms):
            processes = stack.enter_context(Processes(max(options.k)))
        for model, precision, layout in product(options.models, options.precision, options.layout):
            clip = None if batch_norm[model] else _CLIP_FACTOR
            those = [form for form in forms if not (form.way == "bmm" and batch_norm[model])]
            job = _job(model, precision, layout, clip, options.compare_runs, options.compare_batch, options)
            compared = _compare(job, those, options, ends)
            for k in options.k:
                if time.monotonic() >= ends:
                    print(f"limit={options.limit:g}: {model}, {precision}, {layout}, k={k} and later are left out")
                    return
                job = _job(model, precision, layout, clip, k, options.batch, options)
                _measure(job, those, compared, options, table, processes, ends)


def _forms(options: Options, device: torch.device) -> list[Form]:
    named = [Form.of(name) for name in options.forms or FORMS]
    if not options.forms:
        if options.compile and (missing := missing_compiler(device)):
            raise UserError(f"compile=true: {missing}")
        return [form for form in named if (device.type == "cuda" or not form.needs_gpu)
                and (options.compile or not form.compiled)]  # fmt: skip
    for form in named:
        if form.needs_gpu and device.type != "cuda":
            raise UserError(f"forms={form.name}: needs a GPU; leave it out or give device=cuda")
        if form.compiled and (missing := missing_compiler(device)):
            raise UserError(f"forms={form.name}: {missing}")
    return named


def _has_batch_norm(model: str) -> bool:
    try:
        info = model_info(model)
    except ValueError as error:
        raise UserError(f"models={model}: {error}") from error
    if model not in _small_networks():
        raise UserError(f"models={model}: has no form of several runs; there are: {', '.join(_small_networks())}")
    return info.normalizer == "batchnorm"


def _small_networks() -> list[str]:
    named = [name for family in ("nf_resnet", "resnet") for name in list_models(family)]
    return [name for name in named if model_info(name).train_size == 32]


def _job(model: str, precision: str, layout: str, clip: float | None, k: int, batch: int, options: Options) -> Job:
    recipes = tuple(Recipe(seed, options.lr * 0.9**seed, clip) for seed in range(k))
    device = str(device_of(options.device))
    return Job(model, options.image_size, batch, precision, layout, device, recipes)


def _compare(job: Job, forms: list[Form], options: Options, ends: float) -> dict[str, dict[str, Any]]:
    """By form, the columns that say whether it computes what separate runs do."""
    columns: dict[str, dict[str, Any]] = {form.name: {} for form in forms}
    for precision in options.compare:
        this = replace(job, precision=precision)
        if time.monotonic() >= ends:
            break
        alone = weights_alone(this, options.compare_steps)
        for form in forms:
            if time.monotonic() >= ends or not (form.batched or form.name == TURNS):
                continue
            try:
                worst = difference(_weights(form, this, options.compare_steps), alone)
            except RuntimeError as error:
                print(f"{job.model}  {form.name}: not compared in {precision}: {_line(error)}", flush=True)
                continue
            columns[form.name] |= {f"difference_{precision}": worst}
            columns[form.name] |= {"compare_runs": options.compare_runs, "compare_steps": options.compare_steps}
            print(
                f"{job.model}  {form.name:22} {worst:.1e} from separate runs in {precision} after "
                f"{options.compare_steps} steps",
                flush=True,
            )
    return columns


def _weights(form: Form, job: Job, steps: int) -> Weights:
    if form.name == TURNS:
        return weights_alone(other_layout(job), steps)
    return weights_together(job, form.way, form.compiled, form.graph, steps)


def _measure(
    job: Job,
    forms: list[Form],
    compared: dict[str, dict[str, Any]],
    options: Options,
    table: Table,
    processes: Processes | None,
    ends: float,
) -> None:
    device = torch.device(job.device)
    cases: dict[str, Callable[[], object]] = {}
    steps: dict[str, int] = {}
    for form in forms:
        if time.monotonic() >= ends:
            print(f"limit={options.limit:g}: {job.model}, k={len(job.recipes)}: {form.name} is left out", flush=True)
            continue
        try:
            several = _several(form, job, processes)
            several(2)
            steps[form.name] = _steps(several, options.seconds, device)
            cases[form.name] = partial(several, steps[form.name])
        except RuntimeError as error:
            add_trouble(table, job, form.name, _line(error))
    measured = interleave(cases, options.rounds, device, "wall", warmup=0)
    seconds = {name: [value / steps[name] for value in values] for name, values in measured.items()}
    add(table, job, seconds, steps, compared)


def _several(form: Form, job: Job, processes: Processes | None) -> Callable[[int], object]:
    if form.name == PROCESSES:
        assert processes is not None
        processes.build(job)
        return partial(processes.take, len(job.recipes))
    take = step_of(form, job)

    def call(steps: int) -> None:
        for _ in range(steps):
            take()

    return call


def _steps(several: Callable[[int], object], least: float, device: torch.device) -> int:
    """How many steps take at least so many seconds."""
    took = interleave({"": partial(several, 2)}, 1, device, "wall", warmup=0)[""][0] / 2
    return max(1, math.ceil(least / took))


def _line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
