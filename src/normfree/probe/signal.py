"""Signal propagation: how means and variances travel through the residual blocks of a network.

Source: Brock et al. 2021 (arXiv 2101.08692), section 3 'Signal Propagation Plots'; the residual branch is measured
where the released NFNet code measures it: after Squeeze-and-Excitation, before stochastic depth, skip gain and alpha.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from normfree.nets import create_model, model_info, skip_gains
from normfree.nets.normalizers import Normalizer
from normfree.nets.scaling import expected_stds
from normfree.nets.squeeze_excite import SqueezeExcite


@dataclass(frozen=True)
class BlockSignal:
    """The output of one residual block, or of the stem. Statistics are over samples and pixels.

    Attributes:
        block: 0 for the stem, then 1, 2, ... in depth order.
        stage, index: stage of the block and place in that stage, both from 0; None where nothing tells it.
        name: the module's name; ``stem`` for what enters the first block.
        avg_sq_mean: mean over channels of the squared channel mean.
        avg_var: mean over channels of the channel variance (population variance).
        res_avg_var: `avg_var` of the residual branch; None for the stem and where the branch cannot be seen.
        expected_var: the variance that a normaliser-free network is built for; None for other networks.
    """

    block: int
    stage: int | None
    index: int | None
    name: str
    avg_sq_mean: float
    avg_var: float
    res_avg_var: float | None
    expected_var: float | None


SignalPropagation = tuple[BlockSignal, ...]
"""The stem, then every block in depth order."""


def signal(network: nn.Module, images: Tensor, mode: Literal["train", "eval"] = "train") -> SignalPropagation:
    """Measures a copy of `network` on `images`; the network itself is left as it is.

    Dropout and stochastic depth are off in either mode. The residual branch is seen in this package's own blocks, which
    carry a ``stochastic_depth_rate``; other blocks give their outputs alone.

    Args:
        network: a network whose ``blocks`` are an ``nn.ModuleList`` or ``nn.Sequential``.
        images: ``[N, C, H, W]``; taken to the network's device and dtype.
        mode: ``"train"``: BatchNorm uses the statistics of `images`; ``"eval"``: its running statistics.

    Raises:
        ValueError: no such ``blocks`` or mode, a block that was not reached, or one that gives no ``[N, C, H, W]``.
    """
    if mode not in ("train", "eval"):
        raise ValueError(f"mode={mode!r}: give 'train' or 'eval'")
    if not isinstance(getattr(network, "blocks", None), (nn.ModuleList, nn.Sequential)) or not network.blocks:
        raise ValueError(f"{type(network).__name__} has no `blocks`, an nn.ModuleList or nn.Sequential, to look into")
    measured = copy.deepcopy(network).eval()
    blocks = cast(nn.ModuleList, measured.blocks)
    if mode == "train":
        # Nothing else may know of training: dropout and stochastic depth would act.
        for module in measured.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm) or getattr(module, "sees_batch", False):
                module.train()
    outputs: dict[int, tuple[float, float]] = {}
    branches: dict[int, float] = {}

    def enter(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        outputs[0] = _moments(inputs[0], "the stem")

    def leave(number: int, taps: _BranchTap | None, _module: nn.Module, _inputs: Any, output: Any) -> None:
        outputs[number] = _moments(output, f"blocks.{number - 1}")
        if taps is not None:
            branches[number] = _moments(taps.take(), f"the branch of blocks.{number - 1}")[1]

    blocks[0].register_forward_pre_hook(enter)
    for number, block in enumerate(blocks, 1):
        taps = _BranchTap(block) if hasattr(block, "stochastic_depth_rate") else None
        block.register_forward_hook(partial(leave, number, taps))
    parameter = next(measured.parameters(), images)
    with torch.no_grad():
        measured(images.to(parameter.device, parameter.dtype))
    for number in range(len(blocks) + 1):
        if number not in outputs:
            raise ValueError(f"blocks.{number - 1} was not reached by a forward pass")
    expected = _expected_variances(blocks)
    rows = [BlockSignal(0, None, None, "stem", *outputs[0], None, expected(0))]
    seen: dict[int | None, int] = {}
    for number, block in enumerate(blocks, 1):
        stage = getattr(block, "stage", None)
        index = None if stage is None else seen.setdefault(stage, 0)
        seen[stage] = seen.get(stage, 0) + 1
        name = f"blocks.{number - 1}"
        rows.append(BlockSignal(number, stage, index, name, *outputs[number], branches.get(number), expected(number)))
    return tuple(rows)


def signal_at_initialisation(
    name: str,
    *,
    seed: int = 0,
    batch: int = 16,
    image_size: int | None = None,
    skip_gain: float = 1.0,
    normalizer: str | Normalizer | None = None,
) -> SignalPropagation:
    """`signal` of a fresh network on unit Gaussian noise; PyTorch's own random state is left as it is.

    Equal seeds, batches and sizes give equal noise to every network.

    Args:
        name: one of ``normfree.list_models()``.
        batch: images.
        image_size: side of the images in pixels; None takes the network's training size.
        skip_gain: what every skip gain is set to. The networks begin with 0, which closes all branches; the paper's
            plots are of branches without a gain, which is 1.
        normalizer: in the place of the network's own; None for that.

    Raises:
        ValueError: no such network, or one that takes no other normaliser.
    """
    size = image_size or model_info(name).train_size
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        images = torch.randn(batch, 3, size, size)
        network = create_model(name) if normalizer is None else create_model(name, normalizer=normalizer)
    with torch.no_grad():
        for gain in skip_gains(network):
            gain.fill_(skip_gain)
    return signal(network, images)


class _BranchTap:
    """Follows a block's children and knows the branch when they are through.

    Our blocks compute the shortcut first and the branch after it; a gate that comes last is applied in the residual
    sum, doubled in a normaliser-free block.
    """

    def __init__(self, block: nn.Module) -> None:
        self._branch: Tensor | None = None
        self._gate: Tensor | None = None
        self._gate_factor = 2.0 if hasattr(block, "skip_gain") else 1.0
        for child in block.children():
            child.register_forward_hook(self._gated if isinstance(child, SqueezeExcite) else self._passed)

    def _passed(self, module: nn.Module, inputs: Any, output: Tensor) -> None:
        # A branch's last convolution may be given the skip gain, which is not to be measured; and the residual sum
        # overwrites the branch.
        self._branch = output.clone() if len(inputs) < 2 or inputs[1] is None else module.forward(inputs[0])
        self._gate = None

    def _gated(self, _module: nn.Module, _inputs: Any, output: Tensor) -> None:
        self._gate = output

    def take(self) -> Tensor:
        """The branch ``[N, C, H, W]``; forgets it."""
        branch, gate = self._branch, self._gate
        assert branch is not None
        self._branch = self._gate = None
        return branch if gate is None else branch * (self._gate_factor * gate[:, :, None, None])


def _moments(x: Any, what: str) -> tuple[float, float]:
    """Mean over channels of the squared mean and of the variance, accumulated in float64."""
    if not isinstance(x, Tensor) or x.ndim != 4:
        found = f"a tensor of shape {list(x.shape)}" if isinstance(x, Tensor) else f"a {type(x).__name__}"
        raise ValueError(f"{what} gives {found}, not [N, C, H, W]")
    variance, mean = torch.var_mean(x.double(), (0, 2, 3), correction=0)
    return float(mean.square().mean()), float(variance.mean())


def _expected_variances(blocks: nn.ModuleList) -> Callable[[int], float | None]:
    """Number (0 for the stem) -> variance that the blocks' ``expected_std`` stand for, the last output's included."""
    if not all(hasattr(block, "expected_std") for block in blocks):
        return lambda _: None
    depth = [len(list(same)) for _, same in groupby(block.stage for block in blocks)]
    # One block more at the end would divide by the standard deviation of the last output.
    depth[-1] += 1
    stds = expected_stds(depth, float(blocks[0].alpha))  # type: ignore[arg-type]
    return lambda number: stds[number] ** 2
