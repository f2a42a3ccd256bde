"""Where ``model.weights=`` leads: to a file, to the last weights of a run, or to those of one run of an experiment.

A configuration is resolved from many places, before there is anything that knows runs, and `normfree.runs` imports what
is resolved: so the few names that are read of a run directory stand here too, and a test holds them to those of there.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from normfree.config.clipping import CLIP_KEYS
from normfree.config.errors import UserError
from normfree.config.schema import TrainConfig
from normfree.config.sources.reading import listed, remembered
from normfree.config.yaml_file import parse_yaml

FINAL = Path("checkpoints") / "final.ckpt"
CONFIG, RESULT = "config.yaml", "result.json"
_LARGEST = 2**22
AGAIN = ".again-"


@dataclass(frozen=True)
class Source:
    """Weights to start from.

    Attributes:
        file: with the weights.
        run: the name of the run that they are of; empty where that is not known.
        result: what the run recorded.
        by_seed: the run was chosen from those of an experiment by its seed.
    """

    file: Path
    run: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)
    by_seed: bool = False

    @property
    def model(self) -> Mapping[str, Any]:
        """The network's part of the run's configuration; empty where that is not known."""
        found = stored_config(self.file.parent.parent).get("model") if self.run else None
        return found if isinstance(found, Mapping) else {}

    def of(self, *names: str) -> Any:
        """An entry of the run's result, ``None`` where there is none."""
        found: Any = self.result
        for name in names:
            found = found.get(name) if isinstance(found, Mapping) else None
        return found


def source_of(config: TrainConfig) -> Source:
    """What ``model.weights`` names: a path, or an experiment whose runs lie in ``runs_dir``.

    Raises:
        UserError: there is no such thing, or no one run to take.
    """
    typed = config.model.weights
    assert typed is not None
    place = found_place(config)
    if place is None:
        beside = Path(config.runs_dir) / typed
        plain = "/" not in typed and "." not in typed
        train = f"; of an experiment, train it first: python train.py -m experiment={typed}" if plain else ""
        raise UserError(f"model.weights={typed}: there is no such file or folder, and no {beside}{train}")
    if place.is_file():
        run = place.parent.parent
        inside = place.parent.name == FINAL.parent.name and (run / CONFIG).is_file()
        return Source(place, run.name, result_in(run)) if inside else Source(place)
    if (place / CONFIG).is_file():
        return _of_run(typed, place, result_in(place))
    if config.model.weights_run and (place / config.model.weights_run).is_dir():  # as it was chosen before
        run = place / config.model.weights_run
        return _of_run(typed, run, result_in(run), by_seed=config.model.weights_arm is not None)
    return _of_experiment(config, typed, place)


def found_place(config: TrainConfig) -> Path | None:
    """The file or folder that ``model.weights`` names, if there is one."""
    typed = config.model.weights or ""
    for place in (Path(typed).expanduser(), Path(config.runs_dir) / typed):
        try:
            if place.exists():
                return place
        except OSError:
            continue
    return None


def result_in(run: Path) -> Mapping[str, Any]:
    """What a run recorded; empty for one without a result, or with one that cannot be read."""
    path = run / RESULT
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if path.stat().st_size <= _LARGEST else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def stored_config(run: Path) -> Mapping[str, Any]:
    """The configuration that a run directory keeps; empty where it cannot be read."""
    try:
        content = parse_yaml((run / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _of_run(typed: str, run: Path, result: Mapping[str, Any], by_seed: bool = False) -> Source:
    file = run / FINAL
    if not file.is_file():
        status = result.get("status", "not at its end")
        raise UserError(
            f"model.weights={typed}: run {run.name} is {status}, without {FINAL}; train it to its end, or name another"
        )
    return Source(file, run.name, result, by_seed)


def _of_experiment(config: TrainConfig, typed: str, folder: Path) -> Source:
    every = remembered(("runs of", str(folder.absolute())), lambda: _runs(folder))
    if not every:
        raise UserError(
            f"model.weights={typed}: no weights, no run and no runs lie in {folder}; give a file, a run's directory or "
            "the folder of an experiment's runs"
        )
    name, seed = config.model.name, config.seed
    alike = {run: result for run, result in every.items() if _of(result, "model", "name") == name}
    if not alike:
        names = sorted({str(_of(result, "model", "name")) for result in every.values() if result})
        there = f"has runs of {listed(names)}" if names else "has no run that came to its end"
        raise UserError(f"model.weights={typed}: {folder} {there}, and none of model={name}; train one there first")
    seeds = sorted({result.get("seed") for result in alike.values()}, key=str)
    by_seed = len(seeds) > 1
    if by_seed and seed not in seeds:
        raise UserError(
            f"model.weights={typed}: {folder} has model={name} with seeds {listed(map(str, seeds), 10)}, and not with "
            f"seed={seed}; train that seed there, or name one run"
        )
    left = {run: result for run, result in alike.items() if not by_seed or result.get("seed") == seed}
    done = {run: result for run, result in left.items() if result.get("status") == "finished"}
    if not done:
        states = ", ".join(f"{run.name} is {result.get('status')}" for run, result in left.items())
        raise UserError(f"model.weights={typed}: no finished run of model={name} to take: {states}")
    chosen = list(done) if len(done) == 1 else _clipped_alike(config, list(done)) or list(done)
    if len(chosen) > 1:
        raise UserError(
            f"model.weights={typed}: {len(chosen)} runs of model={name} to take"
            f"{f' with seed {seed}' if by_seed else ''}: {listed(run.name for run in chosen)}; name one of them"
        )
    return _of_run(typed, chosen[0], done[chosen[0]], by_seed)


def _runs(folder: Path) -> dict[Path, Mapping[str, Any]]:
    """Runs of an experiment with what they recorded; those trained anew beside others are left out."""
    try:
        found = sorted(run for run in folder.iterdir() if (run / CONFIG).is_file() and AGAIN not in run.name)
    except OSError as error:
        raise UserError(f"model.weights={folder}: cannot be read ({error.strerror})") from error
    return {run: result_in(run) for run in found}


def _clipped_alike(config: TrainConfig, runs: Sequence[Path]) -> list[Path]:
    """Of runs of one network those that were clipped as this one is."""
    keys = ("name", "_target_", "arguments", *CLIP_KEYS[config.clip.name])
    return [
        run
        for run in runs
        if isinstance(clip := stored_config(run).get("clip"), Mapping)
        and all(clip.get(key) == getattr(config.clip, key) for key in keys)
    ]


def _of(result: Mapping[str, Any], *names: str) -> Any:
    return Source(Path(), result=result).of(*names)
