"""The residual sum, with all its per-sample and per-channel factors gathered into one small tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

from normfree.nets.map_passes import by_kernel, residual_by_kernel
from normfree.nets.stochastic_depth import stochastic_depth_mask
from normfree.nets.traced import traced


class NFResidualBlock(nn.Module):
    """What normaliser-free blocks share: ``alpha * skip_gain`` on the branch, ``skip_gain`` learnable and first 0.

    A branch that ends in a convolution gives the factor to that convolution, which applies it to its small weight:
    the same function with no pass over the map. A branch that ends in a gate gives it to the gate.

    Attributes:
        alpha: weight of the residual branch.
        gated: whether a gate ends the branch.
        skip_gain: of shape ``()``.
        scale_in_weights: whether `fold` has put the factor into the last convolution's weight.
    """

    alpha: float
    gated: bool
    skip_gain: nn.Parameter
    scale_in_weights: bool = False

    def last_conv(self) -> nn.Module:
        """The convolution at the branch's end, or before its gate."""
        raise NotImplementedError

    def conv_scale(self) -> Tensor | None:
        """What the last convolution is to multiply its output by; None for nothing."""
        return None if self.gated or self.scale_in_weights else self.skip_gain * self.alpha

    def gate_scale(self) -> Tensor:
        """What a gate in (0, 1) is to be multiplied by; the factor 2 is the released code's."""
        return self.skip_gain * (2 * self.alpha)


class ResidualSum(nn.Module):
    """How a branch is weighed beside its shortcut: ``shortcut_scale * shortcut + factor * branch + bias``.

    The branch's last convolution is given factor and bias, which costs no pass over the map; where a gate follows, the
    gate is given the factor.

    Attributes:
        shortcut_scale: a constant; 1 leaves the shortcut as it is.
        scale_in_weights: whether `fold` has put factor and bias into the last convolution.
    """

    shortcut_scale: float = 1.0
    scale_in_weights: bool = False

    def factor(self) -> Tensor:
        """What the branch is multiplied by, of shape ``()``."""
        raise NotImplementedError

    def bias(self) -> Tensor | None:
        """What is added to the sum, of shape ``()``; None for nothing."""
        return None

    def of_conv(self, gated: bool) -> tuple[Tensor | None, Tensor | None]:
        """What the last convolution multiplies its output by and adds to it."""
        if self.scale_in_weights:
            return None, None
        return None if gated else self.factor(), self.bias()


class BranchBlock(nn.Module):
    """What the blocks share that a normaliser stands in: how their branches end.

    Attributes:
        residual: how the normaliser weighs branch and shortcut; None for the plain sum.
        squeeze_excite: the branch's gate, if there is one.
    """

    residual: ResidualSum | None
    squeeze_excite: nn.Module | None

    @property
    def shortcut_scale(self) -> float:
        """What the shortcut is multiplied by."""
        return 1.0 if self.residual is None else self.residual.shortcut_scale

    def end_branch(
        self, last: nn.Module, x: Tensor, norm: Callable[[Tensor], Tensor] | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """The branch after its last convolution and `norm`, and what the sum is still to multiply it by."""
        gated = self.squeeze_excite is not None
        branch = last(x) if self.residual is None else last(x, *self.residual.of_conv(gated))
        if norm is not None:
            branch = norm(branch)
        if self.squeeze_excite is None:
            return branch, None
        gate = self.squeeze_excite(branch)
        return branch, gate if self.residual is None else gate * self.residual.factor()


class _ScaledResidual(torch.autograd.Function):
    """``shortcut + branch * factor`` whose gradient makes one pass less over the map than autograd's."""

    @staticmethod
    def forward(ctx: FunctionCtx, shortcut: Tensor, branch: Tensor, factor: Tensor) -> Tensor:
        ctx.save_for_backward(branch, factor)
        return torch.addcmul(shortcut, branch, factor)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        branch, factor = ctx.saved_tensors
        d_factor = (grad * branch).sum_to_size(factor.shape) if ctx.needs_input_grad[2] else None
        return grad, grad * factor, d_factor


def scaled_residual(
    shortcut: Tensor, branch: Tensor, factor: Tensor | None, drop_rate: float, shortcut_scale: float = 1.0
) -> Tensor:
    """``shortcut_scale * shortcut + mask * factor * branch``.

    Args:
        shortcut: ``[N, C, H, W]``.
        branch: ``[N, C, H, W]``; overwritten with the sum where there is neither factor nor mask.
        factor: ``[N, C]``, the branch's gate and whatever else scales it, or None for 1.
        drop_rate: probability that a sample loses its branch; 0 draws no random numbers.
        shortcut_scale: a constant.
    """
    if factor is not None:
        factor = factor.view(*factor.shape, 1, 1)
    if drop_rate > 0:
        mask = stochastic_depth_mask(branch, drop_rate)
        factor = mask if factor is None else factor * mask
    if factor is None:
        return branch.add_(shortcut) if shortcut_scale == 1 else branch.add_(shortcut, alpha=shortcut_scale)
    if shortcut_scale != 1:
        shortcut = shortcut * shortcut_scale
    # Without the cast a float32 gate would widen a bfloat16 residual stream under autocast.
    factor = factor.to(branch.dtype)
    if traced() or not torch.is_grad_enabled():
        return torch.addcmul(shortcut, branch, factor)
    alike = shortcut.dtype == branch.dtype and factor.shape[:2] == branch.shape[:2]
    if alike and by_kernel(branch) and by_kernel(shortcut):
        return residual_by_kernel(shortcut, branch, factor.contiguous())
    summed: Tensor = _ScaledResidual.apply(shortcut, branch, factor)  # type: ignore[no-untyped-call]
    return summed


def skip_gains(model: nn.Module) -> list[nn.Parameter]:
    """The learnable scalars on the residual branches, in depth order (empty for a BatchNorm network)."""
    return [p for name, p in model.named_parameters() if name.rpartition(".")[2] == "skip_gain"]
