"""Hydra's door to experiment.grids: see :mod:`normfree.sweep.grids`."""

from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from omegaconf import OmegaConf

from hydra_plugins.normfree.launcher import PoolLauncher
from normfree.config import UserError
from normfree.config.experiment_sizes import grids_of
from normfree.runs.plan import grid_digest
from normfree.sweep.grids import expand
from normfree.sweep.searches import scans_of, without_searches
from normfree.sweep.trials.block import Search, search_of


class GridSweeper(BasicSweeper):
    """Hydra's basic sweeper, repeated over the grids of an experiment."""

    def sweep(self, arguments: list[str]) -> Any:
        assert self.config is not None
        assert self.launcher is not None
        experiment = OmegaConf.to_container(self.config.experiment, resolve=True)
        assert isinstance(experiment, dict)
        grids = grids_of(experiment, experiment["size"])
        plain, scans = without_searches(grids, arguments), scans_of(grids, arguments, self._combinations)
        search = search_of(experiment, arguments)
        if search:
            self._give(search, arguments, bool(scans))
        expanded = expand(plain, arguments, self._combinations) if plain or not (scans or search) else []
        runs = [run for run, _ in expanded]
        self.validate_batch_is_legal(runs[:1] or ([scans[0].at(0)] if scans else [arguments]))
        if scans and not isinstance(self.launcher, PoolLauncher):
            raise UserError("hydra/launcher: a search runs with hydra/launcher=pool, or on a cluster with slurm")
        if isinstance(self.launcher, PoolLauncher):
            self.launcher.grids = [names for _, names in expanded]
            self.launcher.scans = scans
            self.launcher.digests = {str(name): grid_digest(grid) for name, grid in grids.items()}
        returns = self.launcher.launch(runs, initial_job_idx=0)
        for each in returns:
            _ = each.return_value
        return [returns]

    def _give(self, search: Search, arguments: list[str], scans: bool) -> None:
        """Let the launcher search."""
        if not isinstance(self.launcher, PoolLauncher):
            raise UserError("hydra/launcher: a search runs with hydra/launcher=pool")
        if scans:
            raise UserError("experiment.trials: stands beside a grid with a search; take one of them out")
        combinations = self._combinations(arguments)
        if len(combinations) > 1:
            several = next(word for word in arguments if word not in combinations[0])
            raise UserError(f"{several}: a search over experiment.trials takes one value a key; put it into its space")
        self.launcher.search, self.launcher.arguments = search, combinations[0]

    def _combinations(self, overrides: list[str]) -> list[list[str]]:
        """Every combination of overrides that may hold comma lists and ranges."""
        from hydra.core.override_parser.overrides_parser import OverridesParser

        assert self.hydra_context is not None
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        (combinations,) = self.split_arguments(parser.parse_overrides(overrides), None)
        return combinations
