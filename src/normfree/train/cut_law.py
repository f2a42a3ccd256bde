"""What cutting one batch over devices and accumulation steps changes in a network that is trained on it.

Without BatchNorm an image's gradient knows nothing of the images beside it, so that every cut gives the step of the
whole batch up to rounding. BatchNorm's statistics are those of a micro batch, and a cut is another network.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from normfree.config import Resolved, UserError
from normfree.runs import RunDirectory
from normfree.runs.result import Result
from normfree.train.parts.network import build_network
from normfree.train.run import run_one
from normfree.train.stopping import StopRequest

_SAFE = 1e-300
"""Keeps a quotient of zeros zero."""
_PREFIX = "network."


@dataclass(frozen=True)
class CutRow:
    """One cut of a batch, compared with the batch in one piece on one device. All differences are relative.

    Attributes:
        devices, micro_batch, accumulation: the cut; their product is the batch.
        norm_batch: images that a BatchNorm's statistics see; None without BatchNorm.
        moved: distance of the weights of the whole batch from where training began, relative to their norm.
        update_difference: distance of the weights from those of the whole batch, relative to the distance that these
            have moved: 0 is equal, 1 is as far from them as they are from the beginning.
        weight_difference: the same distance, relative to the norm of the weights.
        parameter_difference: largest difference of any parameter, relative to the largest value it has in either.
        loss_difference: of the training loss at the end.
        one_device_difference: as `update_difference`, from one device that accumulates micro batches of the same size;
            None for one device, and where that cut was not measured.
    """

    devices: int
    micro_batch: int
    accumulation: int
    norm_batch: int | None
    moved: float
    update_difference: float
    weight_difference: float
    parameter_difference: float
    loss_difference: float
    one_device_difference: float | None


def cut_law(runs: Sequence[Resolved], told: Callable[[CutRow], None] = lambda row: None) -> list[CutRow]:
    """Train every run, several devices as processes that average their gradients, and compare the final weights.

    All distances are Euclidean, over all learnable parameters; running statistics are left out.

    Args:
        runs: one run in float64, cut in several ways, each with a ``runs_dir`` of its own; the first is not cut. What
            it draws belongs to its images, and is the same in every cut.
        told: each row as it is measured.

    Raises:
        ValueError: runs that differ in more than the cut, or the first is cut.
        UserError: more devices than there are, or a run that ends without its last step.
        KeyboardInterrupt: a run was interrupted.
    """
    _check(runs)
    beginning = _beginning(runs[0])
    rows: list[CutRow] = []
    whole: dict[str, Tensor] = {}
    loss = 0.0
    of_one_device: dict[int, dict[str, Tensor]] = {}
    for run in runs:
        result = _trained(run)
        weights = _parameters(run, beginning)
        own_loss = result["metrics"]["train/final_loss"]
        assert own_loss is not None, "a run that is trained has it"
        devices, micro_batch = run.config.trainer.devices, int(result["batch"]["micro"])
        if not rows:
            whole, loss = weights, own_loss
        if devices == 1:
            of_one_device[micro_batch] = weights
        moved = _distance(whole, beginning)
        same = of_one_device.get(micro_batch) if devices > 1 else None
        row = CutRow(
            devices=devices,
            micro_batch=micro_batch,
            accumulation=int(result["batch"]["accumulation"]),
            norm_batch=result["batch"]["norm_batch"],
            moved=moved / _norm(whole),
            update_difference=_distance(weights, whole) / max(moved, _SAFE),
            weight_difference=_distance(weights, whole) / _norm(whole),
            parameter_difference=max(_largest(weights[name], whole[name]) for name in whole),
            loss_difference=abs(own_loss - loss) / max(abs(loss), _SAFE),
            one_device_difference=None if same is None else _distance(weights, same) / max(moved, _SAFE),
        )
        rows.append(row)
        told(row)
    return rows


def _check(runs: Sequence[Resolved]) -> None:
    first = runs[0].config
    trainer = first.trainer
    if trainer.devices * trainer.nodes > 1 or trainer.micro_batch not in (None, first.batch):
        raise ValueError("the first run is what the others are compared with: one device, the batch in one piece")
    for run in runs:
        config = run.config
        if dataclasses.replace(config, trainer=trainer, runs_dir=first.runs_dir) != first:
            raise ValueError("the runs differ in more than how their batch is cut")
        if config.precision != "64-true":
            raise ValueError(f"precision={config.precision}: rounding is told from a difference in 64-true alone")
    if len({run.config.runs_dir for run in runs}) < len(runs):
        raise ValueError("give each run a runs_dir of its own: a cut does not change an NF network's identity")


def _trained(run: Resolved) -> Result:
    stop = StopRequest()
    result = run_one(run, [], stop=stop)
    # A run of a few steps may be past its last one when it is asked to stop, and finish.
    if stop.signal is not None or result["status"] == "preempted":
        raise KeyboardInterrupt
    # After a few steps a network may well be no better than guessing.
    if result["status"] not in ("finished", "untrained"):
        trainer = run.config.trainer
        raise UserError(
            f"model={run.config.model.name}: {trainer.devices} x {trainer.micro_batch} images {result['status']} "
            f"({result['reason']}); take another seed or fewer steps"
        )
    return result


def _beginning(run: Resolved) -> dict[str, Tensor]:
    """The parameters before the first step, in float64."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.config.seed)
        network = build_network(run)
    return {name: value.detach().double() for name, value in network.named_parameters()}


def _parameters(run: Resolved, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    path = RunDirectory.of(run).checkpoints / "final.ckpt"
    state: dict[str, Tensor] = torch.load(path, weights_only=True, map_location="cpu")["state_dict"]
    return {name: state[f"{_PREFIX}{name}"] for name in like}


def _distance(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> float:
    return _norm({name: one[name] - other[name] for name in other})


def _largest(one: Tensor, other: Tensor) -> float:
    scale = torch.maximum(one.abs().max(), other.abs().max()).clamp_min(_SAFE)
    return float((one - other).abs().max() / scale)


def _norm(weights: Mapping[str, Tensor]) -> float:
    return float(torch.cat([value.flatten() for value in weights.values()]).norm())
