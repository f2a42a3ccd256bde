"""The device of a run, what it is called and how many images fit on it."""

import psutil
import torch

from normfree.config import BatchPlan, Resolved, UserError, check_sam, plan_batch
from normfree.runs.provenance import processor
from normfree.train.network import Cost

_SHARE_OF_MEMORY = 0.8
_COPIES = 3  # of every parameter: itself, its gradient and an average of gradients


def choose_device(resolved: Resolved) -> torch.device:
    """The device that ``trainer.accelerator`` asks for.

    Raises:
        UserError: for a GPU that is not there, several devices, or float16 on a processor.
    """
    trainer = resolved.config.trainer
    if trainer.devices * trainer.nodes > 1:
        raise UserError(
            f"trainer.devices={trainer.devices} trainer.nodes={trainer.nodes}: this version trains on one device; "
            "use trainer.devices=1 trainer.nodes=1 (plan=true shows the plan for several)"
        )
    available = torch.cuda.is_available()
    if trainer.accelerator == "gpu" and not available:
        raise UserError("trainer=gpu: torch sees no CUDA device here; use trainer=cpu")
    device = torch.device("cuda" if available and trainer.accelerator != "cpu" else "cpu")
    if device.type == "cpu" and resolved.config.precision == "16-mixed":
        raise UserError("precision=16-mixed: needs a GPU; use precision=32-true or bf16-mixed on a processor")
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
    squares = optimizer.name in ("adamw", "lamb")
    return _COPIES + squares + (optimizer.ema_decay is not None) + (optimizer.sam_rho is not None)


def plan_for(resolved: Resolved, cost: Cost, device: torch.device) -> BatchPlan:
    """The batch plan on this device; without BatchNorm the micro batch is the largest that fits.

    Raises:
        UserError: SAM does not fit on the device without accumulation.
    """
    trainer = resolved.config.trainer
    limit = None
    if resolved.micro_batch is None:
        fixed = memory_estimate(resolved, cost, 0)
        an_image = memory_estimate(resolved, cost, 1) - fixed
        limit = max(1, (free_memory(device) - fixed) // max(1, an_image))
    plan = plan_batch(resolved.config.batch, trainer.devices, trainer.nodes, resolved.micro_batch, limit)
    check_sam(resolved.config, plan)
    return plan
