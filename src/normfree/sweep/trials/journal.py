"""Where Optuna keeps the trials: a journal in the folder of the runs, or a database."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from normfree.config import UserError
from normfree.host.installing import install
from normfree.sweep.trials.block import PLACE

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

JOURNAL = "trials.journal"


def opened(folder: Path, url: str | None) -> BaseStorage:
    """The storage.

    Args:
        folder: of the experiment's runs; nobody else writes to its journal now.
        url: of a database, in place of the journal.
    """
    storages = optuna_or_refuse().storages
    if url is not None:
        return storages.RDBStorage(url)  # type: ignore[no-any-return]
    path = folder / JOURNAL
    backend = storages.journal.JournalFileBackend(str(path), storages.journal.JournalFileOpenLock(str(path)))
    _mend(path)
    return storages.JournalStorage(backend)  # type: ignore[no-any-return]


def optuna_or_refuse() -> Any:
    """Optuna, which tells nothing by itself.

    Raises:
        UserError: it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise UserError(f"{PLACE}: Optuna is not installed ({error}); {install('normfree[search]')}") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def _mend(path: Path) -> None:
    """Takes away half of a last line, which a machine that went down may have left; nobody writes now."""
    if not path.is_file() or not (size := path.stat().st_size):
        return
    with path.open("rb+") as file:
        file.seek(-1, os.SEEK_END)
        if file.read(1) == b"\n":
            return
        file.seek(0)
        file.truncate(file.read(size).rfind(b"\n") + 1)
