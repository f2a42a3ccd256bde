"""Errors of Hydra and OmegaConf as the one line that a command prints."""

from collections.abc import Iterator
from contextlib import contextmanager

from normfree.config import UserError


@contextmanager
def in_one_line() -> Iterator[None]:
    """Raise `UserError` for what is wrong with a configuration, however it was found."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        from normfree.cli.explain import explain

        raise UserError(explain(error).replace("add -m", "use api.sweep")) from error


def checked(overrides: object) -> list[str]:
    """The overrides as a list of texts.

    Raises:
        UserError: they are something else, one text for instance.
    """
    if isinstance(overrides, str) or not hasattr(overrides, "__iter__"):
        raise UserError(f"overrides={overrides!r}: give a list of texts, such as ['model=resnet20', 'clip=none']")
    words = list(overrides)
    for word in words:
        if not isinstance(word, str):
            raise UserError(f"overrides: {word!r} is no text; give key=value, such as 'seed=1'")
    return words
