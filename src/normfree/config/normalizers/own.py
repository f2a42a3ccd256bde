"""``model.normalizer=my_norms.ImageRMS``: a normaliser of the user's own, by the name of what is imported.

It is a layer, a class that is called with the number of channels and says in ``sees`` what its statistics are taken
over, or a ``normfree.nets.normalizers.Normalizer``, which may say more. An installed package offers one by an entry
point of ``normfree.normalizers``, a name for such a target.
"""

from functools import cache
from importlib.metadata import entry_points
from typing import Any

from normfree.config.errors import UserError
from normfree.config.instantiate import imported
from normfree.config.normalizers.facts import SEEN, NormalizerFacts
from normfree.config.parts import NORMALIZER, is_target

GROUP = "normfree.normalizers"


def target_of(name: str) -> str:
    """What stands behind a name that no normaliser of this package has: itself, or an entry point's target.

    Raises:
        UserError: packages offer several of this name.
    """
    offered = _offered().get(name, ())
    if len(offered) > 1:
        raise UserError(
            f"{NORMALIZER.target}={name}: {' and '.join(offered)} are offered by this name; remove a package, or use "
            f"{NORMALIZER.target}={offered[0]}"
        )
    return offered[0] if offered and not is_target(name) else name


@cache
def _offered() -> dict[str, tuple[str, ...]]:
    """Name -> the targets that installed packages offer by it."""
    found: dict[str, set[str]] = {}
    for each in entry_points(group=GROUP):
        found.setdefault(each.name, set()).add(each.value.replace(":", ".").partition(" ")[0])
    return {name: tuple(sorted(targets)) for name, targets in found.items()}


def facts_by_name(target: str) -> NormalizerFacts:
    """What is known of it without its code, which a stored configuration never starts."""
    return NormalizerFacts(target, target.rpartition(".")[2], "batch")


def seen_by(target: str) -> str:
    """What its statistics see, as the code itself says it.

    Raises:
        UserError: it cannot be imported, or does not say.
    """
    given, code = f"{NORMALIZER.target}={target}", imported(NORMALIZER, target, called=False)
    sees: Any = getattr(code, "sees", None)
    if not callable(getattr(code, "layer", code)):
        raise UserError(
            f"{given}: is {code!r:.60}; name a layer, a class that is called with the number of channels, or a "
            "normfree.nets.normalizers.Normalizer"
        )
    if sees not in SEEN:
        says = "does not say" if sees is None else f"sees={sees!r} does not say"
        raise UserError(
            f"{given}: {says} what its statistics see; give the class sees = 'batch', 'sample' or 'none', as a "
            "normfree.nets.normalizers.Normalizer has it"
        )
    return str(sees)
