"""Which parameters a clipper may touch, told by what a module is and never by its position.

Source: the released NFNet code clips everything but the classifier's weight (its bias is clipped); the paper
(arXiv 2102.06171), section 4.1 and appendix, finds the last linear better left alone, and removes clipping from one
stage after another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

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


def clipped_parameters(
    model: nn.Module, scope: str = "deepmind", stages: Iterable[int | str] | None = None
) -> list[nn.Parameter]:
    """The parameters of `model` that are to be clipped, each once.

    Frozen parameters are among them: without a gradient the clippers skip them, and a parameter that is
    thawed later is clipped without asking again.

    Args:
        scope: ``"deepmind"`` leaves out the weight of ``model.classifier``, ``"timm"`` its weight and bias,
            ``"all"`` nothing.
        stages: of these only the ones in some stages: numbers from 0, ``"stem"`` and ``"head"``; None for all.

    Raises:
        ValueError: an unknown scope or stage, or a model without a ``classifier`` or, if `stages` are given,
            without ``blocks`` that know their stage.
    """
    if scope not in SCOPES:
        raise ValueError(f"unknown clipping scope {scope!r}; choose one of {', '.join(SCOPES)}")
    left_out = {id(p) for p in SCOPES[scope](model)}
    if stages is not None:
        wanted = {str(stage) for stage in stages}
        parts = parts_of(model)
        known = sorted(set(parts.values()), key=lambda part: (part == "head", part != "stem", part))
        if not wanted or wanted - set(known):
            raise ValueError(f"stages={sorted(wanted)}: choose from {', '.join(known)}")
        left_out |= {id(p) for name, p in model.named_parameters() if parts[name] not in wanted}
    return [p for p in model.parameters() if id(p) not in left_out]


def parts_of(model: nn.Module) -> dict[str, str]:
    """Where each parameter is, by name: ``"stem"``, the number of a stage, or ``"head"``.

    A block knows its ``stage``; modules that are called ``stem...`` are the stem; the rest, such as the final
    convolution and the classifier, is the head.

    Raises:
        ValueError: `model` has no ``blocks`` that know their stage.
    """
    stages = {
        id(block): stage
        for block in getattr(model, "blocks", ())
        if (stage := getattr(block, "stage", None)) is not None
    }
    if not stages:
        raise ValueError(f"{type(model).__name__} has no blocks that know their stage; leave out stages")
    parts = {}
    modules = dict(model.named_modules())
    for name, _ in model.named_parameters():
        above = name.split(".")
        found = [stages[key] for i in range(1, len(above)) if (key := id(modules[".".join(above[:i])])) in stages]
        # The frame of a network from elsewhere calls it ``network``.
        outermost = above[1] if above[0] == "network" else above[0]
        parts[name] = str(found[0]) if found else "stem" if outermost.startswith("stem") else "head"
    return parts
