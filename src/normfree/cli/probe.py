"""``python report.py probe=...``: look at networks or images and write what was seen, one entry a probe."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from normfree.config import Resolved, UserError
from normfree.config.sources import SOURCES
from normfree.host.exit_codes import EXIT_INTERRUPTED, EXIT_OK
from normfree.report.probe_keys import AugmentKeys, Cut, CutKeys, ProbeKeys, SignalKeys, typed
from normfree.runs.provenance import commit, processor, version


def probe(keys: ProbeKeys) -> int:
    """Measure, draw, write under ``<reports_dir>/probes/<probe>`` and print where; returns the exit code.

    Raises:
        UserError: an unknown network, or a directory that cannot be written.
    """
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, 100)
    if isinstance(keys, SignalKeys | CutKeys):
        _train_sizes(keys.model)  # an unknown one is told before anything is made
    target = Path(keys.reports_dir) / "probes"
    try:
        (target / keys.probe).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"reports_dir={keys.reports_dir}: cannot make {target / keys.probe} ({error.strerror}); "
            "give a writable directory with reports_dir=..."
        ) from error
    try:
        files, page = PROBES[keys.probe](keys, console)
    except KeyboardInterrupt:
        console.print("interrupted; nothing was written", highlight=False)
        return EXIT_INTERRUPTED
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


def _signal(keys: SignalKeys, console: Console) -> tuple[dict[str, bytes], str]:
    found = _train_sizes(keys.model)
    from normfree.probe import signal_at_initialisation
    from normfree.report.probes.signal_page import SignalConditions, signal_files, signal_table, signal_terminal

    sizes = {name: keys.image_size or size for name, size in found.items()}
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


def _augment(keys: AugmentKeys, console: Console) -> tuple[dict[str, bytes], str]:
    from normfree.compose.run import compose_run

    size = keys.image_size
    # Sets without a size of their own take the network's, of which there is none here.
    if size is None and any(keys.data in source.names and not source.own_size for source in SOURCES):
        size = 128
    options = [f"data={keys.data}", f"batch={keys.images}", "steps=1000", f"seed={keys.seed}", "data.workers=0"]
    options += [f"data.train_size={size}", f"data.test_size={size}"] if size is not None else []
    options += [f"data.root={keys.root}"] if keys.root is not None else []
    runs = {}
    for name in ("none", *(name for name in keys.augment if name != "none")):
        run = compose_run([*options, f"augment={name}"])
        if not keys.magnitude or not run.config.augment.randaugment_layers:
            runs[name] = run
            continue
        for magnitude in keys.magnitude:
            row = name if len(keys.magnitude) == 1 else f"{name} {magnitude:g}"
            runs[row] = compose_run([*options, f"augment={name}", f"augment.magnitude={magnitude}"])
    with console.status("reading images"):
        from normfree.data import contact_sheet

        rows = {name: contact_sheet(run) for name, run in runs.items()}
    from normfree.report.probes.augment_page import augment_files

    settings = {name: run.config.augment for name, run in runs.items()}
    with console.status("drawing"):
        files = augment_files(
            rows, settings, runs["none"].config.data, stem := _file_name(keys), _command(keys), _made_with()
        )
    return files, f"{stem}.md"


class _Case(NamedTuple):
    """A network with its clipping and its ghost batches; the names are those of the report's columns."""

    model: str
    clip: str
    ghost_batch: int | None


def _cuts(keys: CutKeys, console: Console) -> tuple[dict[str, bytes], str]:
    from normfree.nets import model_info
    from normfree.train.cut_law import CutRow, cut_law
    from normfree.train.lightning_noise import quieten
    from normfree.train.ranks import check_cores

    quieten()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="normfree-split-") as place:
        cases: dict[_Case, list[Resolved]] = {}
        for model in keys.model:
            normed = model_info(model).normalizer == "batchnorm"
            for ghost in (None, *(keys.ghost_batches if normed else ())):
                case = _Case(model, "none" if normed else "agc", ghost)
                cases[case] = [
                    _cut_run(keys, case, cut, f"{place}/{len(cases)}-{cut.devices}-{cut.accumulation}")
                    for cut in keys.cuts
                ]
        for run in (run for runs in cases.values() for run in runs):
            check_cores(run.config.trainer)
        from normfree.report.probes.cut_figure import cut_label
        from normfree.report.probes.cut_page import CutConditions, case_name, cut_files, cut_table, cut_terminal

        for case, runs in cases.items():
            name = case_name(case.model, case.clip, case.ghost_batch, runs[0].norm_batch is not None)
            with console.status(name) as status:

                def told(row: CutRow, name: str = name, status: Any = status) -> None:
                    status.update(f"{name}: {cut_label(row.devices, row.micro_batch, row.accumulation)} done")

                began = time.monotonic()
                measured = cut_law(runs, told)
            rows += [{"case": name, **case._asdict(), **asdict(row)} for row in measured]
            seconds = time.monotonic() - began
            console.print(f"{name}: {len(runs)} cuts, {seconds:.1f} s", highlight=False)
    table = cut_table(rows)
    console.print(cut_terminal(table))
    conditions = CutConditions(keys.batch, keys.steps, keys.seed, keys.image_size)
    with console.status("drawing"):
        files = cut_files(table, conditions, stem := _file_name(keys), _command(keys), _made_with())
    return files, f"{stem}.md"


def _cut_run(keys: CutKeys, case: _Case, cut: Cut, place: str) -> Resolved:
    """The run of one cut: nothing in it is random but what the seed and the image decide."""
    from normfree.compose.run import compose_run

    options = [
        f"model={case.model}", f"clip={case.clip}", "data=mnist5k", "augment=shift", "recipe=small",
        f"data.train_size={keys.image_size}", f"data.test_size={keys.image_size}", f"batch={keys.batch}",
        f"steps={keys.steps}", f"seed={keys.seed}", f"optimizer.warmup_steps={min(1, keys.steps - 1)}",
        "precision=64-true", "model.drop_rate=0", "model.stochastic_depth_rate=0", "trainer=ddp_cpu",
        f"trainer.devices={cut.devices}", f"trainer.micro_batch={cut.micro_batch}", "trainer.threads=1",
        f"runs_dir={place}",
    ]  # fmt: skip
    if case.ghost_batch is not None:
        options.append(f"model.ghost_batch={case.ghost_batch}")
    return compose_run(options)


def _file_name(keys: ProbeKeys) -> str:
    """What is looked at, then what differs from the defaults: ``resnet50-nf_resnet50-seed1``."""
    looked = (name.replace("/", "_") for name in getattr(keys, _needed(keys)))
    changed = {name: value for name, value in _changed(keys).items() if name != "root"}
    parts = (value if name == "data" else f"{name}{value.replace(',', '_')}" for name, value in changed.items())
    return "-".join((*looked, *parts))


def _command(keys: ProbeKeys) -> str:
    needed = _needed(keys)
    changed = "".join(f" {name}={'PATH' if name == 'root' else value}" for name, value in _changed(keys).items())
    return f"python report.py probe={keys.probe} {needed}={','.join(getattr(keys, needed))}{changed}"


def _needed(keys: ProbeKeys) -> str:
    return keys.example.partition("=")[0]


def _made_with() -> str:
    head, dirty = commit()
    code = f"commit {head[:12]}{' with uncommitted changes' if dirty else ''}" if head else "no commit"
    return f"normfree {version('normfree')} ({code}), torch {version('torch')}, {processor()}"


def _changed(keys: ProbeKeys) -> dict[str, str]:
    """Values as typed, of what differs from the defaults."""
    default = asdict(type(keys)())
    plain = {n: v for n, v in asdict(keys).items() if v != default[n] and n not in (_needed(keys), "reports_dir")}
    return {name: typed(value) for name, value in plain.items()}


PROBES: dict[str, Callable[[Any, Console], tuple[dict[str, bytes], str]]] = {
    "signal": _signal,
    "augment": _augment,
    "split": _cuts,
}
"""Name -> what looks: gives the files of the report and the name of its page."""
