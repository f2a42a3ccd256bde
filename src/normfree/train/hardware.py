"""The device of a run, what it is called and how many images fit on it."""

import os

import psutil
import torch

from normfree.config import BatchPlan, Resolved, UserError, check_sam, plan_batch
from normfree.config.parts import CUSTOM
from normfree.runs.provenance import processor
from normfree.train.parts.network import Cost
from normfree.train.ranks.rank import Rank, check_processor, refuse_more

_SHARE_OF_MEMORY = 0.8
_COPIES = 3  # of every parameter: itself, its gradient and an average of gradients


def choose_device(resolved: Resolved, rank: Rank | None = None) -> torch.device:
    """The device that ``trainer.accelerator`` asks for; of several GPUs the one of this rank.

    Raises:
        UserError: for a GPU that is not there, more devices than there are, or what a processor cannot do.
    """
    trainer = resolved.config.trainer
    available = torch.cuda.is_available()
    if trainer.accelerator == "gpu" and not available:
        several = trainer.devices * trainer.nodes > 1
        asked, instead = ("ddp", "ddp_cpu") if several else ("gpu", "cpu")
        raise UserError(f"trainer={asked}: torch sees no CUDA device here; use trainer={instead}")
    device = torch.device("cuda" if available and trainer.accelerator != "cpu" else "cpu")
    if device.type == "cpu":
        check_processor(resolved)
    there = torch.cuda.device_count() if device.type == "cuda" else os.cpu_count() or 1
    if rank is None and trainer.accelerator != "cpu":  # whose cores are counted before torch is there
        refuse_more(trainer.devices, there, "GPU" if device.type == "cuda" else "processor core")
    if device.type == "cuda" and trainer.devices * trainer.nodes > 1:
        # SLURM may let each task see its own GPU alone.
        local = rank.local if rank is not None and there > 1 else 0
        if local >= there:
            raise UserError(f"trainer.devices={trainer.devices}: rank {local} of this node sees {there} GPUs")
        return torch.device("cuda", local)
    return device


def device_name(device: torch.device) -> str:
    """For the record: the GPU's name, or the processor's."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU {processor()}"


def free_memory(device: torch.device) -> int:
    """Bytes that a run may count on."""
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
    return int(free * _SHARE_OF_MEMORY)


def memory_estimate(resolved: Resolved, cost: Cost, micro_batch: int) -> int:
    """Bytes of weights, their copies (gradients, averages, SAM's) and what autograd keeps for one micro batch."""
    weights = 64 if resolved.config.precision == "64-true" else 32
    activations = 16 if resolved.config.precision in ("bf16-mixed", "16-mixed") else weights
    an_image = cost.activation_bytes * activations // 32
    return cost.parameters * _copies(resolved) * weights // 8 + an_image * micro_batch


def _copies(resolved: Resolved) -> int:
    optimizer = resolved.config.optimizer
    squares = optimizer.name in ("adamw", "lamb", CUSTOM)
    return _COPIES + squares + (optimizer.ema_decay is not None) + (optimizer.sam_rho is not None)


def plan_for(resolved: Resolved, cost: Cost, device: torch.device | None) -> BatchPlan:
    """The batch plan on this device; without BatchNorm the micro batch is the largest that fits.

    Args:
        device: ``None`` while its memory is not known; it is not looked at then.

    Raises:
        UserError: SAM does not fit on the device without accumulation.
    """
    trainer = resolved.config.trainer
    limit = None
    if device is not None and resolved.micro_batch is None:
        fixed = memory_estimate(resolved, cost, 0)
        an_image = memory_estimate(resolved, cost, 1) - fixed
        sharing = trainer.devices if device.type == "cpu" else 1
        limit = max(1, (free_memory(device) // sharing - fixed) // max(1, an_image))
    plan = plan_batch(resolved.config.batch, trainer.devices, trainer.nodes, resolved.micro_batch, limit)
    check_sam(resolved.config, plan)
    return plan
