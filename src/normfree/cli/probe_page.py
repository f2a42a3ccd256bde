"""Where a probe writes, and what its page says of how it was made."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields

from rich.console import Console

from normfree.cli.probe_keys import ProbeKeys
from normfree.config import UserError
from normfree.config.keys import shown
from normfree.runs.provenance import commit, processor, version


@dataclass(frozen=True)
class Page:
    """What a probe needs to write its files.

    Attributes:
        name: of the files, without an ending; the page itself is ``<name>.md``.
        command: that makes them again.
        made_with: code and hardware.
        console: for what is shown on the way.
    """

    name: str
    command: str
    made_with: str
    console: Console

    @classmethod
    def of(cls, probe: str, keys: ProbeKeys, console: Console) -> Page:
        """The page of a probe with these keys."""
        return cls(_file_name(keys), _command(probe, keys), _made_with(), console)


def train_sizes(names: tuple[str, ...]) -> dict[str, int]:
    """The image sizes that networks are trained at.

    Raises:
        UserError: there is no such network.
    """
    from normfree.nets import model_info

    sizes = {}
    for name in names:
        try:
            sizes[name] = model_info(name).train_size
        except ValueError as error:
            raise UserError(f"model={name}: {error}") from error
    return sizes


def _file_name(keys: ProbeKeys) -> str:
    """What is looked at, then what differs from the defaults: ``resnet50-nf_resnet50-seed1``."""
    looked = (name.replace("/", "_") for name in getattr(keys, _needed(keys)))
    changed = {name: value for name, value in _changed(keys).items() if name != "root"}
    parts = (value if name == "data" else f"{name}{value.replace(',', '_')}" for name, value in changed.items())
    return re.sub(r"[^\w.+-]", "-", "-".join((*looked, *parts)))


def _command(probe: str, keys: ProbeKeys) -> str:
    needed = _needed(keys)
    typed = {each.name: each.metadata.get("typed") or each.name for each in fields(keys)}
    changed = "".join(f" {typed[name]}={'PATH' if name == 'root' else value}" for name, value in _changed(keys).items())
    return f"normfree report probe={probe} {needed}={','.join(getattr(keys, needed))}{changed}"


def _needed(keys: ProbeKeys) -> str:
    return keys.example.partition("=")[0]


def _made_with() -> str:
    head, dirty = commit()
    said = "no commit" if head is None else "installed" if head.startswith("v") else f"commit {head[:12]}"
    code = f"{said}{' with uncommitted changes' if head and dirty else ''}"
    return f"normfree {version('normfree')} ({code}), torch {version('torch')}, {processor()}"


def _changed(keys: ProbeKeys) -> dict[str, str]:
    """Values as typed, of what differs from the defaults."""
    default = asdict(type(keys)())
    plain = {n: v for n, v in asdict(keys).items() if v != default[n] and n not in (_needed(keys), "reports_dir")}
    return {name: shown(value) for name, value in plain.items()}
