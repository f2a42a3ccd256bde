"""``python report.py probe=...``: measure networks and write what was seen, one entry a probe."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from normfree.cli.command import EXIT_OK
from normfree.config import UserError
from normfree.report.probe_keys import ProbeKeys, SignalKeys
from normfree.runs.provenance import commit, processor, version


def probe(keys: ProbeKeys) -> int:
    """Measure, draw, write under ``<reports_dir>/probes/<probe>`` and print where; returns the exit code.

    Raises:
        UserError: an unknown network, or a directory that cannot be written.
    """
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, 100)
    sizes = _train_sizes(keys.model)
    target = Path(keys.reports_dir) / "probes"
    try:
        (target / keys.probe).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"reports_dir={keys.reports_dir}: cannot make {target / keys.probe} ({error.strerror}); "
            "give a writable directory with reports_dir=..."
        ) from error
    files, page = PROBES[keys.probe](keys, sizes, console)
    from normfree.report.build import write

    write({f"{keys.probe}/{name}": content for name, content in files.items()}, target)
    console.print(str(target / keys.probe / page), soft_wrap=True, highlight=False)
    return EXIT_OK


def _train_sizes(names: tuple[str, ...]) -> dict[str, int]:
    from normfree.nets import model_info

    sizes = {}
    for name in names:
        try:
            sizes[name] = model_info(name).train_size
        except ValueError as error:
            raise UserError(f"model={name}: {error}") from error
    return sizes


def _signal(keys: SignalKeys, sizes: dict[str, int], console: Console) -> tuple[dict[str, bytes], str]:
    from normfree.probe import signal_at_initialisation
    from normfree.report.signal_page import SignalConditions, signal_files, signal_table, signal_terminal

    sizes = {name: keys.image_size or size for name, size in sizes.items()}
    rows: list[dict[str, Any]] = []
    for name, size in sizes.items():
        began = time.monotonic()
        with console.status(f"{name}: {keys.batch} images of {size} x {size} px"):
            try:
                measured = signal_at_initialisation(
                    name, seed=keys.seed, batch=keys.batch, image_size=size, skip_gain=keys.skip_gain
                )
            except ValueError as error:
                raise UserError(f"model={name}: {error}; give another network or other keys") from error
        rows += [{"model": name, **asdict(row)} for row in measured]
        seconds = time.monotonic() - began
        console.print(f"{name}: {len(measured) - 1} blocks at {size} px, {seconds:.1f} s", highlight=False)
    table = signal_table(rows)
    console.print(signal_terminal(table))
    conditions = SignalConditions(keys.batch, sizes, keys.seed, keys.skip_gain)
    with console.status("drawing"):
        files = signal_files(table, conditions, stem := _file_name(keys), _command(keys), _made_with())
    return files, f"{stem}.md"


def _file_name(keys: ProbeKeys) -> str:
    """The networks, then what differs from the defaults: ``resnet50-nf_resnet50-seed1``."""
    models = (name.replace("/", "_") for name in keys.model)
    return "-".join((*models, *(f"{name}{value:g}" for name, value in _changed(keys).items())))


def _command(keys: ProbeKeys) -> str:
    changed = "".join(f" {name}={value:g}" for name, value in _changed(keys).items())
    return f"python report.py probe={keys.probe} model={','.join(keys.model)}{changed}"


def _made_with() -> str:
    head, dirty = commit()
    code = f"commit {head[:12]}{' with uncommitted changes' if dirty else ''}" if head else "no commit"
    return f"normfree {version('normfree')} ({code}), torch {version('torch')}, {processor()}"


def _changed(keys: ProbeKeys) -> dict[str, float]:
    default = asdict(type(keys)())
    return {n: v for n, v in asdict(keys).items() if v != default[n] and n not in ("model", "reports_dir")}


PROBES: dict[str, Callable[[Any, dict[str, int], Console], tuple[dict[str, bytes], str]]] = {"signal": _signal}
"""Name -> what measures: gives the files of the report and the name of its page."""
