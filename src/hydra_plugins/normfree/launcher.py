"""Hydra's door to the pool of worker processes: see :mod:`normfree.sweep`."""

from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_plugins.normfree.composer import Composer
from normfree.sweep.searches import Scan
from normfree.sweep.trials.block import Search


class PoolLauncher(Launcher):
    """Trains every run of a sweep once, one process a core or a GPU.

    Args:
        workers: processes at a time; ``None`` for one a core, or one a GPU where there are any.

    Attributes:
        grids: the grids that each run stands in, set by the sweeper.
        digests: of the grids' contents, by name.
        scans: of the grids that search for an edge.
        search: over the trials of the experiment, with the overrides as typed.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.grids: list[list[str]] | None = None
        self.digests: dict[str, str] = {}
        self.scans: list[Scan] = []
        self.search: Search | None = None
        self.arguments: list[str] = []
        self._workers = workers
        self._context: HydraContext | None = None
        self._config: DictConfig | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self._context, self._config = hydra_context, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        from normfree.cli.swept import conclude
        from normfree.sweep import run_sweep
        from normfree.sweep.search import run_search
        from normfree.sweep.trials.drive import run_trials

        assert self._context is not None
        assert self._config is not None
        grids = self.grids or [[] for _ in job_overrides]
        planned = [(list(overrides), names) for overrides, names in zip(job_overrides, grids, strict=True)]
        composer = Composer(self._context, self._config)
        if self.search is not None:
            end = run_trials(
                self.search, self.arguments, planned, composer, self._workers, self.settings(), self.digests
            )
        elif self.scans:
            end = run_search(planned, self.scans, composer, self._workers, self.settings(), self.digests)
        else:
            end = run_sweep(planned, composer, self._workers, self.settings(), self.digests)
        conclude(end)
        return []

    def settings(self) -> dict[str, Any] | None:
        """What jobs ask a cluster for; ``None`` to run on this machine."""
        return None
