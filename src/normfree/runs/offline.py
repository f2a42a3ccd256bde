"""Where W&B keeps what it was told offline, and how that is sent."""

import shlex
from pathlib import Path

_FOLDERS = "wandb/offline-run-*"
_NEWEST = "wandb/latest-run"


def offline_folder(run: Path) -> Path | None:
    """The newest folder of offline records of a run; it holds what was logged before it was resumed too."""
    folders = sorted(run.glob(_FOLDERS))
    return folders[-1] if folders else None


def how_to_sync(run: Path) -> str:
    """The command that sends a run that was tracked offline whole, or nothing where there is nothing to send."""
    folder = offline_folder(run)
    return "" if folder is None else f"wandb sync {shlex.quote(str(folder))}"


def how_to_sync_all(experiment: Path) -> str:
    """The same for all runs of an experiment."""
    if not any(experiment.glob(f"*/{_FOLDERS}")):
        return ""
    return f"wandb sync {shlex.quote(str(experiment))}/*/{_NEWEST}"
