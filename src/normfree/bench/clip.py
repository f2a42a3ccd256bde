"""Gradient clipping of a whole network beside timm and PyTorch, and beside one pass over the memory it must touch.

Gradients are random, at such a scale that the given share of the units is clipped, and are put back before each
measurement. `over_timm` is the speed over timm's adaptive_clip_grad (more is better), `of_norm` the time over PyTorch's
clip_grad_norm_(foreach=True), which never reads the parameters (less is better). Quartiles are over the rounds. The
clippers that know earlier steps are measured with the settings of conf/clip.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from normfree.bench.options import device_of, file_of
from normfree.bench.rows import Table
from normfree.clip import BACKENDS, CLIPPERS, backend, clip_grad_agc_, unit_dims
from normfree.compose.run import compose_run
from normfree.config import UserError
from normfree.config.clipping import CLIP_KEYS
from normfree.config.key_readers import choice, optional, plain_text, whole_number
from normfree.config.keys import key
from normfree.nets import create_model, model_info
from normfree.probe.timing import CLOCKS, Spread, interleave, ratios

SUITE = "gradient clipping beside timm, PyTorch and the memory it must touch"
TITLE = "Gradient clipping"

COLUMNS = (
    "model", "clipped", "method", "value", "low", "high", "unit",
    "over_timm", "over_timm_low", "over_timm_high", "of_norm", "operations", "share_of_step",
    "batch", "rounds", "clock",
)  # fmt: skip
KEYS = ("model", "clipped", "method", "batch", "threads")
_VIEWS = {"view", "split_with_sizes", "split", "unsqueeze", "select", "slice", "permute", "unbind", "detach", "alias"}
_ONE_PASS = "one pass"


@dataclass
class Options:
    """What is measured."""

    models: list[str] = key(["nfnet_f0"], "networks of this package")
    clipped: list[str] = key(["0", "0.05", "1"], "shares of the units that are clipped")
    batch: int = key(4, "images of the training step that clipping is a share of")
    image_size: int | None = key(
        None, "side in pixels; null: the network's size in training", optional(whole_number(1))
    )
    rounds: int = key(15, "measurements of each")
    threads: int = key(1, "CPU threads")
    clock: str = key("auto", "cpu, wall or auto (cpu with one thread on a processor)", choice("auto", *CLOCKS))
    device: str = key("auto", "cpu, cuda or auto", choice("auto", "cpu", "cuda"))
    out: str | None = key(None, "CSV file; null: reports/benchmarks/clip-<device>.csv", optional(plain_text))


class Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts what a device is asked to do; views cost nothing and are left out."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += function.overloadpacket.__name__ not in _VIEWS
        return function(*args, **(kwargs or {}))


def gradients_of(parameters: list[Tensor], clipped: float) -> list[Tensor]:
    """Random gradients of which this share of the (timm) units is five times too long, the rest a fifth of the limit.

    Gains that are zero have the floor as their norm.
    """
    found = []
    for parameter in parameters:
        dims = unit_dims(parameter.shape, "timm")
        kept = tuple(range(parameter.ndim)) if dims is None else dims
        norm = torch.linalg.vector_norm(parameter.detach(), dim=kept, keepdim=True).clamp(min=1e-3)
        gradient = torch.randn_like(parameter)
        gradient /= torch.linalg.vector_norm(gradient, dim=kept, keepdim=True)
        long = torch.rand_like(norm) < clipped
        found.append(gradient * norm * torch.where(long, 0.05, 0.002))
    return found


def run(options: Options) -> None:
    """Measures and writes; see `Options`.

    Raises:
        UserError: a network that there is not, a share that is none, or no GPU.
    """
    device = device_of(options.device)
    shares = [_share(text) for text in options.clipped]
    for name in options.models:
        _info(name)
    torch.set_num_threads(options.threads)
    table = Table(Path(options.out or file_of("clip", device)), COLUMNS, KEYS, device)
    alone = device.type == "cpu" and options.threads == 1
    clock = options.clock if options.clock != "auto" else "cpu" if alone else "wall"
    for name in options.models:
        torch.manual_seed(0)
        network = create_model(name).to(device)
        step = _step_seconds(network, options.image_size or _info(name).train_size, options, device, clock)
        print(f"{name}: forward and backward pass of {options.batch} images {1e3 * step:.0f} ms", flush=True)
        parameters: list[Tensor] = list(network.parameters())
        for share in shares:
            _measure(name, parameters, share, options, table, device, clock, step)


def _measure(
    name: str,
    parameters: list[Tensor],
    share: float,
    options: Options,
    table: Table,
    device: torch.device,
    clock: str,
    step: float,
) -> None:
    torch.manual_seed(1)
    fresh = gradients_of(parameters, share)
    for parameter, gradient in zip(parameters, fresh, strict=True):
        parameter.grad = gradient.clone()
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]

    def restore() -> None:
        torch._foreach_copy_(gradients, fresh)

    methods = _methods(parameters, gradients, device)
    operations = {}
    for method, call in methods.items():
        restore()
        with Operations() as counted:
            call()
        operations[method] = counted.count + (method in ("normfree native", "normfree triton"))
    seconds = interleave(methods, options.rounds, device, clock, prepare=restore)
    for method, measured in seconds.items():
        spread = Spread.of([1e3 * value for value in measured])
        timm = Spread.of(ratios(seconds["timm"], measured)) if "timm" in seconds else None
        norm = Spread.of(ratios(measured, seconds["torch norm"])).median
        row = {"model": name, "clipped": f"{share:g}", "method": method, "unit": "ms", "of_norm": norm, "clock": clock}
        row |= {"value": spread.median, "low": spread.low, "high": spread.high, "operations": operations[method]}
        if timm is not None:
            row |= {"over_timm": timm.median, "over_timm_low": timm.low, "over_timm_high": timm.high}
        row |= {"share_of_step": spread.median / 1e3 / step, "batch": options.batch, "rounds": len(measured)}
        table.write(row)
        print(
            f"{name:12} {share:5.0%} clipped  {method:18} {spread.median:8.2f} ms  "
            + (f"{timm.median:5.2f} x timm  " if timm else "")
            + f"{norm:5.2f} of norm  {operations[method]:5} operations  {spread.median / 10 / step:.2f} % of a step",
            flush=True,
        )


def _methods(
    parameters: list[Tensor], gradients: list[Tensor], device: torch.device
) -> dict[str, Callable[[], object]]:
    methods: dict[str, Callable[[], object]] = {}
    if importlib.util.find_spec("timm") is not None:
        from timm.utils.agc import adaptive_clip_grad

        methods["timm"] = partial(adaptive_clip_grad, parameters)
    methods["torch norm"] = lambda: torch.nn.utils.clip_grad_norm_(parameters, 0.01, foreach=True)
    here = ("eager", "bucketed") if device.type == "cpu" else ("bucketed",)
    for name in dict.fromkeys((*here, backend(device))):
        assert name in BACKENDS
        methods[f"normfree {name}"] = partial(clip_grad_agc_, parameters, backend=name)
    for name, clipper in CLIPPERS.items():
        methods[f"normfree {name}"] = partial(clipper(**_settings(name)), parameters)
    values = [parameter.detach() for parameter in parameters]
    # Reads parameters and gradients and writes gradients, without changing them.
    methods[_ONE_PASS] = lambda: torch._foreach_add_(gradients, values, alpha=0)
    return methods


def _settings(name: str) -> dict[str, Any]:
    """What ``train.py clip=`` gives the clipper."""
    clip = compose_run([f"clip={name}"]).config.clip
    return {key: getattr(clip, key) for key in CLIP_KEYS[name]}


def _step_seconds(network: torch.nn.Module, size: int, options: Options, device: torch.device, clock: str) -> float:
    images = torch.randn(options.batch, 3, size, size, device=device)
    labels = torch.randint(0, 1000, (options.batch,), device=device)

    def step() -> None:
        network.zero_grad(set_to_none=True)
        F.cross_entropy(network(images), labels).backward()  # type: ignore[no-untyped-call]

    measured = interleave({"step": step}, 3, device, clock, warmup=1)["step"]
    network.zero_grad(set_to_none=True)
    return Spread.of(measured).median


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise UserError(f"clipped={text}: give shares between 0 and 1, such as clipped=0,0.05,1")
    return share


def _info(name: str) -> Any:
    try:
        return model_info(name)
    except ValueError as error:
        raise UserError(f"models={name}: {error}") from error
