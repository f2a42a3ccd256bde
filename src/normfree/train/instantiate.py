"""Where a name in a configuration becomes code: the only place, and only for the keys listed here.

A ``_target_`` is taken from the configuration of the run that is being started, never from a file that is read
(a checkpoint, weights, another run's record).
"""

import inspect
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

from torch import Tensor

from normfree.config import UserError
from normfree.config.schema import ClipConfig

Clipper = Callable[[list[Tensor]], Any]
"""Changes the gradients of parameters in place."""

ALLOWED = ("clip._target_",)
"""The keys whose value names code."""


def clipper_of(clip: ClipConfig) -> Clipper:
    """The user's clipper that ``clip._target_`` names, with ``clip.arguments`` filled in.

    A function is called as ``function(parameters, **arguments)`` at every optimizer step. A class is made once,
    ``cls(**arguments)``, and its object is called as ``object(parameters)``.

    Raises:
        UserError: the name cannot be imported or called, or does not take the arguments.
    """
    name = clip._target_
    assert name, "config.validate sees to it"
    target = _imported("clip._target_", name)
    arguments = clip.arguments or {}
    if isinstance(target, type):
        made: Any = _fitting(name, arguments, target, ())(**arguments)
        if not callable(made):
            raise UserError(f"clip._target_={name}: its objects cannot be called; give it a __call__(self, parameters)")
        own: Clipper = made
        return own
    filled: Clipper = partial(_fitting(name, arguments, target, ([],)), **arguments)
    return filled


def _imported(key: str, name: str) -> Any:
    assert key in ALLOWED
    module, dot, attribute = name.rpartition(".")
    if not dot or not module:
        raise UserError(f"{key}={name}: give module.name, such as my_clipping.halve")
    try:
        found = getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        raise UserError(
            f"{key}={name}: no module named {error.name}; start where it can be imported, or install it"
        ) from error
    except AttributeError as error:
        raise UserError(f"{key}={name}: {error}") from error
    except Exception as error:
        raise UserError(
            f"{key}={name}: cannot be imported ({type(error).__name__}: {error})".splitlines()[0]
        ) from error
    if not callable(found):
        raise UserError(f"{key}={name}: a {type(found).__name__} cannot be called; name a function or a class")
    return found


def _fitting(name: str, arguments: dict[str, Any], target: Any, positional: tuple[Any, ...]) -> Any:
    try:
        inspect.signature(target).bind(*positional, **arguments)
    except TypeError as error:
        raise UserError(f"clip.arguments={arguments}: {name} does not take them ({error})") from error
    except ValueError:
        pass  # a builtin without a signature says it when called
    return target
