"""What the Triton kernel gives in Triton's interpreter (TRITON_INTERPRET=1), as JSON; see test_backends.py."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from normfree.clip import clip_grad_agc_

try:
    from normfree.clip import triton_kernel
except ModuleNotFoundError:
    print("triton is not installed")
    raise SystemExit(0) from None

ORDER = {0: (), 1: (0,), 2: (1, 0), 3: (2, 1, 0), 4: (3, 2, 0, 1)}


def golden() -> tuple[float, int, str]:
    """Largest relative error over the released code's vectors in float32, how many there were, and what ran."""
    path = Path(__file__).parents[1] / "golden" / "agc_vectors.npz"
    with np.load(path, allow_pickle=False) as arrays:
        vectors = {key: torch.from_numpy(arrays[key]).permute(ORDER[arrays[key].ndim]).contiguous() for key in arrays}
    worst, compared, ran = 0.0, 0, ""
    for clip_factor, eps in ((0.01, 0.001), (0.1, 0.01)):
        tensors = {}
        for case in (key.removesuffix(":param") for key in vectors if key.endswith(":param")):
            tensor = vectors[f"{case}:param"].float().requires_grad_()
            tensor.grad = vectors[f"{case}:grad"].float()
            tensors[case] = tensor
        ran = clip_grad_agc_(tensors.values(), clip_factor, eps, backend="triton").backend
        for case, tensor in tensors.items():
            assert tensor.grad is not None
            wanted = vectors[f"{case}:dm:{clip_factor}:{eps}"]
            error = (tensor.grad.double() - wanted).abs().max() / wanted.abs().max().clamp(min=1e-30)
            worst, compared = max(worst, float(error)), compared + 1
    return worst, compared, ran


def mixture() -> list[Tensor]:
    """All dtypes and layouts at once, with a NaN and an infinity."""
    torch.manual_seed(0)
    shapes = [(), (7,), (5, 3), (8, 4, 3, 3), (3, 1100), (4, 6), (4, 3, 2), (3, 3)]
    dtypes = [torch.float32] * 5 + [torch.bfloat16, torch.float16, torch.float64]
    tensors = []
    for place, (shape, dtype) in enumerate(zip(shapes, dtypes, strict=True)):
        tensor = torch.randn(shape).to(dtype).requires_grad_()
        tensor.grad = (torch.randn(shape) * 0.01 * (place + 0.2)).to(dtype)
        tensors.append(tensor)
    for dtype in (torch.float32, torch.bfloat16):
        last = torch.randn(8, 4, 3, 3).to(dtype).to(memory_format=torch.channels_last).requires_grad_()
        last.grad = torch.randn(8, 4, 3, 3).to(dtype)
        tensors.append(last)
    tensors[2].grad[1, 1] = math.nan  # type: ignore[index]
    tensors[3].grad[0, 0, 0, 0] = math.inf  # type: ignore[index]
    strided = torch.randn(4, 3, 2)[..., 0].requires_grad_()
    strided.grad = torch.randn(4, 3, 2)[..., 0]
    return [*tensors, strided]


def mixed() -> dict[str, object]:
    """Against the plain backend: bfloat16 to a unit in the last place, as the interpreter rounds towards zero."""
    ours, plain, before = mixture(), mixture(), mixture()
    launches = 0
    launch = triton_kernel._launch

    def counted(*arguments: object) -> None:
        nonlocal launches
        launches += 1
        launch(*arguments)  # type: ignore[arg-type]

    triton_kernel._launch = counted
    done = clip_grad_agc_(ours, backend="triton")
    expected = clip_grad_agc_(plain, backend="eager")
    agrees = int(done.clipped_units) == int(expected.clipped_units) and bool(done.nonfinite)
    for one, other in zip(ours, plain, strict=True):
        assert one.grad is not None
        assert other.grad is not None
        tolerance = {torch.bfloat16: 2**-7, torch.float16: 2**-10}.get(one.dtype, 1e-6)
        agrees &= torch.allclose(one.grad, other.grad, rtol=tolerance, atol=0, equal_nan=True)
    bad = [(2, 1), (3, 0)]
    kept = all(torch.equal(ours[i].grad[j].isfinite(), before[i].grad[j].isfinite()) for i, j in bad)  # type: ignore[index]
    return {"backend": done.backend, "units": done.units, "launches": launches, "agrees": agrees, "kept": kept}


error, compared, ran = golden()
print(json.dumps({"error": error, "compared": compared, "backend": ran, "mixed": mixed()}))
