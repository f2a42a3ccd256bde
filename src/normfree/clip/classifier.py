"""The classifier of any network, which AGC leaves alone."""

from __future__ import annotations

from torch import nn


def classifier_of(model: nn.Module, name: str | None = None) -> tuple[str, nn.Module]:
    """The name and module of the classifier of `model`.

    It is the last linear layer of the module that is called ``classifier``, or of the whole model where there is none;
    a ``classifier`` without a linear layer (SqueezeNet's ends in a convolution) is one as a whole.

    Args:
        name: of the module, as in ``named_modules()``, where another one is meant.

    Raises:
        ValueError: there is no such module, or none that could be the classifier.
    """
    modules = dict(model.named_modules())
    if name is not None:
        if name not in modules or not name:
            linear = [known for known, module in modules.items() if isinstance(module, nn.Linear)]
            raise ValueError(
                f"classifier={name!r}: {type(model).__name__} has no such module; "
                f"its linear layers are: {', '.join(linear[-4:]) or 'none'}"
            )
        return name, modules[name]
    inside = "classifier" if "classifier" in modules else ""
    linear = [known for known, module in modules.items() if isinstance(module, nn.Linear) and _within(known, inside)]
    if linear:
        return linear[-1], modules[linear[-1]]
    if inside:
        return inside, modules[inside]
    raise ValueError(
        f"{type(model).__name__} has no linear layer that could be its classifier; "
        "name it with classifier=..., or clip everything with scope='all'"
    )


def _within(name: str, outer: str) -> bool:
    return not outer or name == outer or name.startswith(f"{outer}.")
