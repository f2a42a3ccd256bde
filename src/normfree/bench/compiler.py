"""What torch.compile needs beside torch."""

from __future__ import annotations

import os
import shutil
import sys

import torch


def missing_compiler(device: torch.device) -> str | None:
    """A line about the compiler that torch.compile wants for this device and that is not here; None where it is.

    For a processor Inductor writes C++, for a GPU Triton builds its launchers in C.
    """
    if device.type == "cuda":
        variable, language, names = "CC", "C", ["gcc", "clang"]
    else:
        variable, language, names = "CXX", "C++", ["clang++" if sys.platform == "darwin" else "g++"]
    told = os.environ.get(variable)
    if any(shutil.which(name) for name in ([told.split()[0]] if told and told.split() else names)):
        return None
    return (
        f"torch.compile needs a {language} compiler, and {told or ' or '.join(names)} is not there; install one, "
        f"name it in {variable}, or write form=eager"
    )
