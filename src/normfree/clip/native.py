"""AGC on the processor in one pass over memory, by a small C function that the system's compiler builds.

`clip_eager` reads parameters and gradients in two passes and writes in a third; here a unit is scaled while it
is still in the cache. The C function adds in PyTorch's order, and is used only if, on this machine, all its bits
are those of `clip_eager`: a run's numbers do not depend on whether there is a compiler.

It is built once (well under a second) into ``$XDG_CACHE_HOME/normfree``, or ``~/.cache/normfree``, the first time
that a network of `WORTHWHILE` elements is clipped. Without a compiler, or with ``NORMFREE_NATIVE=0``, everything
is as before but slower.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from normfree.clip.eager import clip_eager
from normfree.clip.norms import Clippable, norm_dtype, rows
from normfree.clip.statistics import UnitNorms

WORTHWHILE = 4_000_000
"""Elements of gradients from which on the C function is looked for; smaller networks gain nothing."""

_FLAGS = ("-O3", "-shared", "-fPIC", "-ffp-contract=off", "-fno-math-errno")
_LANES = 8


def worthwhile(work: list[Clippable]) -> bool:
    """Whether `clip_native` would gain something and may be used here."""
    return sum(one.gradient.numel() for one in work) >= WORTHWHILE and function() is not None


def clip_native(work: list[Clippable], clip_factor: float, eps: float) -> UnitNorms:
    """Clips `work` on the processor; what is not dense float32 of a fitting fan-in is left to `clip_eager`,
    and so is everything if some of it is float64.

    Raises:
        RuntimeError: there is no C function on this machine.
    """
    compiled = function()
    if compiled is None:
        raise RuntimeError("AGC in C: no C compiler, or it does not add as PyTorch does; use backend='eager'")
    if any(norm_dtype(tensor) == torch.float64 for one in work for tensor in (one.parameter, one.gradient)):
        return clip_eager(work, clip_factor, eps)
    return _clip(compiled, work, clip_factor, eps)


@cache
def function() -> Any:
    """The C function, or None where it cannot be built or differs from `clip_eager` in a bit."""
    if os.environ.get("NORMFREE_NATIVE") == "0" or "AVX" not in _capability():
        return None
    try:
        compiled = ctypes.CDLL(str(_library())).normfree_agc
    except (OSError, subprocess.SubprocessError):
        return None
    compiled.restype = None
    return compiled if _same_bits(compiled) else None


def _capability() -> str:
    name: str = torch.backends.cpu.get_cpu_capability()
    return name if platform.machine() == "x86_64" else "AVX not needed"


def _library() -> Path:
    """The compiled file, built if it is not there. Raises OSError where that fails."""
    source = Path(__file__).with_name("native.c").read_bytes()
    compiler = os.environ.get("CC") or next((one for one in ("cc", "gcc", "clang") if shutil.which(one)), None)
    if compiler is None:
        raise FileNotFoundError("no C compiler")
    key = hashlib.sha256(source + repr((compiler, _FLAGS, platform.platform())).encode()).hexdigest()[:16]
    cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    target = cache_home / "normfree" / f"agc-{key}.so"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=target.parent) as place:
        built = Path(place) / "agc.so"
        command = [compiler, *_FLAGS, "-x", "c", "-", "-o", str(built), "-lm"]
        subprocess.run(command, input=source, check=True, capture_output=True, timeout=60)
        built.replace(target)
    return target


def _clip(compiled: Any, work: list[Clippable], clip_factor: float, eps: float) -> UnitNorms:
    order = tuple((one.place, one.units) for one in work)
    total = sum(units for _, units in order)
    norms, limits = torch.empty(total), torch.empty(total)
    mine: list[tuple[Clippable, int]] = []
    rest: list[tuple[Clippable, int]] = []
    slot = 0
    for one in work:
        (mine if _fits(one) else rest).append((one, slot))
        slot += one.units
    if mine:
        _call(compiled, mine, clip_factor, eps, norms, limits)
    if rest:
        done = clip_eager([one for one, _ in rest], clip_factor, eps)
        start = 0
        for first, units in _runs(rest):
            norms[first : first + units] = done.gradient[start : start + units]
            limits[first : first + units] = done.limit[start : start + units]
            start += units
    return UnitNorms(norms, limits, order, "native" if mine else "eager")


def _runs(work: list[tuple[Clippable, int]]) -> list[tuple[int, int]]:
    """(first slot, units) of stretches without a gap."""
    runs: list[tuple[int, int]] = []
    for one, slot in work:
        if runs and sum(runs[-1]) == slot:
            runs[-1] = (runs[-1][0], runs[-1][1] + one.units)
        else:
            runs.append((slot, one.units))
    return runs


def _fits(one: Clippable) -> bool:
    if one.dims is None or {one.parameter.dtype, one.gradient.dtype} != {torch.float32}:
        return False
    parameter, gradient = rows(one.parameter, one.dims), rows(one.gradient, one.dims)
    return parameter is not None and gradient is not None and gradient.shape[1] % _LANES == 0


def _call(
    compiled: Any,
    work: list[tuple[Clippable, int]],
    clip_factor: float,
    eps: float,
    norms: torch.Tensor,
    limits: torch.Tensor,
) -> None:
    count = len(work)
    pointers, longs = ctypes.c_void_p * count, ctypes.c_long * count
    units = [one.units for one, _ in work]
    arguments: tuple[Any, ...] = (
        ctypes.c_long(count),
        pointers(*(one.parameter.data_ptr() for one, _ in work)),
        pointers(*(one.gradient.data_ptr() for one, _ in work)),
        longs(*units),
        longs(*(one.gradient.numel() // one.units for one, _ in work)),
        longs(*(slot for _, slot in work)),
        ctypes.c_float(clip_factor),
        ctypes.c_float(eps),
        ctypes.c_void_p(norms.data_ptr()),
        ctypes.c_void_p(limits.data_ptr()),
    )
    threads = torch.get_num_threads()
    # Shares of units, not of elements: more pieces than threads even them out.
    pieces = 1 if threads == 1 else 4 * threads
    total = sum(units)
    bounds = [ctypes.c_long(total * piece // pieces) for piece in range(pieces + 1)]
    if pieces == 1:
        compiled(*arguments, *bounds)
        return
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(compiled, *arguments, *pair) for pair in pairwise(bounds)]:
            done.result()


def _same_bits(compiled: Any) -> bool:
    """Whether the C function gives what `clip_eager` gives, on a few shapes with and without clipped units."""
    source = torch.Generator().manual_seed(0)
    for units, fan_in in ((5, 8), (64, 136), (33, 4608), (3, 65_544)):
        parameter = torch.randn(units, fan_in, generator=source)
        gradient = torch.randn(units, fan_in, generator=source) * torch.linspace(0, 0.02, units).unsqueeze(1)
        ours, plain = gradient.clone(), gradient.clone()
        got = _clip(compiled, [Clippable(0, parameter, ours, (1,))], 0.01, 1e-3)
        expected = clip_eager([Clippable(0, parameter, plain, (1,))], 0.01, 1e-3)
        pairs = ((ours, plain), (got.gradient, expected.gradient), (got.limit, expected.limit))
        if not all(torch.equal(one, other) for one, other in pairs):
            return False
    return True
