"""What this device reaches at most, measured: a matrix product and a copy; and how near to it a step comes.

The product is asked of the library of matrices and, as a 1x1 convolution, of that of convolutions: the faster counts.

A roofline (Williams et al. 2009, doi 10.1145/1498765.1498785): work takes at least its arithmetic at the speed of the
matrix product, and at least its bytes at the speed of the copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from normfree.probe.timing import interleave

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
_ROUNDS = 5
_SIDES = {"cpu": (1024, 2048), "cuda": (4096, 8192)}
_LONG = 1.0
"""Seconds: what takes longer is not repeated, and no larger product tried. Without instructions for bfloat16 a
processor takes minutes for one, at a hundredth of its peak."""
_COPIED = {"cpu": 2**28, "cuda": 2**30}
"""Bytes; more than any cache holds."""


@dataclass(frozen=True)
class Roofline:
    """Measured limits of one device.

    Attributes:
        flops: operations a second of the fastest matrix product, by precision; a multiply-add is two.
        bandwidth: bytes read and written a second by a copy.
    """

    flops: Mapping[str, float]
    bandwidth: float

    def compute_seconds(self, precision: str, flops: float) -> float:
        return flops / self.flops[precision]

    def memory_seconds(self, moved: float) -> float:
        return moved / self.bandwidth

    def least_seconds(self, precision: str, flops: float, moved: float) -> float:
        """What neither arithmetic nor memory can be quicker than."""
        return max(self.compute_seconds(precision, flops), self.memory_seconds(moved))


def measure_roofline(device: torch.device, precisions: Sequence[str]) -> Roofline:
    """The fastest of several products of each precision, and of several copies, after a warm-up."""
    flops = {
        precision: max(_products(product, device, DTYPES[precision]) for product in (_matrix_product, _convolution))
        for precision in precisions
    }
    source = torch.ones(_COPIED[device.type], dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return Roofline(flops, 2 * source.numel() / _fastest(lambda: target.copy_(source), device))


def _products(
    product: Callable[[torch.device, torch.dtype, int], float], device: torch.device, dtype: torch.dtype
) -> float:
    """Operations a second of the fastest of several sizes, the next one tried only where it does not take long."""
    fastest = 0.0
    for side in _SIDES[device.type]:
        if fastest and 2 * side**3 / fastest > _LONG:
            break
        fastest = max(fastest, product(device, dtype, side))
    return fastest


def _matrix_product(device: torch.device, dtype: torch.dtype, side: int) -> float:
    left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    out = torch.empty_like(left)
    with _products_like_convolutions():
        return 2 * side**3 / _fastest(lambda: torch.mm(left, right, out=out), device)


def _convolution(device: torch.device, dtype: torch.dtype, side: int) -> float:
    """The same product with a row a pixel; `side` is a multiple of 1024."""
    images = torch.randn(side // 1024, side, 32, 32, device=device, dtype=dtype).to(memory_format=torch.channels_last)
    weight = torch.randn(side, side, 1, 1, device=device, dtype=dtype).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        return 2 * side**3 / _fastest(lambda: F.conv2d(images, weight), device)


@contextmanager
def _products_like_convolutions() -> Iterator[None]:
    """cuDNN may compute convolutions of float32 in TF32 where a matrix product may not; here both may or neither."""
    before = torch.backends.cuda.matmul.fp32_precision
    torch.backends.cuda.matmul.fp32_precision = torch.backends.cudnn.conv.fp32_precision  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.backends.cuda.matmul.fp32_precision = before


def _fastest(call: Callable[[], object], device: torch.device) -> float:
    first = interleave({"": call}, 1, device, "wall", warmup=1)[""]
    return min(first if first[0] > _LONG else interleave({"": call}, _ROUNDS, device, "wall", warmup=1)[""])
