"""Where configurations and experiments lie: the user's own where a command is run are found before normfree's."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import yaml

from normfree.config.errors import UserError

PRIMARY = "train.yaml"
EXPERIMENT = "experiment"
"""The group whose options lie in ``experiments/``."""


class Layer(NamedTuple):
    """A folder of configurations, or of the options of one group."""

    folder: Path
    group: str = ""

    def place(self, path: str) -> Path | None:
        """Where ``model/resnet20.yaml`` would be; ``None`` for what this layer never has."""
        if not self.group:
            return self.folder / path
        group, _, rest = path.partition("/")
        return self.folder / rest if group == self.group else None


@dataclass(frozen=True)
class Places:
    """Folders of configurations; of two files of one name the first counts.

    Attributes:
        layers: those that there are, each once.
    """

    layers: tuple[Layer, ...]

    @classmethod
    def of(cls, conf: Path | None = None, beside: Path | None = None) -> Self:
        """Those of a command.

        Args:
            conf: the folder to take in the place of the user's ``conf``.
            beside: a script, whose folder's ``conf`` comes after the user's own.

        Raises:
            UserError: ``conf`` is no folder, or one of the folders cannot be read.
        """
        experiments = Layer(Path("experiments").absolute(), EXPERIMENT)
        if conf is not None and not conf.is_dir():
            raise UserError(f"conf={conf}: no configuration there; leave it out to take normfree's own")
        own = [experiments, Layer(Path("conf").absolute())] if conf is None else [Layer(conf.absolute()), experiments]
        if beside is not None:
            own.append(Layer(beside.resolve().parent / "conf"))
        inside = packaged()
        known = {inside.resolve(), (inside / EXPERIMENT).resolve()}
        layers = []
        for each in own:
            if each.folder.is_dir() and each.folder.resolve() not in known:
                if not os.access(each.folder, os.R_OK | os.X_OK):
                    raise UserError(f"{each.folder}: cannot be read; make it readable, or run the command elsewhere")
                known |= {each.folder.resolve()} | ({(each.folder / EXPERIMENT).resolve()} if not each.group else set())
                layers.append(each)
        return cls((*layers, Layer(inside)))

    def every(self, path: str) -> Iterator[Path]:
        """What there is of this name, the one that counts first."""
        for layer in self.layers:
            place = layer.place(path)
            if place is not None and place.exists() and (path != PRIMARY or _is_primary(place)):
                yield place

    def find(self, path: str) -> Path | None:
        """The file or folder that counts."""
        return next(self.every(path), None)

    def is_group(self, name: str) -> bool:
        """Whether there are options of this name."""
        return bool(self.folders_of(name))

    def options(self, group: str) -> list[str]:
        """In the order of their names, those that only serve others left out."""
        names = {file.stem for folder in self.folders_of(group) for file in folder.glob("[!_]*.yaml")}
        return sorted(names)

    @property
    def folders(self) -> list[Path]:
        """Those with groups."""
        return [layer.folder for layer in self.layers if not layer.group]

    def folders_of(self, group: str) -> list[Path]:
        """Those with options of a group."""
        return [place for place in self.every(group) if place.is_dir()]


def short(path: Path) -> Path:
    """As seen from where the command is run, if it lies there."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def packaged() -> Path:
    """normfree's own configuration: in the package as it is installed, or in the repository that it is run from."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parents[1] / "conf"


def _is_primary(path: Path) -> bool:
    """Whether it is made for normfree: the folder may be that of another project that Hydra configures."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return True  # what is wrong with it is told when it is read
    defaults = content.get("defaults") if isinstance(content, dict) else None
    return isinstance(defaults, list) and "schema" in defaults
