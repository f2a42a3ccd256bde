"""Where a result came from: the commit, the software and the machine."""

import importlib.metadata
import json
import os
import platform
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

_SOURCE = Path(__file__).resolve().parent
_DIFF_LIMIT = 1_000_000  # characters


def _git(*arguments: str) -> str | None:
    try:
        answer = subprocess.run(
            ["git", *arguments], cwd=_SOURCE, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout


@cache
def commit() -> tuple[str | None, bool]:
    """The checked-out commit of normfree's own repository, and whether tracked files differ from it.

    In a copy without its repository the environment variable NORMFREE_COMMIT may tell. In a job, NORMFREE_SNAPSHOT
    names the folder of its submission, which remembers.
    """
    if snapshot := os.environ.get("NORMFREE_SNAPSHOT"):
        origin = json.loads((Path(snapshot) / "origin.json").read_text(encoding="utf-8"))
        return origin["commit"], origin["dirty"]
    head = _git("rev-parse", "HEAD")
    if head is None:
        return os.environ.get("NORMFREE_COMMIT"), False
    # What experiments write into reports/ does not change what a run computes.
    return head.strip(), bool(_git("status", "--porcelain", "--untracked-files=no", "--", ":/", ":!/reports"))


@cache
def difference() -> str:
    """The uncommitted difference of tracked files, cut at a million characters."""
    if snapshot := os.environ.get("NORMFREE_SNAPSHOT"):
        file = Path(snapshot) / "uncommitted.diff"
        return file.read_text(encoding="utf-8") if file.exists() else ""
    return (_git("diff", "HEAD", "--", ":/", ":!/reports") or "")[:_DIFF_LIMIT]


def version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


@cache
def processor() -> str:
    """The processor's name as the operating system gives it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def provenance(device: str, threads: int) -> dict[str, Any]:
    """What a result is recorded with; ``device`` names the accelerator or processor that computed it."""
    head, dirty = commit()
    return {
        "commit": head,
        "dirty": dirty,
        "normfree": version("normfree"),
        "torch": version("torch"),
        "torchvision": version("torchvision"),
        "lightning": version("pytorch-lightning"),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "device": device,
        "cores": os.cpu_count(),
        "threads": threads,
    }
