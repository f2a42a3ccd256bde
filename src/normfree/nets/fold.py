"""Folding: a copy of a network for evaluation in which every weight is what its convolution multiplies by.

Source: scaled weight standardisation depends on the parameters alone (arXiv 2101.08692, section 4.1), and a
BatchNorm in evaluation is a constant scale and shift per channel, so both can be worked out once.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable

import torch
from torch import Tensor, fx, nn

from normfree.nets.batch_norm import GhostBatchNorm2d
from normfree.nets.classifier_network import ClassifierNetwork
from normfree.nets.padding import SameConv2d, same_conv2d
from normfree.nets.residual import NFResidualBlock, scaled_residual
from normfree.nets.squeeze_excite import SqueezeExcite
from normfree.nets.weight_standardization import WSConv2d

# Normalisation, dropout and nonlinearity in one layer.
_TIMM_NORM = "BatchNormAct2d"


class FoldedConv2d(nn.Conv2d):
    """Plain convolution with bias and 'SAME' padding, for evaluation only.

    Raises:
        ValueError: when it is put into training mode.
    """

    def __init__(self, weight: Tensor, bias: Tensor, stride: int, groups: int) -> None:
        out_channels, in_channels, *kernel = weight.shape
        super().__init__(
            in_channels * groups, out_channels, (kernel[0], kernel[1]), stride, groups=groups, device="meta"
        )
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = nn.Parameter(bias, requires_grad=False)
        self.training = False

    def reset_parameters(self) -> None:
        """Nothing: the values are given."""

    def train(self, mode: bool = True) -> FoldedConv2d:
        if mode:
            raise ValueError("a folded network is for evaluation; train the network it was made from")
        return super().train(mode)

    def forward(
        self,
        x: Tensor,
        output_scale: None = None,  # the weight has the scale
        activation: Callable[[Tensor], Tensor] | None = None,  # after a standardised convolution alone
    ) -> Tensor:
        y = same_conv2d(x, self.weight, self.bias, self.stride[0], self.groups)
        return y if activation is None else activation(y)


@torch.no_grad()
def fold(model: nn.Module) -> nn.Module:
    """A copy of `model` for evaluation that gives the same outputs with less work.

    Weight-standardised convolutions become plain ones. In networks that `create_model` builds, a BatchNorm that
    alone reads a convolution's output becomes part of that convolution; elsewhere BatchNorms stay as they are, and
    so do those of another library's network that ``torch.fx`` cannot follow.
    Device, dtype and memory format are kept, `model` is left untouched, and nothing in the copy needs a gradient.

    Returns:
        A network of the same class in evaluation mode, whose ``train()`` raises ValueError.
    """
    folded = copy.deepcopy(model).eval()
    scales = _branch_scales(folded)
    for name, module in list(folded.named_modules()):
        if isinstance(module, WSConv2d):
            weight, bias = module.effective(scales.get(module))
            folded = _replace(folded, name, FoldedConv2d(weight, bias, module.stride, module.groups))
    if isinstance(folded, ClassifierNetwork):
        for conv_name, norm_name in _foldable_norms(folded):
            conv, norm = folded.get_submodule(conv_name), folded.get_submodule(norm_name)
            assert isinstance(conv, nn.Conv2d)
            assert isinstance(norm, nn.BatchNorm2d)
            _replace(folded, conv_name, _with_norm(conv, norm))
            _replace(folded, norm_name, _after(norm).eval())
        folded.folded = True
    return folded.requires_grad_(False)


def _branch_scales(model: nn.Module) -> dict[nn.Module, Tensor]:
    """What the last convolution of each residual branch multiplies by; from now on its weight has it."""
    scales = {}
    for block in model.modules():
        if isinstance(block, NFResidualBlock) and (scale := block.conv_scale()) is not None:
            scales[block.last_conv()] = scale
            block.scale_in_weights = True
    return scales


def _replace(root: nn.Module, name: str, new: nn.Module) -> nn.Module:
    """Puts `new` at `name`; gives the root, which is `new` itself if the name is empty."""
    if not name:
        return new
    parent, _, leaf = name.rpartition(".")
    setattr(root.get_submodule(parent), leaf, new)
    return root


def _with_norm(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None
    assert variance is not None
    scale = norm.weight.double() / (variance.double() + norm.eps).sqrt()
    bias = -mean.double() if conv.bias is None else conv.bias.double() - mean.double()
    weight = (conv.weight.double() * scale.view(-1, 1, 1, 1)).to(conv.weight)
    shift = (bias * scale + norm.bias.double()).to(norm.bias)
    if isinstance(conv, (SameConv2d, FoldedConv2d)):
        return FoldedConv2d(weight, shift, conv.stride[0], conv.groups)
    plain = copy.deepcopy(conv)
    plain.weight, plain.bias = nn.Parameter(weight), nn.Parameter(shift)
    return plain


def _foldable(conv: nn.Module, norm: nn.Module) -> bool:
    """Whether both compute what their kinds do: a subclass from elsewhere may compute something else."""
    known = type(conv) is nn.Conv2d or isinstance(conv, (SameConv2d, FoldedConv2d))
    plain = type(norm) is nn.BatchNorm2d or isinstance(norm, GhostBatchNorm2d) or type(norm).__name__ == _TIMM_NORM
    return known and plain and bool(norm.affine) and norm.running_mean is not None


def _after(norm: nn.Module) -> nn.Module:
    """What a layer does with what it has normalised: nothing, but for timm's."""
    rest = ("drop", "act") if type(norm).__name__ == _TIMM_NORM else ()
    return nn.Sequential(*(norm.get_submodule(name) for name in rest)) if rest else nn.Identity()


class _Tracer(fx.Tracer):
    """Records which part of a network reads which, with convolutions, norms and gates as units."""

    def __init__(self) -> None:
        super().__init__(autowrap_functions=(scaled_residual,))

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        unit = isinstance(m, (nn.Conv2d, nn.BatchNorm2d, SqueezeExcite))
        return unit or super().is_leaf_module(m, module_qualified_name)


def _foldable_norms(model: ClassifierNetwork) -> list[tuple[str, str]]:
    """Names of (convolution, BatchNorm) where the norm is the only reader of what the convolution gives."""
    if not any(isinstance(module, nn.BatchNorm2d) for module in model.modules()):
        return []
    try:
        graph = _Tracer().trace(model)
    except Exception:
        # It runs the network on stand-ins for tensors, and what they make another library's code raise is open.
        if model.library is None:
            raise
        return []
    calls = Counter(node.target for node in graph.nodes if node.op == "call_module")
    pairs = []
    for node in graph.nodes:
        if node.op != "call_module" or not isinstance(model.get_submodule(node.target), nn.BatchNorm2d):
            continue
        source = node.args[0]
        if source.op != "call_module" or len(source.users) != 1 or calls[source.target] + calls[node.target] != 2:
            continue
        if _foldable(model.get_submodule(source.target), model.get_submodule(node.target)):
            pairs.append((source.target, node.target))
    return pairs
