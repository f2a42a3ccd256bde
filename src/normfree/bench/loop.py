"""A run through train.py beside a bare PyTorch loop, and what one of a sweep costs before its first step.

Both loops train the same network on the same batches with the same clipping, optimizer and schedule; the bare one
records nothing, watches nothing and saves nothing. Per step, between the first and the last row of metrics.csv; `over`
is the run's time over the bare loop's (less is better). That of the sweep is a tiny one in a worker of the pool
launcher that has trained one before: from the result of the one to the first step of the next.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F

from normfree.bench.rows import Table
from normfree.compose.run import compose_run
from normfree.config import Resolved, UserError
from normfree.config.clipping import CLIP_KEYS
from normfree.config.key_readers import choice
from normfree.config.keys import key
from normfree.config.parts import CUSTOM
from normfree.data import build_source
from normfree.optim import build_sgd, warmup_cosine
from normfree.probe.timing import CLOCKS, Spread, ratios
from normfree.runs import run_id
from normfree.sweep.pool import Pool, Task
from normfree.train.lightning_noise import quieten
from normfree.train.parts.clipped import NetworkClipping
from normfree.train.parts.network import build_network
from normfree.train.run import run_one

SUITE = "a run beside a bare PyTorch loop, and the fixed cost of a run of a sweep"
TITLE = "The training loop"

COLUMNS = ("what", "model", "clip", "batch", "size", "subject", "value", "low", "high", "unit", "over", "over_low",
           "over_high", "rounds", "clock")  # fmt: skip
KEYS = ("what", "model", "clip", "batch", "size", "subject", "threads")
_RUN = ["model=resnet20", "clip=none", "data.train_size=7", "batch=50", "steps=2", "optimizer.warmup_steps=1"]
CLIPS = tuple(name for name in CLIP_KEYS if name != CUSTOM)
_EVERY = 10

Seconds = Callable[[], float]


@dataclass
class Options:
    """What is measured."""

    model: str = key("nf_resnet20", "network of this package, small enough for mnist5k")
    clip: str = key("agc", "as for train.py", choice(*CLIPS))
    batch: int = key(256, "images of a step")
    image_size: int = key(28, "side in pixels")
    steps: int = key(20, "steps measured in a round")
    rounds: int = key(5, "measurements of each")
    runs: int = key(8, "runs of the sweep")
    clock: str = key("cpu", "cpu or wall", choice(*CLOCKS))
    out: str = key("reports/benchmarks/loop-cpu.csv", "CSV file")


def run(options: Options) -> None:
    """Measures on the processor, with one thread, and writes; see `Options`.

    Raises:
        UserError: a network, batch or image size that there is not.
    """
    quieten()
    torch.set_num_threads(1)
    table = Table(Path(options.out), COLUMNS, KEYS, torch.device("cpu"))
    clock = time.process_time if options.clock == "cpu" else time.perf_counter
    with tempfile.TemporaryDirectory() as folder:
        common = [f"model={options.model}", f"clip={options.clip}", f"batch={options.batch}", "trainer=cpu"]
        common += [f"data.train_size={options.image_size}", f"steps={options.steps + _EVERY}"]
        common += [f"trainer.log_every={_EVERY}", "trainer.threads=1", "epochs=null"]
        seconds: dict[str, list[float]] = {"bare loop": [], "train.py": []}
        for turn in range(options.rounds + 1):
            resolved = compose_run([*common, f"runs_dir={folder}/{turn}"])
            cases: list[tuple[str, Callable[[Resolved, Seconds], float]]] = [("bare loop", _bare), ("train.py", _ours)]
            for name, case in cases if turn % 2 else cases[::-1]:
                took = case(resolved, clock)
                if turn:  # the first round warms up
                    seconds[name].append(took)
        for name, values in seconds.items():
            _write(table, options, name, values, ratios(values, seconds["bare loop"]))
        costs = _between(options.runs, Path(folder))
    spread = Spread.of(costs)
    row = {"what": "run", "model": "resnet20", "clip": "none", "batch": 50, "size": 7, "subject": "pool launcher"}
    row |= {"value": spread.median, "low": spread.low, "high": spread.high, "unit": "s", "clock": "wall"}
    table.write(row | {"rounds": len(costs)})
    print(f"a run of a sweep, to its first step: {spread.median:.2f} s [{spread.low:.2f}, {spread.high:.2f}]")


def _write(table: Table, options: Options, name: str, values: list[float], over: list[float]) -> None:
    spread, share = Spread.of([1e3 * value for value in values]), Spread.of(over)
    row = {"what": "step", "model": options.model, "clip": options.clip, "batch": options.batch, "subject": name}
    row |= {"size": options.image_size, "value": spread.median, "low": spread.low, "high": spread.high, "unit": "ms"}
    row |= {"over": share.median, "over_low": share.low, "over_high": share.high}
    table.write(row | {"rounds": len(values), "clock": options.clock})
    print(
        f"{options.model}, clip={options.clip}, batch {options.batch}, {options.image_size} px  {name:10} "
        f"{spread.median:8.2f} ms a step  {share.median:.3f} [{share.low:.3f}, {share.high:.3f}] of the bare loop",
        flush=True,
    )


def _ours(resolved: Resolved, clock: Seconds) -> float:
    marks: list[tuple[float, float]] = []
    result = run_one(resolved, [], lambda row: marks.append((row["step"], clock())))
    if result["traceback"]:
        raise UserError(f"the run failed: {result['reason']}")
    (first, began), (last, ended) = marks[0], marks[-1]
    return (ended - began) / (last - first)


def _bare(resolved: Resolved, clock: Seconds) -> float:
    config = resolved.config
    torch.manual_seed(config.seed)
    network = build_network(resolved)
    layout = torch.channels_last if config.trainer.channels_last else torch.contiguous_format
    network.to(memory_format=layout)  # type: ignore[call-overload]
    source = build_source(resolved, config.batch)
    settings = config.optimizer
    optimizer = build_sgd(
        network, resolved.lr, weight_decay=settings.weight_decay, momentum=settings.momentum, fused=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: warmup_cosine(step, resolved.steps, resolved.warmup_steps)
    )
    clip = None if config.clip.name == "none" else NetworkClipping(network, config.clip)
    network.train()
    began = 0.0
    for step, batch in enumerate(source.training_batches(0, resolved.steps)):
        if step == _EVERY:
            began = clock()
        optimizer.zero_grad()
        logits = network(batch.images.to(memory_format=layout))
        F.cross_entropy(logits, batch.labels, label_smoothing=settings.label_smoothing).backward()  # type: ignore[no-untyped-call]
        if clip is not None:
            clip()
        optimizer.step()
        schedule.step()
    return (clock() - began) / (resolved.steps - _EVERY)


def _between(count: int, folder: Path) -> list[float]:
    """Seconds from each run's result to the first step of the next."""
    overrides = [[*_RUN, "trainer.log_every=1", f"seed={seed}", f"runs_dir={folder}/runs"] for seed in range(count + 1)]
    runs = [compose_run(each) for each in overrides]
    tasks = [Task(run_id(resolved), resolved, each) for resolved, each in zip(runs, overrides, strict=True)]
    found: list[float] = []
    ended: float | None = None
    with Pool(1, folder) as pool:
        for event in pool.run(tasks):
            now = time.perf_counter()
            if event.result is not None:
                if event.result["traceback"]:
                    raise UserError(f"a run failed: {event.result['reason']}")
                ended = now
            elif ended is not None:
                found.append(now - ended)
                ended = None
    return found
