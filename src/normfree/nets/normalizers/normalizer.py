"""What a normaliser says of itself, and what a network asks of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor, nn

from normfree.nets.activations import Nonlinearity
from normfree.nets.errors import one_of
from normfree.nets.padding import SameConv2d
from normfree.nets.residual import ResidualSum

Sees = Literal["batch", "sample", "none"]
Function = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Normalizer:
    """A normaliser: a file of this package that calls `register` with one of these.

    Attributes:
        name: what ``model.normalizer`` and ``create_model(normalizer=...)`` take.
        title: how sentences call it.
        sees: what its statistics are taken over in training: the ``batch``, each ``sample`` by itself, or ``none``.
        source: the paper, and what here differs from it.
        formula: of one place, in plain text.
        layer: called with the number of channels C and `options`, gives what stands where BatchNorm would:
            ``[N, C, H, W] -> [N, C, H, W]``. With ``activation="inside"`` it is also given ``activation``.
        activation: ``after``: the network's nonlinearity follows the layer; ``replaced``: the layer is the nonlinearity
            too, and another is refused; ``inside``: the layer is given the network's and applies it.
        linear: like `layer`, at places that no nonlinearity follows; None where that is the same layer.
        options: the names of its options, and what they are where nothing is given.
        overwritable: whether what follows may put its result in the place of what a layer gives.
        folds: whether `fold` makes it part of the convolutions before it, or leaves nothing of it to be done.
        conv: gives a convolution, with the arguments of `SameConv2d`.
        entry: gives what a post-activation block does first with its input; None for nothing.
        residual: called with a block's number from 0 and the number of blocks, gives how branch and shortcut are added
            up; None for the plain sum.
        initialise: sets a network's initial values in place, after it is built.
        advice: when to take it, and what does not go with it.
    """

    name: str
    title: str
    sees: Sees
    source: str
    formula: str
    layer: Callable[..., nn.Module]
    activation: Literal["after", "replaced", "inside"] = "after"
    linear: Callable[..., nn.Module] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    overwritable: bool = True
    folds: bool = False
    conv: Callable[..., SameConv2d] = SameConv2d
    entry: Callable[[], nn.Module] | None = None
    residual: Callable[[int, int], ResidualSum] | None = None
    initialise: Callable[[nn.Module], None] | None = None
    advice: str = ""


@dataclass(frozen=True)
class Normalization:
    """A normaliser with its options: what a network is built with.

    Attributes:
        kind: the normaliser.
        options: its options that are given.
    """

    kind: Normalizer
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ghost_batch(self) -> int | None:
        """Samples per statistics group of a BatchNorm; None for the whole micro batch, and for all others."""
        ghost: int | None = self.options.get("ghost_batch")
        return ghost

    def layer(self, channels: int, activation: Nonlinearity) -> nn.Module:
        """What stands before a nonlinearity, and is it where the normaliser brings its own."""
        given = {"activation": activation} if self.kind.activation == "inside" else {}
        return self.kind.layer(channels, **self.options, **given)

    def linear(self, channels: int) -> nn.Module:
        """What stands where no nonlinearity follows."""
        return (self.kind.linear or self.kind.layer)(channels, **self.options)

    def activation(self, activation: Nonlinearity) -> Function:
        """What follows a `layer`."""
        return activation.function if self.kind.activation == "after" else _nothing

    def overwriting_activation(self, activation: Nonlinearity) -> Function:
        """The same, which may put its result in the place of its argument."""
        if self.kind.activation == "after" and self.kind.overwritable:
            return activation.overwriting
        return self.activation(activation)

    def conv(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, groups: int = 1
    ) -> SameConv2d:
        """A convolution without bias, 'SAME' padding."""
        return self.kind.conv(in_channels, out_channels, kernel_size, stride, groups)

    def entry(self) -> nn.Module | None:
        """What a post-activation block does first with its input."""
        return None if self.kind.entry is None else self.kind.entry()

    def residual(self, index: int, blocks: int) -> ResidualSum | None:
        """How block `index`, from 0, of so many weighs its branch."""
        return None if self.kind.residual is None else self.kind.residual(index, blocks)

    def initialise(self, network: nn.Module) -> None:
        """Sets the initial values that the normaliser asks for."""
        if self.kind.initialise is not None:
            self.kind.initialise(network)


def _nothing(x: Tensor) -> Tensor:
    return x


def bound(kind: Normalizer, options: Mapping[str, Any], known: Mapping[str, str]) -> Normalization:
    """A normaliser with options; those that are None are as if not given.

    Args:
        known: options of any normaliser, and whose they are.

    Raises:
        ValueError: an option that is not its own.
    """
    given = {key: value for key, value in options.items() if value is not None}
    for key, value in given.items():
        if key not in kind.options:
            one_of(key, known, "option of a normaliser")
            if key == "ghost_batch":
                raise ValueError(
                    f"ghost_batch={value}: of BatchNorm alone, and {kind.title} sees {SEEN[kind.sees]}; leave it out"
                )
            raise ValueError(f"{key}={value}: no option of {kind.name} but of {known[key]}; leave it out")
    return Normalization(kind, given)


SEEN: Mapping[str, str] = {"batch": "the whole micro batch", "sample": "a sample by itself", "none": "no statistics"}
"""What `Normalizer.sees` means, as a sentence says it."""
