"""Formats: one file each, found by its name: ``NAME_format.py``.

A file has

- ``ABOUT``, a line for the help, and ``SUFFIX``, the ending of its files;
- ``require()``, which raises UserError where a package is missing, with what to install;
- ``write(subject, path)``, which writes a `normfree.export.subject.Subject`, and other files of that stem if it must;
- ``read(path)``, which gives what it computes: normalised float32 ``[N, C, S, S]`` -> logits ``[N, K]``, both on the
  processor, for any N;
- ``FOLDED``: whether it takes a folded network.

Torch is imported in the functions.
"""

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from normfree.config import UserError
from normfree.host.installing import install

_FIRST = ("onnx", "torch_export", "safetensors", "openvino")
"""Told in this order; others by their names."""


@cache
def formats() -> dict[str, ModuleType]:
    """Name -> module."""
    found = {path.stem.removesuffix("_format") for path in Path(__file__).parent.glob("*_format.py")}
    names = (*_FIRST, *sorted(found - {*_FIRST}))
    return {name: import_module(f"{__name__}.{name}_format") for name in names}


def require_packages(name: str, packages: tuple[str, ...], extra: str) -> None:
    """
    Raises:
        UserError: one is not installed.
    """
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        are = "which is" if len(missing) == 1 else "which are"
        way = install(f"normfree[{extra}]")
        raise UserError(f"format={name}: needs {', '.join(missing)}, {are} not installed; {way}")
