"""What a job asks the cluster for, checked before anything is submitted. The keys: conf/hydra/launcher/slurm.yaml."""

import importlib.util
import shutil
from dataclasses import dataclass, field, fields
from typing import Any, Self

from normfree.config import UserError
from normfree.config.errors import closest
from normfree.config.names import shown
from normfree.config.schema import TrainerConfig
from normfree.host.installing import install
from normfree.host.wording import counted
from normfree.slurm.queue import partitions, silence, silent

PREFIX = "hydra.launcher"
# Lightning takes a job of such a name for a shell and starts processes of its own.
_MISREAD_NAMES = ("bash", "interactive")
_AT_LEAST = {
    "nodes": 1, "tasks_per_node": 1, "gpus_per_node": 0, "cpus_per_task": 1, "mem_gb": 1, "timeout_min": 1,
    "signal_delay_s": 0, "max_requeues": 0, "array_parallelism": 1,
}  # fmt: skip


@dataclass(frozen=True)
class SlurmSettings:
    """Options of ``sbatch`` and how often a stopped job may put itself back into the queue.

    ``None`` leaves an option to the cluster; ``nodes``, ``tasks_per_node`` and ``gpus_per_node`` then follow from the
    runs: one task a device.
    """

    name: str = "normfree"
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    nodes: int | None = None
    tasks_per_node: int | None = None
    gpus_per_node: int | None = None
    cpus_per_task: int | None = None
    mem_gb: int | None = None
    timeout_min: int = 60
    signal_delay_s: int = 90
    max_requeues: int = 20
    array_parallelism: int = 256
    setup: list[str] = field(default_factory=list)
    additional_parameters: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """Settings from plain values.

        Raises:
            UserError: for a key that does not exist or a value of the wrong kind or range.
        """
        known = [each.name for each in fields(cls)]
        for key, value in values.items():
            if key not in known:
                close = closest(key, known)
                hint = f"did you mean {PREFIX}.{close[0]}?" if close else f"there are: {', '.join(known)}"
                raise UserError(f"{PREFIX}.{key}={value}: no such key; {hint}")
            least = _AT_LEAST.get(key)
            if least is None or (value is None and getattr(cls, key, 0) is None):
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise UserError(f"{PREFIX}.{key}={value}: must be a whole number of at least {least}")
        # Each is a line of the job's script.
        for key in ("name", "partition", "account", "qos", "constraint"):
            if (value := values.get(key)) is not None and not str(value).isprintable():
                raise UserError(f"{PREFIX}.{key}={shown(str(value))}: must be one line without control characters")
        settings = cls(**values)
        if settings.name in _MISREAD_NAMES or not settings.name:
            raise UserError(
                f"{PREFIX}.name={settings.name}: Lightning takes a job of this name for a shell; choose another"
            )
        if not isinstance(settings.setup, list):
            raise UserError(f"{PREFIX}.setup={settings.setup}: give a list of lines, such as ['module load cuda']")
        if settings.signal_delay_s >= settings.timeout_min * 60:
            raise UserError(
                f"{PREFIX}.signal_delay_s={settings.signal_delay_s}: is not shorter than "
                f"{PREFIX}.timeout_min={settings.timeout_min}; lower it or ask for more time"
            )
        return settings

    def check(self, trainer: TrainerConfig) -> None:
        """One task a device, on the nodes of the trainer.

        Raises:
            UserError: if a given number contradicts the trainer's.
        """
        pairs = (("nodes", self.nodes, trainer.nodes), ("tasks_per_node", self.tasks_per_node, trainer.devices))
        for key, given, needed in pairs:
            if given is not None and given != needed:
                name = "nodes" if key == "nodes" else "devices"
                raise UserError(
                    f"{PREFIX}.{key}={given}: trainer.{name}={needed}, and a device is one task; "
                    f"leave {PREFIX}.{key} out, it follows"
                )
        if self.gpus_per_node and self.gpus_per_node < trainer.devices and trainer.accelerator != "cpu":
            raise UserError(
                f"{PREFIX}.gpus_per_node={self.gpus_per_node}: fewer than trainer.devices={trainer.devices}; "
                "leave it out, it follows"
            )

    def gpus(self, trainer: TrainerConfig) -> int | None:
        """GPUs a node: as given, else one a task where the trainer asks for GPUs."""
        if self.gpus_per_node is not None:
            return self.gpus_per_node or None
        return trainer.devices if trainer.accelerator == "gpu" else None

    def told(self, runs: int) -> list[str]:
        """What a plan says of so many runs to submit."""
        if not runs:
            return []
        jobs = f"{counted(runs, 'job')} of at most {self.timeout_min} min"
        if runs > 1:
            jobs += f" each, {min(runs, self.array_parallelism)} at a time"
        lines = [f"SLURM: {jobs}" + (f", partition {self.partition}" if self.partition else "")]
        try:
            self.check_cluster()
        except UserError as error:
            lines.append(f"cannot be submitted as it is here: {error}")
        return lines

    def check_cluster(self) -> None:
        """What the machine itself can tell.

        Raises:
            UserError: no SLURM or no submitit here, or no such partition.
        """
        if shutil.which("sbatch") is None:
            raise UserError(
                "hydra/launcher=slurm: no sbatch on this machine; run this on a login node of the cluster, "
                "or leave it out to use the cores and GPUs here"
            )
        if importlib.util.find_spec("submitit") is None:
            raise UserError(f"hydra/launcher=slurm: submitit is not installed; {install('normfree[slurm]')}")
        if said := silence():
            raise UserError(f"hydra/launcher=slurm: {silent(said)}")
        known = partitions()
        if self.partition is not None and known:
            for name in self.partition.split(","):
                if name not in known:
                    raise UserError(f"{PREFIX}.partition={name}: no such partition; there are: {', '.join(known)}")
