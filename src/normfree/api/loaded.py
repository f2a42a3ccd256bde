"""A run that is on the disk: its result, configuration, metrics and network."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from normfree.config import UserError, resolve_stored
from normfree.config.yaml_file import parse_yaml
from normfree.runs import TERMINAL, RunDirectory
from normfree.runs.reading import read_text

if TYPE_CHECKING:
    from normfree.nets import ClassifierNetwork

CHECKPOINTS = ("final", "best")


@dataclass(frozen=True)
class Run:
    """What a run directory holds. A notebook shows it as a table.

    Attributes:
        path: the directory.
        result: the content of ``result.json``; empty for a run without one.
        config: the configuration that it was resolved to.
    """

    path: Path
    result: Mapping[str, Any] = field(repr=False)
    config: Mapping[str, Any] = field(repr=False)

    @property
    def run_id(self) -> str:
        return self.path.name

    @property
    def status(self) -> str:
        """The outcome (README, Words), or ``incomplete`` without a result."""
        return str(self.result.get("status", "incomplete"))

    @property
    def reason(self) -> str:
        """Why the outcome is what it is; empty for a finished run."""
        return str(self.result.get("reason", ""))

    @property
    def accuracy(self) -> float | None:
        """Test accuracy in [0, 1]; ``None`` where it was not measured."""
        accuracy = self.result.get("metrics", {}).get("test/accuracy")
        return None if accuracy is None else float(accuracy)

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """``metrics.csv``: a row every few steps, a column for every number; empty before the first row."""
        try:
            return pd.read_csv(self.path / "metrics.csv")
        except (FileNotFoundError, pd.errors.EmptyDataError):
            return pd.DataFrame()
        except (OSError, ValueError) as error:
            raise UserError(f"{self.path / 'metrics.csv'}: cannot be read ({' '.join(str(error).split())})") from error

    @cached_property
    def network(self) -> ClassifierNetwork:
        """As :meth:`load_network`, with the weights of the last step."""
        return self.load_network()

    def load_network(self, checkpoint: str = "final", weights: str = "raw") -> ClassifierNetwork:
        """The network with its weights, on the processor and in evaluation mode: ``[N, C, H, W] -> [N, classes]``.

        Args:
            checkpoint: ``final``, or ``best`` of a run with ``trainer.evaluate_every``.
            weights: ``raw`` as trained, or ``ema``, their moving average, of a run with ``optimizer.ema_decay``.

        Raises:
            UserError: the run has no such weights, or its files cannot be used.
        """
        from normfree.nets import load_weights
        from normfree.train.parts.network import build_network

        if checkpoint not in CHECKPOINTS:
            raise UserError(f"checkpoint={checkpoint}: choose from {', '.join(CHECKPOINTS)}")
        file = self.path / "checkpoints" / f"{checkpoint}.ckpt"
        if not file.is_file():
            raise UserError(f"{file}: there is none; {self._why_without(checkpoint)}")
        network = build_network(resolve_stored(dict(self.config)))
        try:
            load_weights(network, file, weights=weights)
        except (OSError, ValueError) as error:
            raise UserError(f"{error}") from error
        return network.eval()

    def _why_without(self, checkpoint: str) -> str:
        """A run that came to its end has kept its last weights; whether it has others is another thing."""
        if checkpoint == "best" and not (self.config.get("trainer") or {}).get("evaluate_every"):
            return "the run was trained without trainer.evaluate_every; final.ckpt has its last weights"
        if self.status not in TERMINAL or (self.path / "checkpoints" / "final.ckpt").is_file():
            return f"the run is {self.status}{_why(self.reason)}"
        return (
            f"the run is {self.status}, and its checkpoints were removed later, as runs.py clean=checkpoints does; "
            "train it once more, beside this one, with again=true"
        )

    def _repr_html_(self) -> str:
        metrics = {name: f"{value:.4g}" for name, value in self.result.get("metrics", {}).items() if value is not None}
        rows = {"run": self.run_id, "outcome": f"{self.status}{_why(self.reason)}", "folder": str(self.path), **metrics}
        lines = (f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>" for name, value in rows.items())
        return f"<table>{''.join(lines)}</table>"


def _why(reason: str) -> str:
    return f" ({reason})" if reason else ""


def load_run(path: str | Path) -> Run:
    """The run in this directory, finished or not. Executes nothing of what it reads.

    Raises:
        UserError: it is no run directory, or one with a file that cannot be used.
    """
    directory = RunDirectory(Path(path))
    if not directory.config.is_file():
        raise UserError(f"{directory.path}: no config.yaml there; give a run directory, such as runs/single/<run>")
    try:
        config = parse_yaml(read_text(directory.config))
    except ValueError as error:
        raise UserError(f"{directory.config}: {error}") from error
    if not isinstance(config, dict):
        raise UserError(f"{directory.config}: is no table of keys and values")
    return Run(directory.path, directory.read_result() or {}, config)
