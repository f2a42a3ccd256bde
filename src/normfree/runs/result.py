"""The content of result.json."""

from typing import Any

from normfree.config import Resolved
from normfree.config.schema import DataConfig
from normfree.config.sources import is_ffcv, is_resident
from normfree.runs.identity import arm_id, clip_label, run_id


def result_of(resolved: Resolved, status: str, reason: str = "", **measured: Any) -> dict[str, Any]:
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
    model = {"name": config.model.name, "normalizer": config.model.normalizer, **measured.pop("cost", {})}
    read = measured.pop("data", {})
    batch = {"global": config.batch, **measured.pop("batch", {}), "norm_batch": resolved.norm_batch}
    return {
        "run_id": run_id(resolved),
        "arm_id": arm_id(resolved),
        "experiment": config.experiment.name,
        "seed": config.seed,
        "status": status,
        "reason": reason,
        "stalled": None,
        "chance": None,
        "model": model,
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


def _loader(data: DataConfig) -> str:
    """What ``data.loader=auto`` stands for."""
    return "resident" if is_resident(data) else "ffcv" if is_ffcv(data) else "workers"
