"""A folder that all processes which run tests have, for what takes long to make and is only read."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock


@contextmanager
def shared_folder(factory: pytest.TempPathFactory, name: str) -> Iterator[Path]:
    """Of this call of pytest; while one process is here, the others wait, and then find what it made."""
    own = factory.getbasetemp()
    place = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / f"shared-{name}"
    with FileLock(f"{place}.lock"):
        place.mkdir(exist_ok=True)
        yield place
