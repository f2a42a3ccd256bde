"""``report.py probe=...``: look at networks or images and write what was seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from rich.console import Console

from normfree.cli.probe_keys import ProbeKeys
from normfree.cli.probe_page import Page
from normfree.cli.probes import probes
from normfree.config import UserError
from normfree.config.errors import nearest
from normfree.config.keys import read_keys, rows
from normfree.host.exit_codes import EXIT_INTERRUPTED, EXIT_OK

COMMAND = "python report.py"


def probe(words: Sequence[str]) -> int:
    """Measure, draw, write under ``<reports_dir>/probes/<probe>`` and print where; returns the exit code.

    Raises:
        UserError: an unknown probe, key or value, or a directory that cannot be written.
    """
    name, keys = read_probe(words)
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, 100)
    keys.check()
    target = Path(keys.reports_dir) / "probes"
    try:
        (target / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"reports_dir={keys.reports_dir}: cannot make {target / name} ({error.strerror}); "
            "give a writable directory with reports_dir=..."
        ) from error
    page = Page.of(name, keys, console)
    try:
        files = probes()[name].run(keys, page)
    except KeyboardInterrupt:
        console.print(getattr(probes()[name], "INTERRUPTED", "interrupted; nothing was written"), highlight=False)
        return EXIT_INTERRUPTED
    from normfree.report.build import write

    write({f"{name}/{file}": content for file, content in files.items()}, target)
    console.print(str(target / name / f"{page.name}.md"), soft_wrap=True, highlight=False)
    return EXIT_OK


def read_probe(words: Sequence[str]) -> tuple[str, ProbeKeys]:
    """The name and the keys of a command line that holds ``probe=``.

    Raises:
        UserError: an unknown probe or key, a key given twice, a value out of its bounds, or none where one is needed.
    """
    asked = [word for word in words if word.startswith("probe=")]
    if len(asked) > 1:
        raise UserError(f"{asked[1]}: probe is given twice; give it once")
    name = asked[0].partition("=")[2]
    if name not in probes():
        raise UserError(f"probe={name}: no such probe{nearest(name, probes())}; there are: {', '.join(probes())}")
    kind: type[ProbeKeys] = probes()[name].KEYS
    alone = f"a probe takes key=value alone, such as {kind.example}"
    rest = [word for word in words if not word.startswith("probe=")]
    flags = {"-m": alone, "--multirun": alone}
    keys = read_keys(kind, rest, command=COMMAND, of=f" of probe={name}", flags=flags)
    needed, _, example = kind.example.partition("=")
    if getattr(keys, needed) == ():
        what = "networks" if needed == "model" else "options"
        raise UserError(f"{needed}: is missing; probe={name} needs {what}, such as {needed}={example}")
    return name, keys


def probe_of(key: str) -> str:
    """The first probe that has a key, or an empty string."""
    return next((name for name, one in probes().items() if key in {each.name for each in fields(one.KEYS)}), "")


def help_of_probes() -> str:
    """The part of a help text on every probe."""
    parts = []
    for name, one in probes().items():
        kind = one.KEYS
        parts.append(f"  {COMMAND} probe={name} {kind.example}     {kind.about}\n\n" + "\n".join(rows(kind, 4)))
    return "\n\n".join(parts)
