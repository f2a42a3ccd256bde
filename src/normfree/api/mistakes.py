"""Errors of Hydra and OmegaConf as the one line that a command prints."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from normfree.config import UserError

_CALLS = (
    (r"python train\.py -m (experiment=[\w.-]+)", r"api.sweep(['\1'])"),
    (r"python report\.py experiment=([\w.-]+)", r"api.report('\1')"),
    (r"python train\.py --help lists all, as model=", "normfree.list_models() has all"),
    (r"python (train|report|runs|bench)\.py", r"normfree \1"),
    (r"\badd -m\b", "use api.sweep"),
)
"""What a command says, and what is said here; commands without a call have their names."""


@contextmanager
def in_one_line() -> Iterator[None]:
    """Raise `UserError` for what is wrong with a configuration, however it was found, in words of Python."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        from normfree.cli.explain import explain

        raise UserError(in_words_of_python(explain(error))) from error
    except UserError as error:
        told = in_words_of_python(str(error))
        if type(error) is not UserError or told == str(error):
            raise
        raise UserError(told) from error


def in_words_of_python(text: str) -> str:
    """What a command would say, with what is called here in the place of commands."""
    for pattern, call in _CALLS:
        text = re.sub(pattern, call, text)
    return text


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
        if word in ("-m", "--multirun"):
            raise UserError(f"overrides: {word!r} is a flag of the command; api.sweep needs none")
        if word.startswith("-"):
            raise UserError(f"overrides: {word!r} is a flag of the command; give key=value, such as 'seed=1'")
    return words


def refuse_plan(plan: bool) -> None:
    """A plan is text for a terminal.

    Raises:
        UserError: one was asked for.
    """
    if plan:
        raise UserError("plan=true: is printed by the command, normfree train; leave it out to train")
