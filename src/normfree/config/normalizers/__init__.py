"""``model.normalizer`` before torch is there: what there is, and what each sees and takes.

A new one is a file here with its ``NORMALIZERS``, and one in ``normfree.nets.normalizers``; it is found, and no list
names it.
"""

import pkgutil
from importlib import import_module

from normfree.config.errors import UserError, nearest
from normfree.config.normalizers.facts import SEEN, NormalizerFacts
from normfree.config.normalizers.own import facts_by_name
from normfree.config.parts import NORMALIZER, is_target
from normfree.config.schema import ModelConfig

OTHER_LAYERS = {
    "rmsnorm": NormalizerFacts("rmsnorm", "RMSNorm", "sample"),
    # What it sees is not known; a micro batch that might matter is held fast.
    "other": NormalizerFacts("other", "a normaliser of its own", "batch"),
}
"""Found in networks of other libraries and of the user's own, beside those of this package."""

BATCHNORM = "batchnorm"


def _found() -> dict[str, NormalizerFacts]:
    found: dict[str, NormalizerFacts] = {}
    for module in pkgutil.iter_modules(__path__):
        for facts in getattr(import_module(f"{__name__}.{module.name}"), "NORMALIZERS", ()):
            if facts.name in found:
                raise ValueError(f"config/normalizers/{module.name}.py: {facts.name} is there already")
            found[facts.name] = facts
    return found


NORMALIZERS = _found()
"""By the name."""

OPTIONS = tuple(sorted({option for facts in NORMALIZERS.values() for option in facts.options} - {"ghost_batch"}))
"""Keys of ``model.`` that some normalisers take. A ghost batch is refused where it does nothing, these are told."""


def is_known(name: str) -> bool:
    """It is one of this package, or found in other networks; a user may have registered more."""
    return name in NORMALIZERS or name in OTHER_LAYERS


def facts_of(name: str) -> NormalizerFacts:
    """What is known of a normaliser, also of one that is only found in other networks, or is the user's own."""
    return facts_by_name(name) if is_target(name) else NORMALIZERS.get(name) or OTHER_LAYERS[name]


def sees(model: ModelConfig) -> str:
    """What the statistics of a network are taken over in training: ``batch``, ``sample`` or ``none``."""
    return "none" if model.freeze_norm else _seen(model)


def _seen(model: ModelConfig) -> str:
    own = model.normalizer_sees if is_target(model.normalizer) else None
    return own or facts_of(model.normalizer).sees


def takers(option: str) -> str:
    """The normalisers that take an option, as a sentence lists them."""
    return ", ".join(name for name, facts in NORMALIZERS.items() if option in facts.options)


def check_normalizer(model: ModelConfig, own: str | None, known: bool) -> None:
    """What a network may have in the place of its own normaliser.

    Args:
        own: the normaliser of a network in which others can stand; None for all other networks.
        known: it is a network of this package.

    Raises:
        UserError: no such normaliser, or none that the network takes, or an option that does not fit.
    """
    given = f"model.normalizer={model.normalizer}"
    names = {*NORMALIZERS, *(() if own is not None else OTHER_LAYERS)}
    _check_own(model, own, known)
    if model.normalizer not in names and not is_target(model.normalizer):
        yours = f", or yours, such as {NORMALIZER.target}={NORMALIZER.example}" if own is not None else ""
        raise UserError(
            f"{given}: no such normaliser{nearest(model.normalizer, names)}; there are {_listed(names)}{yours}"
        )
    if known and own is None and model.normalizer not in (BATCHNORM, "none"):
        raise UserError(
            f"{given}: {model.name} takes no other normaliser than its own; leave it out, or choose a network that "
            "does, such as model=resnet20"
        )
    facts = facts_of(model.normalizer)
    if model.ghost_batch is not None and "ghost_batch" not in facts.options:
        raise UserError(f"model.ghost_batch={model.ghost_batch}: {_without_batchnorm(model)}")
    if model.sync_norm and model.normalizer != BATCHNORM:
        raise UserError(f"model.sync_norm=true: {_without_batchnorm(model)}")
    if facts.own_activation and model.activation is not None:
        raise UserError(
            f"model.activation={model.activation} and {given}: {facts.title} is the nonlinearity too; leave "
            "model.activation out, or choose a normaliser that it follows, such as model.normalizer=groupnorm"
        )
    if "groups" in facts.options and model.groups is not None and model.channels_per_group is not None:
        raise UserError(
            f"model.groups={model.groups} and model.channels_per_group={model.channels_per_group}: give one of them; "
            "the other follows"
        )


def _check_own(model: ModelConfig, own: str | None, known: bool) -> None:
    """One of the user's own stands in networks of this package, by a name that none of this package has."""
    if not is_target(model.normalizer):
        return
    given, name = f"model.normalizer={model.normalizer}", model.normalizer.rpartition(".")[2]
    if own is None and not known:
        raise UserError(
            f"{given}: {model.name} is no network of normfree, and has its own layers; leave it out, or choose a "
            "network that takes others, such as model=resnet20"
        )
    if name in NORMALIZERS:
        raise UserError(f"{given}: normfree has a normaliser {name}, and runs are named by it; call yours otherwise")


def _without_batchnorm(model: ModelConfig) -> str:
    facts = facts_of(model.normalizer)
    said = "" if model.normalizer == "none" else f" but {facts.title}, which sees {SEEN[_seen(model)]}"
    return f"{model.name} has no BatchNorm{said}; leave it out or choose a BatchNorm network such as model=resnet20"


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))


__all__ = [
    "BATCHNORM",
    "NORMALIZERS",
    "OPTIONS",
    "NormalizerFacts",
    "check_normalizer",
    "facts_of",
    "is_known",
    "sees",
    "takers",
]
