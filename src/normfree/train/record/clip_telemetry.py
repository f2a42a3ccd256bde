"""What a clipper by units did to each layer, in ``clip.csv``, and the figure made of it at the end of a run."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from normfree.clip import UnitStatistics, parts_of
from normfree.config import Resolved
from normfree.runs import RunDirectory, truncate_metrics
from normfree.runs.clip_record import ALL, COLUMNS, QUANTILES, read_clip_record, stage_word
from normfree.runs.rows import RowFile
from normfree.train.record.tracker import Tracker

RECORDED = {
    "agc": ("clip_factor", "|g| / |p|"),
    "adagc": ("max_ratio", "|g| / its average"),
    "per_tensor": ("max_norm", "|g|"),
}
"""Clippers with units: the key of their threshold, and what it is a threshold of."""

MOST_RECORDS = 200
"""Steps of a run that are recorded at most, so that the file stays small however long the run."""


@dataclass(frozen=True)
class Layers:
    """The layers of a network in the order of depth.

    Attributes:
        names, stages: of each layer.
        of_parameter: the layer of each parameter, by ``id``.
    """

    names: list[str]
    stages: list[str]
    of_parameter: dict[int, int]


class ClipTelemetry:
    """Records at rows of metrics.csv, and of these at no more than `MOST_RECORDS`; between them it costs nothing.

    Args:
        path: of ``clip.csv``.
        steps: optimizer steps of the run.
        log_every: steps between rows of metrics.csv.
        also: told the shares and ratios of each recorded step, for loggers beside the file.

    Attributes:
        rows: the file.
    """

    def __init__(
        self, path: Path, steps: int, log_every: int, also: Callable[[dict[str, float | None]], None] | None = None
    ) -> None:
        self.rows = RowFile(path)
        self._steps = steps
        self._every = log_every * max(1, math.ceil(steps / (log_every * MOST_RECORDS)))
        self._also = also
        self._layers: Layers | None = None

    def start(self, step: int) -> None:
        """Forget what was recorded after `step`, from where the run goes on."""
        truncate_metrics(self.rows.path, step)
        self.rows.read_again()

    def due(self, step: int) -> bool:
        """Whether `step` is recorded."""
        return step % self._every == 0 or step == self._steps

    def record(self, step: int, network: nn.Module, parameters: list[Tensor], done: UnitStatistics) -> None:
        """Write what one step did to `parameters`, if it is due."""
        if not self.due(step) or not done.units:
            return
        if self._layers is None:
            self._layers = layers_of(network)
        layers = self._layers
        owners = [place for part in done.parts for place, _ in part.owners]
        counts = [count for part in done.parts for _, count in part.owners]
        layer = np.repeat([layers.of_parameter[id(parameters[place])] for place in owners], counts)
        gradient = torch.cat([part.gradient.double().cpu() for part in done.parts]).numpy()
        limit = torch.cat([part.limit.double().cpu() for part in done.parts]).numpy()
        clipped = torch.cat([part.clipped.cpu() for part in done.parts]).numpy()
        ratio = gradient * done.clip_factor / limit

        rows = [_row(step, -1, "", ALL, clipped, ratio)]
        for index, (name, stage) in enumerate(zip(layers.names, layers.stages, strict=True)):
            here = layer == index
            if here.any():
                rows.append(_row(step, index, stage, name, clipped[here], ratio[here]))
        header = ",".join(COLUMNS) + "\n" if self.rows.empty else ""
        self.rows.append(header + "".join(row + "\n" for row in rows))
        if self._also is not None:
            stages = np.array([layers.stages[index] for index in layer])
            shares = {
                f"clip/clipped_share_{stage_word(one)}": float(clipped[stages == one].mean()) for one in set(stages)
            }
            finite = ratio[np.isfinite(ratio)]
            ratios = {f"clip/ratio_q{share:02d}": float(np.quantile(finite, share / 100)) for share in QUANTILES}
            self._also({"step": step, **shares, **(ratios if finite.size else {})})

    def draw(self, path: Path, threshold: float, of: str = "|g| / |p|") -> bool:
        """Draw what was recorded to a PNG file; False if there is nothing to draw.

        Args:
            threshold: above which a unit is clipped.
            of: what it is a threshold of.
        """
        record = read_clip_record(self.rows.path)
        if record is None:
            return False
        # Takes a good part of a second to import.
        from normfree.train.record.clip_figure import draw_clipping

        draw_clipping(record, threshold, path, of)
        return True


class RunTelemetry(ClipTelemetry):
    """That of one run: ``clip.csv`` and ``clipping.png`` in its directory, and the tracker is told.

    The figure is drawn for single runs and where W&B takes it; of an experiment's runs the report draws it.
    """

    def __init__(self, resolved: Resolved, directory: RunDirectory, tracker: Tracker) -> None:
        config = resolved.config
        super().__init__(directory.path / "clip.csv", resolved.steps, config.trainer.log_every, tracker.write)
        self._figure = directory.path / "clipping.png"
        self._wanted = config.experiment.name == "single" or config.logger.name == "wandb"
        self._clip = config.clip
        self._tracker = tracker

    def finish(self) -> None:
        """Draw the figure, if there is something to draw; a figure that cannot be drawn is no failure of a run."""
        if not self._wanted or self._clip.name not in RECORDED:
            return
        key, of = RECORDED[self._clip.name]
        try:
            drawn = self.draw(self._figure, getattr(self._clip, key), of)
        except Exception as error:
            warnings.warn(f"{self._figure} cannot be drawn ({error}); the numbers are in clip.csv", stacklevel=2)
            return
        if drawn:
            self._tracker.image("clip/layers", self._figure)


def layers_of(network: nn.Module) -> Layers:
    """A layer is a module without modules in it; a parameter directly in a larger one stands for itself."""
    modules = dict(network.named_modules())
    try:
        parts = parts_of(network)
    except ValueError:  # a network without stages
        parts = {}
    names: dict[str, int] = {}
    stages: list[str] = []
    of_parameter = {}
    for name, parameter in network.named_parameters():
        above = name.rpartition(".")[0]
        layer = name if any(True for _ in modules[above].children()) else above
        if layer not in names:
            names[layer] = len(names)
            stages.append(parts.get(name, ""))
        of_parameter[id(parameter)] = names[layer]
    return Layers(list(names), stages, of_parameter)


def _row(step: int, depth: int, stage: str, name: str, clipped: NDArray[np.bool_], ratio: NDArray[np.float64]) -> str:
    finite = ratio[np.isfinite(ratio)]
    texts: list[Any] = [step, depth, stage, name, len(clipped), int(clipped.sum())]
    if finite.size:
        texts += [f"{value:.4g}" for value in np.quantile(finite, [share / 100 for share in QUANTILES])]
    else:
        texts += [""] * len(QUANTILES)
    return ",".join(map(str, texts))
