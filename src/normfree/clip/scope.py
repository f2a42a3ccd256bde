"""Which parameters a clipper may touch, told by what a module is and never by its position.

Source: the released NFNet code clips everything but the classifier's weight (its bias is clipped); the paper
(arXiv 2102.06171), section 4.1, finds the last linear better left alone.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn


def _classifier(model: nn.Module) -> nn.Module:
    classifier = getattr(model, "classifier", None)
    if not isinstance(classifier, nn.Module):
        raise ValueError(f"{type(model).__name__} has no module named 'classifier'; clip with scope='all'")
    return classifier


def _nothing(model: nn.Module) -> list[nn.Parameter]:
    return []


def _classifier_weight(model: nn.Module) -> list[nn.Parameter]:
    return [p for name, p in _classifier(model).named_parameters() if name.rpartition(".")[2] == "weight"]


def _classifier_parameters(model: nn.Module) -> list[nn.Parameter]:
    return list(_classifier(model).parameters())


SCOPES: dict[str, Callable[[nn.Module], list[nn.Parameter]]] = {
    "deepmind": _classifier_weight,
    "timm": _classifier_parameters,
    "all": _nothing,
}


def clipped_parameters(model: nn.Module, scope: str = "deepmind") -> list[nn.Parameter]:
    """The parameters of `model` that are to be clipped, each once.

    Frozen parameters are among them: without a gradient the clippers skip them, and a parameter that is
    thawed later is clipped without asking again.

    Args:
        scope: ``"deepmind"`` leaves out the weight of ``model.classifier``, ``"timm"`` its weight and bias,
            ``"all"`` nothing.

    Raises:
        ValueError: an unknown scope, or a model without a ``classifier``.
    """
    if scope not in SCOPES:
        raise ValueError(f"unknown clipping scope {scope!r}; choose one of {', '.join(SCOPES)}")
    left_out = {id(p) for p in SCOPES[scope](model)}
    return [p for p in model.parameters() if id(p) not in left_out]
