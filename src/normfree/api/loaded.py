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
from normfree.runs import RunDirectory
from normfree.runs.stored import stored_config

if TYPE_CHECKING:
    from normfree.nets import ClassifierNetwork


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
        """Its name, which is that of its directory."""
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
        """As `load_network` gives it, with the weights of the last step."""
        return self.load_network()

    def load_network(self, checkpoint: str = "final", weights: str = "raw") -> ClassifierNetwork:
        """The network with its weights, on the processor and in evaluation mode: ``[N, C, H, W] -> [N, classes]``.

        Args:
            checkpoint: ``final``, or ``best`` of a run with ``trainer.evaluate_every``.
            weights: ``raw`` as trained, or ``ema``, their moving average, of a run with ``optimizer.ema_decay``.

        Raises:
            UserError: the run has no such weights, or its files cannot be used.
        """
        from normfree.trained.of_run import network_of

        network, _ = network_of(RunDirectory(self.path), resolve_stored(dict(self.config)), checkpoint, weights)
        return network

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
    config = stored_config(directory)
    return Run(directory.path, directory.read_result() or {}, config)
