"""Where a result came from: the commit, the software and the machine."""

import base64
import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

_THIS = Path(__file__).resolve()
_PACKAGE = _THIS.parent.parent
_DIFF_LIMIT = 1_000_000  # characters


def _git(*arguments: str, good: tuple[int, ...] = (0,)) -> str | None:
    """What git prints of the repository around this file, whatever the environment points it at."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "--no-optional-locks", "-c", "core.quotePath=false", *arguments]
    try:
        answer = subprocess.run(command, cwd=_PACKAGE, env=variables, capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.decode("utf-8", "replace") if answer.returncode in good else None


@cache
def _repository() -> Path | None:
    """The top of the repository that holds this package; ``None`` in one that merely lies around it."""
    if _git("ls-files", "--error-unmatch", "--", str(_THIS)) is None:
        return None
    top = _git("rev-parse", "--show-toplevel")
    return Path(top.rstrip("\n")) if top else None


def _watched() -> list[str]:
    """What differs from the commit counts: all of normfree's own repository, in another's this package alone."""
    top = _repository()
    if top is None or top / "src" / "normfree" != _PACKAGE:
        return [str(_PACKAGE)]
    # What experiments write into reports/ does not change what a run computes.
    return [":/", ":!/reports"]


@cache
def _new_files() -> tuple[str, ...]:
    """Source files beside the committed ones that git does not know, also those that it is told to ignore."""
    top = _repository()
    where = str(_PACKAGE) if top is None or top / "src" / "normfree" != _PACKAGE else str(top / "src")
    listed = _git("ls-files", "--others", "-z", "--full-name", "--", where) or ""
    return tuple(sorted(name for name in listed.split("\0") if name.endswith((".py", ".c", ".so", ".pyx"))))


@cache
def commit() -> tuple[str | None, bool]:
    """The checked-out commit of the repository that holds this package, and whether its code differs from it.

    Where no repository does (one that an installed or unpacked copy happens to lie in is another's), the environment
    variable NORMFREE_COMMIT may tell; of a release as it was installed its version does, ``v0.2.0``, and of an unpacked
    copy nothing, ``None``. In a job, NORMFREE_SNAPSHOT names the folder of its submission, which remembers.
    """
    if snapshot := os.environ.get("NORMFREE_SNAPSHOT"):
        origin = json.loads((Path(snapshot) / "origin.json").read_text(encoding="utf-8"))
        return origin["commit"], origin["dirty"]
    head = _git("rev-parse", "--verify", "HEAD") if _repository() else None
    if head is None:
        told = os.environ.get("NORMFREE_COMMIT")
        return (told, False) if told else _release()
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", *_watched())
    return head.strip(), bool(changed or _new_files())


def _release() -> tuple[str | None, bool]:
    """The version of the installed release that this package is, and whether a source file differs from it."""
    try:
        installed = importlib.metadata.distribution("normfree")
    except importlib.metadata.PackageNotFoundError:
        return None, False
    files = [each for each in installed.files or () if each.suffix == ".py" and each.hash is not None]
    if not any(Path(str(each.locate())).resolve() == _THIS for each in files):
        return None, False
    return f"v{installed.version}", any(_differs(each) for each in files)


def _differs(file: importlib.metadata.PackagePath) -> bool:
    assert file.hash is not None
    try:
        digest = hashlib.new(file.hash.mode, Path(str(file.locate())).read_bytes()).digest()
    except OSError:
        return True
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != file.hash.value


@cache
def difference() -> str:
    """The uncommitted difference, new source files in full; cut at a million characters, and said so."""
    if snapshot := os.environ.get("NORMFREE_SNAPSHOT"):
        file = Path(snapshot) / "uncommitted.diff"
        return file.read_text(encoding="utf-8") if file.exists() else ""
    top = _repository()
    if top is None:
        return ""
    plain = ("diff", "--no-ext-diff", "--no-textconv", "--no-color")
    parts = [_git(*plain, "HEAD", "--", *_watched()) or ""]
    parts += [
        _git("-C", str(top), *plain, "--no-index", "--", os.devnull, name, good=(0, 1)) or "" for name in _new_files()
    ]
    text = "".join(parts)
    return text if len(text) <= _DIFF_LIMIT else f"{text[:_DIFF_LIMIT]}\n... cut at {_DIFF_LIMIT} characters\n"


@cache
def code() -> str:
    """A digest of this package's source files: the same for the same code, committed or not."""
    found = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        found.update(f"{path.relative_to(_PACKAGE)}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()[:16]


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
        "code": code(),
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
