"""Where a name in a configuration becomes code: the only place, and only for the keys of `normfree.config.parts`.

A ``_target_`` is taken from the configuration of the run that is being started, never from a file that is read
(a checkpoint, weights, another run's record).
"""

import inspect
from collections.abc import Iterable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

from normfree.config.errors import UserError, closest
from normfree.config.parts import EVERY_PART, Part
from normfree.config.tracebacks import kept_traceback, one_line
from normfree.host.wording import counted, some

_NOTHING = object()
_SHOWN = 8
"""Of what a module offers, the first."""


def imported(part: Part, name: str, called: bool = True) -> Any:
    """The function or class called ``name``, which is ``module.name``.

    Args:
        called: whether what cannot be called is refused.

    Raises:
        UserError: it cannot be imported, or cannot be called; the traceback of what was raised is in a file.
    """
    assert part in EVERY_PART
    key = part.target
    module, dot, attribute = name.rpartition(".")
    if not dot or not module:
        raise UserError(f"{key}={name}: give module.name, such as {part.example}")
    try:
        place = import_module(module)
        found = getattr(place, attribute, _NOTHING)
    except ModuleNotFoundError as error:
        raise UserError(
            f"{key}={name}: no module named {error.name}; start where it can be imported, put its folder into "
            "PYTHONPATH, or install it"
        ) from error
    except (Exception, SystemExit) as error:
        where = kept_traceback(error, name)
        raise UserError(f"{key}={name}: cannot be imported ({one_line(error)}){where}") from error
    if found is _NOTHING:
        raise UserError(f"{key}={name}: {module} has no {attribute}{_offered(place, attribute)}")
    if called and not callable(found):
        raise UserError(f"{key}={name}: {some(type(found).__name__)} cannot be called; name a function or a class")
    return found


def _offered(place: ModuleType, attribute: str) -> str:
    """The nearest of what can be called in a module, or all that was written there."""
    own = [name for name, each in vars(place).items() if callable(each) and not name.startswith("_")]
    if close := closest(attribute, own):
        return f"; did you mean {place.__name__}.{close[0]}?"
    written = sorted(name for name in own if getattr(getattr(place, name), "__module__", None) == place.__name__)
    more = f" and {counted(len(written) - _SHOWN, 'other')}" if len(written) > _SHOWN else ""
    return f"; there are: {', '.join(written[:_SHOWN])}{more}" if written else ""


def fitting(
    part: Part, name: str, target: Any, arguments: Mapping[str, Any], positional: Iterable[Any] = (), **given: Any
) -> Any:
    """``target``, if it can be called with ``positional``, ``given`` and the user's ``arguments``.

    Raises:
        UserError: it does not take them.
    """
    if twice := sorted(set(arguments) & set(given)):
        raise UserError(f"{part.arguments}={dict(arguments)}: {', '.join(twice)} is given by normfree; leave it out")
    try:
        inspect.signature(target).bind(*positional, **given, **arguments)
    except TypeError as error:
        with_these = f" beside {', '.join(given)}" if given else ""
        raise UserError(
            f"{part.arguments}={dict(arguments)}: {name} does not take them{with_these} ({error})"
        ) from error
    except ValueError:
        pass  # a builtin without a signature says it when called
    return target


def called(
    part: Part, name: str, target: Any, arguments: Mapping[str, Any], positional: Iterable[Any] = (), **given: Any
) -> Any:
    """What ``target(*positional, **given, **arguments)`` gives.

    Raises:
        UserError: as `fitting`; or it raises, and the traceback is in a file.
    """
    positional = tuple(positional)
    fitting(part, name, target, arguments, positional, **given)
    try:
        return target(*positional, **given, **arguments)
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        raise UserError(f"{part.target}={name}: {one_line(error)}{kept_traceback(error, name)}") from error


def takes(target: Any, names: Iterable[str]) -> set[str]:
    """Which of these names ``target`` can be given as arguments."""
    try:
        parameters = inspect.signature(target).parameters.values()
    except ValueError:
        return set()
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters):
        return set(names)
    by_name = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return set(names) & {each.name for each in parameters if each.kind in by_name}
