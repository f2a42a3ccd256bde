"""Which of the processes that train one run together this process is. See docs/decisions/0011-data-parallel.md."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from normfree.config import Resolved, UserError
from normfree.config.schema import TrainerConfig

RANK, LOCAL_RANK, WORLD_SIZE, PORT = (f"NORMFREE_{name}" for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "PORT"))
"""What :mod:`normfree.train.ranks.parent` tells the processes that it starts."""

INTERACTIVE_NAMES = ("bash", "interactive")
"""Names of SLURM jobs that Lightning, and others, take for a session of somebody at a terminal."""

_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Rank:
    """One process of several.

    Attributes:
        number: of all, from 0; rank 0 owns the run directory.
        local: on its node, from 0.
        node: its node's number.
        world_size: processes of the run on all nodes.
        address, port: where the ranks meet.
        slurm: whether SLURM started it, and not our own process tree.
    """

    number: int
    local: int
    node: int
    world_size: int
    address: str
    port: int
    slurm: bool


def rank_of(environment: Mapping[str, str] | None = None) -> Rank | None:
    """This process's rank, or ``None`` for a process that is none of several.

    Our own variables come first: a job of one SLURM task may start processes of its own. SLURM's count for where a step
    has several tasks, as under srun and submitit; a batch script that runs ``python train.py`` without srun is one
    process, however many tasks its job has.
    """
    found = os.environ if environment is None else environment
    if RANK in found:
        return Rank(
            int(found[RANK]),
            int(found[LOCAL_RANK]),
            0,
            int(found[WORLD_SIZE]),
            _LOOPBACK,
            int(found[PORT]),
            slurm=False,
        )
    tasks = int(found.get("SLURM_STEP_NUM_TASKS", "1"))
    if tasks == 1:
        return None
    nodes = found.get("SLURM_STEP_NODELIST") or found.get("SLURM_NODELIST", _LOOPBACK)
    job, step = int(found["SLURM_JOB_ID"]), int(found.get("SLURM_STEP_ID", "0"))
    return Rank(
        number=int(found["SLURM_PROCID"]),
        local=int(found["SLURM_LOCALID"]),
        node=int(found["SLURM_NODEID"]),
        world_size=tasks,
        address=found.get("MASTER_ADDR") or first_node(nodes),
        port=int(found.get("MASTER_PORT") or 15000 + (job * 7 + step) % 10000),
        slurm=True,
    )


def first_node(nodes: str) -> str:
    """The first of SLURM's list of nodes: ``gpu[003-7,9],login`` gives ``gpu003``."""
    prefix, bracket, rest = nodes.partition("[")
    if not bracket or "," in prefix:
        return nodes.split(",")[0]
    inner, _, suffix = rest.partition("]")
    return prefix + inner.split(",")[0].split("-")[0] + suffix.split(",")[0]


def check_cores(trainer: TrainerConfig) -> None:
    """A process a device: processors have as many devices as cores.

    Raises:
        UserError: more devices than there are.
    """
    if trainer.accelerator == "cpu":
        refuse_more(trainer.devices, os.cpu_count() or 1, "processor core")


def refuse_more(devices: int, there: int, what: str) -> None:
    """Raises a UserError that names the devices that there are, if they are fewer than asked for."""
    if devices > there:
        verb, ending = ("is", "") if there == 1 else ("are", "s")
        raise UserError(
            f"trainer.devices={devices}: there {verb} {there} {what}{ending} here; use trainer.devices={there}"
        )


def check_processor(resolved: Resolved) -> None:
    """What no processor can do.

    Raises:
        UserError: the run asks for it.
    """
    trainer = resolved.config.trainer
    if resolved.config.precision == "16-mixed":
        raise UserError("precision=16-mixed: needs a GPU; use precision=32-true or bf16-mixed on a processor")
    if resolved.config.model.sync_norm and trainer.devices * trainer.nodes > 1:
        raise UserError(
            "model.sync_norm=true: torch synchronises BatchNorm between GPUs alone; use trainer=ddp, or leave it out"
        )


def check_ranks(resolved: Resolved, rank: Rank | None, environment: Mapping[str, str] | None = None) -> None:
    """What is there must be what the configuration counts on.

    Raises:
        UserError: several nodes without SLURM, another number of processes than devices, or a job's misleading name.
    """
    found = os.environ if environment is None else environment
    trainer = resolved.config.trainer
    needed = trainer.devices * trainer.nodes
    asked = f"trainer.devices={trainer.devices} x trainer.nodes={trainer.nodes}"
    if rank is None:
        if trainer.nodes > 1:
            raise UserError(
                f"trainer.nodes={trainer.nodes}: several nodes need SLURM to start the processes; "
                "add hydra/launcher=slurm, or use trainer.nodes=1"
            )
        return
    if rank.slurm and (name := found.get("SLURM_JOB_NAME", "")) in INTERACTIVE_NAMES:
        raise UserError(
            f"SLURM_JOB_NAME={name}: a job of {rank.world_size} tasks by this name is taken for a terminal session; "
            "give it another with --job-name"
        )
    if rank.world_size != needed:
        count = f"SLURM started {rank.world_size}" if rank.slurm else f"{rank.world_size} were started"
        remedy = f"set tasks_per_node={trainer.devices} and nodes={trainer.nodes}, or trainer.devices to the tasks"
        raise UserError(f"{asked} need {needed} process{'es' if needed > 1 else ''}, {count}: {remedy} of a node")
    if rank.local >= trainer.devices:
        raise UserError(
            f"{asked}: SLURM started more than {trainer.devices} processes on node {rank.node}; "
            f"set tasks_per_node={trainer.devices}"
        )
