"""Any network of timm (https://github.com/huggingface/pytorch-image-models) as ``timm/NAME``.

Layers, initial values, padding and stochastic depth are timm's; pretrained weights are never fetched.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import partial
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from normfree.nets.classifier_network import ClassifierNetwork, rate
from normfree.nets.normalizers.found import found_normalizer
from normfree.nets.peers.ghost_batches import use_ghost_batches
from normfree.nets.peers.peer_noise import peer_noise
from normfree.nets.registry import Library, ModelInfo, register_library

FAMILY = "timm"
# This package's word for each of timm's.
_OVERRIDES = {"drop_rate": "drop_rate", "drop_path_rate": "stochastic_depth_rate", "in_chans": "in_channels"}


class TimmNetwork(ClassifierNetwork):
    """timm's network called `name`: ``[N, in_channels, H, W] -> [N, num_classes]``.

    ``normalizer`` is what its layers are: ``"batchnorm"`` if any is a BatchNorm, else what most are. ``blocks`` is
    empty, for every family of timm keeps its own.

    Args:
        name: as timm has it, without the tag of pretrained weights.
        drop_rate: dropout before the classifier; None leaves timm's own.
        stochastic_depth_rate: timm's ``drop_path_rate``; None leaves timm's own.
        ghost_batch: samples per ghost batch of BatchNorm; None for the whole micro batch.

    Raises:
        ValueError: timm is not installed, has no such network, or the network has no such option.
    """

    library = FAMILY

    def __init__(
        self,
        name: str,
        *,
        drop_rate: float | None = None,
        stochastic_depth_rate: float | None = None,
        ghost_batch: int | None = None,
        in_channels: int = 3,
        num_classes: int = 1000,
    ) -> None:
        super().__init__()
        if num_classes < 0:
            raise ValueError(f"num_classes={num_classes}: give 0 (pooled features) or more")
        options: dict[str, Any] = {"in_chans": in_channels}
        if drop_rate is not None:
            options["drop_rate"] = rate("drop_rate", drop_rate)
        if stochastic_depth_rate is not None:
            options["drop_path_rate"] = rate("stochastic_depth_rate", stochastic_depth_rate)
        self.network = _build(name, num_classes, options)
        if ghost_batch is not None:
            use_ghost_batches(self.network, ghost_batch)
        self.normalizer = found_normalizer(self.network)
        self.drop_rate = float(getattr(self.network, "drop_rate", 0.0))
        self.blocks = nn.ModuleList()

    @property
    def classifier(self) -> nn.Module:  # type: ignore[override]
        """What timm calls the classifier; several (of distilled networks) in one list."""
        classifier = self.network.get_classifier()
        return nn.ModuleList(classifier) if isinstance(classifier, tuple) else classifier

    def forward_features(self, x: Tensor) -> Tensor:
        """What timm's ``forward_features`` gives: a map ``[N, C, h, w]``, or tokens where it is not convolutional."""
        features: Tensor = self.network.forward_features(x)
        return features

    def forward(self, x: Tensor) -> Tensor:
        with peer_noise(self.training):
            logits: Tensor = self.network(x)
        return logits


def _timm() -> ModuleType:
    try:
        import timm
    except ImportError as error:
        raise ValueError(f"timm is not installed ({error}); pip install 'normfree[peers]'") from error
    module: ModuleType = timm
    return module


def _known(name: str) -> ModuleType:
    timm = _timm()
    if name not in (names := timm.list_models()):
        near = get_close_matches(name.partition(".")[0], names, n=4, cutoff=0.5)
        hint = f"did you mean {', '.join(near)}?" if near else "normfree.list_models('timm') names them all"
        raise ValueError(f"unknown timm model {name!r}; {hint}")
    return timm


def _build(name: str, num_classes: int, options: dict[str, Any]) -> Any:
    try:
        return _known(name).create_model(name, pretrained=False, num_classes=num_classes, **options)
    except TypeError as error:
        refused = re.search(r"unexpected keyword argument '(\w+)'", str(error))
        if refused is None or refused[1] not in options:
            raise
        option = refused[1]
        raise ValueError(
            f"{_OVERRIDES[option]}={options[option]}: timm's {name} takes no {option}; leave it out"
        ) from error


def _names() -> list[str]:
    try:
        return list(_timm().list_models())
    except ValueError:
        return []


def _info(name: str) -> ModelInfo:
    with torch.device("meta"):
        network = TimmNetwork(name)
    pretrained = network.network.pretrained_cfg
    train_shape = pretrained["input_size"]
    test_shape = pretrained.get("test_input_size") or train_shape
    return ModelInfo(
        name=f"{FAMILY}/{name}",
        family=FAMILY,
        normalizer=network.normalizer,
        train_size=train_shape[-1],
        test_size=test_shape[-1],
        source=f"timm {_timm().__version__}",
    )


register_library(FAMILY, Library(names=_names, info=_info, network=lambda name: partial(TimmNetwork, name)))
