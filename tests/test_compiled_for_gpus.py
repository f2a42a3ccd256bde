"""The Triton kernels, compiled for GPUs that are not there: what a launch compiles, its registers and its spills.

A launch is caught where Triton would ask for a device, and goes on as far as machine code: types, constants and
what Triton specialises on are those of the call itself.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import normfree
from normfree.clip import clip_grad_agc_
from tests.plain_kernels import plain_kernels

triton = pytest.importorskip("triton")

CAPABILITIES = (80, 90, 100)
MOST_REGISTERS = 64
"""Of a thread: eight programs of 128 threads then share a processor, which has 65,536."""
WARPS = 4
TYPES = (torch.float32, torch.bfloat16, torch.float16)


@dataclass(frozen=True)
class Usage:
    """Of one thread, as NVIDIA's assembler tells it: registers, and bytes that found no room in them."""

    registers: int
    spilled: int
    stack: int


class Compiles:
    """In the place of a kernel: its launches compile for a GPU of this capability, and launch nothing."""

    def __init__(self, kernel: Any) -> None:
        self.kernel = kernel
        self.built: list[Any] = []

    def __getitem__(self, grid: tuple[int, ...]) -> Callable[..., None]:
        return partial(self._compile, grid)

    def _compile(self, grid: tuple[int, ...], *arguments: Any) -> None:
        self.built.append(self.kernel.warmup(*arguments, grid=grid))


@pytest.fixture
def compiles(tmp_path: Path) -> Iterator[Callable[[str, str, int], Compiles]]:
    """Has the launches of a module's kernel compile for a capability."""
    from triton.backends.compiler import GPUTarget
    from triton.runtime.driver import driver

    def take(module: str, kernel: str, capability: int) -> Compiles:
        # Compiled code is kept by the number of the device.
        device = SimpleNamespace(
            get_current_target=lambda: GPUTarget("cuda", capability, 32),
            get_current_device=lambda: capability,
            get_current_stream=lambda device: 0,
        )
        patch.setenv("TRITON_CACHE_DIR", str(tmp_path))
        patch.setattr(driver, "_active", device)
        taken = Compiles(own[module, kernel])
        patch.setattr(import_module(module), kernel, taken)
        return taken

    # The others are not to be launched.
    own = {
        (module, kernel): getattr(import_module(module), kernel)
        for module, _, kernel in (name.rpartition(".") for name in LAUNCHES)
    }
    with plain_kernels(), pytest.MonkeyPatch.context() as patch:
        yield take


def launch_agc(parameter: torch.dtype, gradient: torch.dtype) -> None:
    """As on a GPU: large units, small ones, and one of a single number."""
    parameters = []
    for shape in ((8, 4, 3, 3), (16,), ()):
        one = torch.ones(shape, dtype=parameter, requires_grad=True)
        one.grad_dtype = gradient
        one.grad = torch.ones(shape, dtype=gradient)
        parameters.append(one)
    assert clip_grad_agc_(parameters, backend="triton").backend == "triton"


def launch_standardization(convolution: torch.dtype) -> None:
    """As in a network of float32 under autocast of this type; forward and backward pass."""
    weight, gain = torch.randn(8, 4, 3, 3, requires_grad=True), torch.ones(8, requires_grad=True)
    kernel = import_module("normfree.nets.standardization_kernels").StandardizeByKernel
    kernel.apply(weight, gain, 1.7, 0.01, convolution).sum().backward()


def launch_activation(maps: torch.dtype, activation: str) -> None:
    x = torch.randn(2, 64, 8, 8, dtype=maps).contiguous(memory_format=torch.channels_last).requires_grad_()
    bias = torch.randn(64, requires_grad=True)
    import_module("normfree.nets.map_kernels").BiasActivation.apply(x * 1, bias, activation).sum().backward()


def launch_residual(maps: torch.dtype) -> None:
    shortcut, branch = (
        torch.randn(2, 64, 8, 8, dtype=maps).contiguous(memory_format=torch.channels_last).requires_grad_()
        for _ in range(2)
    )
    factor = torch.randn(2, 64, 1, 1, dtype=maps, requires_grad=True)
    import_module("normfree.nets.map_kernels").ScaledResidual.apply(shortcut, branch, factor).sum().backward()


ONE = [(dtype,) for dtype in TYPES]
PAIRS = list(product(TYPES, TYPES))
ACTIVATIONS = list(product(TYPES, ("identity", "gelu", "gelu_erf", "silu", "relu")))
LAUNCHES: dict[str, tuple[Callable[..., None], list[Any]]] = {
    "normfree.clip.triton_kernel.agc_kernel": (launch_agc, PAIRS),
    "normfree.nets.standardization_kernels.standardize_kernel": (launch_standardization, ONE),
    "normfree.nets.standardization_kernels.standardize_backward_kernel": (launch_standardization, ONE),
    "normfree.nets.map_kernels.bias_activation_kernel": (launch_activation, ACTIVATIONS),
    "normfree.nets.map_kernels.bias_activation_backward_kernel": (launch_activation, ACTIVATIONS),
    "normfree.nets.map_kernels.residual_kernel": (launch_residual, ONE),
    "normfree.nets.map_kernels.residual_backward_kernel": (launch_residual, ONE),
}
"""Kernel -> what launches it, and what that can be given: types, and the activation."""
CALLED_BY_KERNELS = {"normfree.nets.map_kernels._activated", "normfree.nets.map_kernels._slope"}


def usage(ptx: str, folder: Path) -> Usage:
    from triton.backends.nvidia.compiler import get_ptxas

    found = re.search(r"^\.target (sm_(\d+)\w*)", ptx, re.MULTILINE)
    assert found is not None
    source = folder / "kernel.ptx"
    source.write_text(ptx, encoding="utf-8")
    command = [get_ptxas(int(found[2])).path, "-v", f"--gpu-name={found[1]}", source, "-o", folder / "kernel.cubin"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    registers, stack, stores, loads = (
        int(match[1])
        for pattern in (r"Used (\d+) registers", r"(\d+) bytes stack", r"(\d+) bytes spill st", r"(\d+) bytes spill lo")
        if (match := re.search(pattern, told))
    )
    return Usage(registers, stores + loads, stack)


def test_every_kernel_of_the_package_is_launched_here() -> None:
    found = set()
    root = Path(normfree.__file__).parent
    for path in root.rglob("*.py"):
        kernels = re.findall(r"^@triton\.jit.*\ndef (\w+)\(", path.read_text(encoding="utf-8"), re.MULTILINE)
        module = ".".join(("normfree", *path.relative_to(root).with_suffix("").parts))
        found |= {f"{module}.{kernel}" for kernel in kernels}
    assert found == set(LAUNCHES) | CALLED_BY_KERNELS


@pytest.mark.parametrize("capability", CAPABILITIES)
@pytest.mark.parametrize(
    ("kernel", "given"),
    [
        pytest.param(
            kernel, given, id="-".join([kernel.rpartition(".")[2], *(str(one).split(".")[-1] for one in given)])
        )
        for kernel, (_, all_given) in LAUNCHES.items()
        for given in all_given
    ],
)
def test_it_fits_a_gpus_registers(
    compiles: Callable[[str, str, int], Compiles], tmp_path: Path, kernel: str, capability: int, given: tuple[Any, ...]
) -> None:
    taken = compiles(*kernel.rsplit(".", 1), capability)
    LAUNCHES[kernel][0](*given)
    (built,) = taken.built
    assert built.metadata.target.arch == capability
    assert len(built.asm["cubin"]) > 0
    found = usage(built.asm["ptx"], tmp_path)
    print(f"{kernel.rpartition('.')[2]} capability {capability}, {', '.join(map(str, given))}: {found}")
    assert built.metadata.num_warps == WARPS
    assert 0 < found.registers <= MOST_REGISTERS
    assert (found.spilled, found.stack) == (0, 0)


def test_spills_are_seen(tmp_path: Path) -> None:
    """PTX of a thread that holds 400 numbers until all are read."""
    numbers = range(400)
    loads = [f"ld.volatile.global.f32 %f{i}, [%rd1+{4 * i}];" for i in numbers]
    stores = [f"st.volatile.global.f32 [%rd1+{4 * i}], %f{399 - i};" for i in numbers]
    lines = [".version 8.0", ".target sm_80", ".address_size 64", ".visible .entry much(.param .u64 at) {"]
    lines += [".reg .f32 %f<400>;", ".reg .b64 %rd<2>;", "ld.param.u64 %rd1, [at];", *loads, *stores, "ret;", "}"]
    found = usage("\n".join(lines), tmp_path)
    assert found.registers > MOST_REGISTERS
    assert found.spilled > 0
