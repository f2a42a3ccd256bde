"""The content of result.json, with its types; `runs.recorded` checks that a file holds it, `runs.directory` reads and
writes it.
"""

from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

from normfree.config import Resolved
from normfree.config.schema import DataConfig, ModelConfig
from normfree.config.sources import is_ffcv, is_resident
from normfree.runs.identity import arm_id, clip_label, run_id


class Chance(TypedDict):
    """The test behind finished or untrained: of which split, and how likely guessing is to do as well."""

    split: str
    images: int
    correct: int
    share: float
    p_value: float


class Model(TypedDict):
    """The network, what of it was frozen, and its cost where training came to count it.

    ``freeze_norm`` says whether BatchNorm's statistics were those of the weights; ``None`` without BatchNorm.
    """

    name: str
    normalizer: str
    parameters: NotRequired[int]
    macs: NotRequired[int]
    trained_parameters: NotRequired[int]
    freeze: NotRequired[list[str] | None]
    freeze_norm: NotRequired[bool | None]


class Weights(TypedDict):
    """The weights that a run started from: what ``model.weights`` named, their kind and SHA-256, the run that they are
    of, where one is known, and whether its classifier was kept or is new.
    """

    name: str
    kind: str
    sha256: str | None
    run: str | None
    head: str | None


class Clip(TypedDict):
    """The clipping, and how figures call it."""

    name: str
    label: str


class Data(TypedDict):
    """The images, by split, and what was read of them."""

    name: str
    label: str
    loader: str
    classes: int
    train: int
    validation: int
    test: int
    root: str | None
    digest: NotRequired[str]


# Written as a call, as `global` is a word of Python.
Batch = TypedDict(
    "Batch",
    {
        "global": int,
        "norm_batch": int | None,
        "micro": NotRequired[int],
        "accumulation": NotRequired[int],
        "devices": NotRequired[int],
        "nodes": NotRequired[int],
    },
)
"""The global batch, how many images a BatchNorm's statistics see, and how the batch was cut."""


class Time(TypedDict, total=False):
    """What a run took, which no two runs take alike; shares are in [0, 1].

    The most memory at a time, in bytes: on a GPU that of its tensors, of the device that had most; on a processor the
    resident set of the process, of the rank that had most. Of a resumed run, since it went on.
    """

    seconds: float
    images_per_second: float
    data_wait_share: float
    peak_device_bytes: int
    peak_process_bytes: int


class Ended(TypedDict):
    """What a sweep has to know of a run that ended, or that cannot be read."""

    status: str
    reason: str
    traceback: str | None
    time: NotRequired[Time]


class Result(Ended):
    """All that a run records; entries that are not required are missing in results of earlier versions."""

    schema_version: NotRequired[int]
    run_id: str
    arm_id: str
    experiment: NotRequired[str]
    seed: int
    stalled: NotRequired[bool | None]
    chance: NotRequired[Chance | None]
    model: Model
    weights: NotRequired[Weights | None]
    clip: Clip
    data: Data
    batch: Batch
    lr: float
    precision: NotRequired[str]
    steps: int
    steps_done: int
    metrics: dict[str, float | None]
    batch_dependence: NotRequired[dict[str, float] | None]
    skipped_images: NotRequired[dict[str, int]]
    lost_rows: NotRequired[str]
    attempts: NotRequired[int]
    history: NotRequired[list[dict[str, Any]]]
    resumed: NotRequired[str]
    provenance: NotRequired[dict[str, Any]]


def result_of(resolved: Resolved, status: str, reason: str = "", **measured: Any) -> Result:
    """What was planned, with how it ended and what was measured.

    Args:
        status: one of `normfree.runs.RECORDED`.
        reason: in words, for every status but finished.
        measured: ``data`` (what was read), ``cost`` and ``batch`` join what is known of the images, the network and the
            batch plan; the rest (``steps_done``, ``stalled`` (by its skip gains), ``chance`` (the test behind finished
            or untrained), ``metrics``, ``batch_dependence``, ``time``, ``skipped_images`` (by split, unreadable),
            ``lost_rows`` (what is missing from the files of rows, in words), ``traceback``, ``attempts``, ``history``
            (the environment of each), ``resumed`` (what differed between them, in words), ``provenance``) are entries
            of their own.
    """
    config = resolved.config
    model = {
        "name": config.model.name,
        "normalizer": config.model.normalizer,
        "freeze": config.model.freeze or None,
        "freeze_norm": config.model.freeze_norm if config.model.normalizer == "batchnorm" else None,
        **measured.pop("cost", {}),
    }
    read = measured.pop("data", {})
    batch = {"global": config.batch, **measured.pop("batch", {}), "norm_batch": resolved.norm_batch}
    content = {
        "run_id": run_id(resolved),
        "arm_id": arm_id(resolved),
        "experiment": config.experiment.name,
        "seed": config.seed,
        "status": status,
        "reason": reason,
        "stalled": None,
        "chance": None,
        "model": model,
        "weights": _weights(config.model),
        "clip": {"name": config.clip.name, "label": clip_label(resolved)},
        "data": {
            "name": config.data.name,
            "label": f"{config.data.label}, {config.data.train_size} px",
            "loader": _loader(config.data),
            "classes": config.data.classes,
            "train": config.data.train_samples,
            "validation": config.data.validation_samples,
            "test": config.data.test_samples,
            "root": config.data.root,
            **read,
        },
        "batch": batch,
        "lr": resolved.lr,
        "precision": config.precision,
        "steps": resolved.steps,
        "steps_done": 0,
        "metrics": {},
        "batch_dependence": None,
        "time": {},
        "skipped_images": {},
        "lost_rows": "",
        "traceback": None,
        "attempts": 1,
        "history": [],
        "resumed": "",
        **measured,
    }
    return cast(Result, content)


def weights_name(model: ModelConfig) -> str | None:
    """What a table calls the weights that a run started from: their experiment, run or file, without a place."""
    if model.weights is None:
        return None
    place = Path(model.weights)
    inside = place.parent.name == "checkpoints" and model.weights_run
    return (model.weights_run if inside else None) or place.name or model.weights


def _weights(model: ModelConfig) -> Weights | None:
    name = weights_name(model)
    if name is None:
        return None
    return {
        "name": name, "kind": model.weights_kind, "sha256": model.weights_sha256, "run": model.weights_run,
        "head": model.head,
    }  # fmt: skip


def _loader(data: DataConfig) -> str:
    """What ``data.loader=auto`` stands for."""
    return "resident" if is_resident(data) else "ffcv" if is_ffcv(data) else "workers"
