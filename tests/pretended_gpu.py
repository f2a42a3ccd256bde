"""A GPU that is not there: tensors that say they are on it, whose numbers are computed on the processor.

Within `pretended_gpu`, whatever is moved to ``cuda`` or made there is an `OnGpu`. An operation on such a tensor and one
on the processor is an error, as on a GPU, and every operation for whose result the processor would wait is kept: as of
``torch.cuda.set_sync_debug_mode``, numbers that are read, blocking copies either way, and results whose size depends on
what is in them. PyTorch's own fake tensors are not enough: without a driver nothing goes backward through those of a
GPU, and a training reads its numbers. Where shapes do, they may lie beneath: ``FakeTensorMode(), pretended_gpu()``.

C++ takes an `OnGpu` for a tensor of another kind of device, so what it chooses by the device (autocast, cuDNN, fused
kernels) is not looked at here, nor are streams and the order in which a GPU does things.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map

from tests.plain_kernels import plain_kernels

DEVICE = torch.device("cuda:0")
_AS = torch.device("meta")
"""What C++ takes the device for, so that autograd asks no driver. Nothing else can be made there meanwhile."""
SOURCE = Path(__file__).parents[1] / "src" / "normfree"

COPIES = ("_to_copy", "copy_", "_foreach_copy_")
INDEXED = ("index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index", "_unsafe_index_put")
READ = ("_local_scalar_dense", "equal", "is_nonzero")
SIZED_BY_CONTENT = ("nonzero", "masked_select", "bincount", "_unique", "_unique2", "unique_dim", "unique_consecutive")
PATHS = ("__get__", "__set__", "__delete__")
"""Attributes of tensors: of no device."""


class WrongDeviceError(RuntimeError):
    """An operation took a tensor on the processor and one on the GPU."""


class Wait(NamedTuple):
    """What the processor waited for: the step (`Gpu.step`), the operation, and who asked, ``file.py:function``."""

    step: int
    operation: str
    place: str


@dataclass
class Gpu:
    """What was done on it.

    Attributes:
        step: counted by whoever uses it; kept with waits and events.
        waits: in order.
        events: (step in which it was waited for, step in which it was recorded) of each event.
    """

    step: int = 0
    waits: list[Wait] = field(default_factory=list)
    events: list[tuple[int, int]] = field(default_factory=list)

    def wait(self, operation: str) -> None:
        own = [frame for frame in traceback.extract_stack() if frame.filename.startswith(str(SOURCE))]
        place = f"{Path(own[-1].filename).relative_to(SOURCE)}:{own[-1].name}" if own else ""
        self.waits.append(Wait(self.step, operation, place))


class OnGpu(Tensor):
    """Holds ``inner``, on the processor, and says that it is on ``cuda:0``."""

    inner: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, inner: Tensor) -> OnGpu:
        made: OnGpu = torch.Tensor._make_wrapper_subclass(
            cls,
            inner.size(),
            inner.stride(),
            inner.storage_offset(),
            dtype=inner.dtype,
            layout=inner.layout,
            device=_AS,
        )
        made.inner = inner
        return made

    device = property(lambda self: DEVICE)
    is_cuda = property(lambda self: True)
    is_cpu = property(lambda self: False)
    is_meta = property(lambda self: False)

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return f"OnGpu({self.inner!r})"

    def __format__(self, words: str) -> str:
        return format(self.item(), words) if self.ndim == 0 else repr(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> OnGpu:
        copied = self.detach().clone().requires_grad_(self.requires_grad)
        if getattr(self, "_is_param", False):
            copied._is_param = True
        memo[id(self)] = copied
        return copied

    # A type that says what it is made of is moved by swapping, so that an optimizer keeps the parameters it holds.
    def __tensor_flatten__(self) -> tuple[list[str], None]:
        return ["inner"], None

    @staticmethod
    def __tensor_unflatten__(inner: dict[str, Tensor], context: None, size: Any, stride: Any) -> OnGpu:
        return OnGpu(inner["inner"])

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, arguments: Any = (), keywords: Any = None) -> Any:
        raise AssertionError(f"{function} outside of pretended_gpu()")


class _Words(TorchFunctionMode):
    """Spells ``cuda`` as C++ is to see it, before it looks for a driver; pinned memory is any other."""

    def __torch_function__(self, function: Any, types: Any, arguments: Any = (), keywords: Any = None) -> Any:
        keywords = dict(keywords or {})
        name = getattr(function, "__name__", "")
        pinned = bool(keywords.pop("pin_memory", False)) or name == "pin_memory"
        if name in PATHS or function is torch.device:
            return function(*arguments, **keywords)
        if name == "tolist" and isinstance(arguments[0], OnGpu):
            return arguments[0].cpu().tolist()
        if name == "pin_memory":
            found = arguments[0].clone()
        elif name in ("tensor", "as_tensor") and _spelt(keywords.get("device")) == _AS:
            del keywords["device"]
            found = function(*arguments, **keywords).to(_AS)
        elif name == "cuda":
            found = arguments[0].to(_AS, **keywords)
        else:
            found = function(*map(_spelt, arguments), **{key: _spelt(value) for key, value in keywords.items()})
        if pinned:
            found.pretended_pinned = True
        return found


def _spelt(value: Any) -> Any:
    if isinstance(value, str):
        return _AS if value.partition(":")[0] == "cuda" else value
    return _AS if isinstance(value, torch.device) and value.type == "cuda" else value


class _Operations(TorchDispatchMode):
    """Computes what is asked of the GPU, and looks at devices and waits."""

    def __init__(self, gpu: Gpu) -> None:
        super().__init__()
        self._gpu = gpu

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), keywords: Any = None) -> Any:
        keywords = keywords or {}
        tensors = [one for one in tree_leaves((arguments, keywords)) if isinstance(one, Tensor)]
        there = [one for one in tensors if isinstance(one, OnGpu)]
        here = [one for one in tensors if not isinstance(one, OnGpu) and one.ndim > 0]
        name = function.overloadpacket.__name__
        device = keywords.get("device")
        to_gpu = bool(there) if device is None else device.type == _AS.type
        if name in COPIES:
            self._copy(name, arguments, keywords, to_gpu)
        elif there:
            if here and name not in INDEXED:
                shapes = ", ".join(str(tuple(one.shape)) for one in here)
                raise WrongDeviceError(f"{name}: tensors on cuda:0 and on the processor, of {shapes}")
            self._look(name, arguments, keywords, here)
        computed = function(
            *tree_map(_inner, arguments), **{key: tree_map(_inner, value) for key, value in keywords.items()}
        )
        if not to_gpu or (name == "copy_" and not isinstance(arguments[0], OnGpu)):
            return computed
        found = tree_map(lambda one: OnGpu(one) if isinstance(one, Tensor) else one, computed)
        return return_and_correct_aliasing(function, arguments, keywords, found) if there else found

    def _copy(self, name: str, arguments: Any, keywords: Any, to_gpu: bool) -> None:
        if name == "_to_copy":
            pairs = [(to_gpu, arguments[0], None)]
            waits_not = bool(keywords.get("non_blocking"))
        else:
            targets, sources = arguments[:2] if name == "_foreach_copy_" else ([arguments[0]], [arguments[1]])
            pairs = [(isinstance(one, OnGpu), other, one) for one, other in zip(targets, sources, strict=True)]
            waits_not = bool(arguments[2] if len(arguments) > 2 else keywords.get("non_blocking"))
        for target, source, into in pairs:
            if target != isinstance(source, OnGpu):
                if target and not waits_not and not (name == "copy_" and source.ndim == 0):
                    self._gpu.wait("a blocking copy to the GPU")
                # Without pinned memory behind it, a copy back is over when the call returns.
                if not target and not (waits_not and getattr(into, "pretended_pinned", False)):
                    self._gpu.wait("a copy from the GPU")

    def _look(self, name: str, arguments: Any, keywords: Any, here: list[Tensor]) -> None:
        masks = name in INDEXED and any(
            isinstance(one, Tensor) and one.dtype in (torch.bool, torch.uint8) for one in arguments[1]
        )
        unknown = name == "repeat_interleave" and keywords.get("output_size") is None
        if name in READ or name in SIZED_BY_CONTENT or masks or unknown or (name in INDEXED and here):
            self._gpu.wait(name)


def _inner(value: Any) -> Any:
    if isinstance(value, OnGpu):
        return value.inner
    return torch.device("cpu") if isinstance(value, torch.device) and value.type == _AS.type else value


@contextmanager
def pretended_gpu() -> Iterator[Gpu]:
    """Within it, ``cuda:0`` is there; what the processor waits for is kept in the result.

    Raises:
        WrongDeviceError: within it, for an operation on tensors of both.
    """
    gpu = Gpu()

    class Event:
        """Of `torch.cuda.Event` what is used."""

        def record(self) -> None:
            self.recorded = gpu.step

        def synchronize(self) -> None:
            gpu.events.append((gpu.step, self.recorded))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "Event", Event)
        patch.setattr(torch.cuda, "device_of", lambda tensor: nullcontext())
        patch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
        for name in ("init", "reset_peak_memory_stats", "empty_cache"):
            patch.setattr(torch.cuda, name, lambda *arguments: None)
        patch.setattr(torch.cuda, "max_memory_allocated", lambda *arguments: 0)
        with plain_kernels(), _Words(), _Operations(gpu):
            yield gpu


def moved(network: nn.Module) -> nn.Module:
    """The network with new tensors like its own on the GPU, whatever was in them."""
    for module in network.modules():
        for kept in (module._parameters, module._buffers):
            for name, tensor in kept.items():
                if tensor is not None:
                    there = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=DEVICE)
                    kept[name] = nn.Parameter(there) if isinstance(tensor, nn.Parameter) else there
    return network
