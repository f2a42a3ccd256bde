"""What ``result.json`` must hold to be used: which entries are numbers, texts and tables, and their ranges."""

from collections.abc import Mapping
from typing import Any

from normfree.config import SCHEMA_VERSION
from normfree.runs.outcomes import RECORDED
from normfree.runs.reading import shortened

_STATUSES = (*RECORDED, "stalled")
"""The last one in results of before outcomes were the same for every network."""

_ALWAYS = ("run_id", "arm_id", "seed", "status", "model", "clip", "data", "batch", "lr", "metrics")
_TABLES = (
    "model",
    "weights",
    "clip",
    "data",
    "batch",
    "metrics",
    "time",
    "skipped_images",
    "batch_dependence",
    "provenance",
    "chance",
)
_TEXTS = (
    "run_id", "arm_id", "experiment", "status", "reason", "precision", "traceback",
    "model.name", "model.normalizer", "clip.name", "clip.label", "data.name", "data.label", "data.loader",
    "chance.split", *(f"weights.{name}" for name in ("name", "kind", "sha256", "run", "head")),
    *(f"provenance.{name}" for name in ("commit", "normfree", "torch", "lightning", "python", "platform", "device")),
)  # fmt: skip
_LONG, _LONGEST = ("reason", "traceback"), 1000
_NUMBERS = (
    "seed", "lr", "steps", "steps_done", "attempts", "provenance.threads", "provenance.cores",
    *(f"chance.{name}" for name in ("images", "correct", "share", "p_value")),
)  # fmt: skip
_NUMBERS_OF = ("batch", "metrics", "time", "skipped_images", "batch_dependence")
_COUNTS = ("parameters", "trained_parameters", "macs", "classes", "train", "validation", "test")
_POSITIVE = ("steps", "data.classes", *(f"batch.{name}" for name in ("global", "micro", "norm_batch", "devices")))


class OtherVersion(ValueError):
    """Written by a version with another schema."""

    def __init__(self, found: object) -> None:
        super().__init__(f"written with schema version {shortened(found)}, this is version {SCHEMA_VERSION}")


def check_version(content: Mapping[str, Any]) -> None:
    """Raises:
    OtherVersion: it is not of this schema version.
    """
    found = content.get("schema_version")
    if isinstance(found, bool) or found != SCHEMA_VERSION:
        raise OtherVersion(found)


def check_result(content: Mapping[str, Any], run: str) -> None:
    """Raises:
    ValueError: it is not what a run called ``run`` records; says what is wrong.
    """
    check_version(content)
    if absent := [name for name in _ALWAYS if content.get(name) is None]:
        raise ValueError(f"has no {', '.join(absent)}")
    if content["run_id"] != run:
        raise ValueError(f"belongs to run {shortened(content['run_id'])}")
    if content["status"] not in _STATUSES:
        raise ValueError(f"status {shortened(content['status'])!r} is none of {', '.join(RECORDED)}")
    for name in _TABLES:
        if not isinstance(content.get(name) or {}, Mapping):
            raise ValueError(f"{name} is {shortened(content[name])}, not names and values")
    if not isinstance(content.get("stalled"), bool | None):
        raise ValueError(f"stalled is {shortened(content['stalled'])}, not true, false or null")
    flat = dict(content)
    for name in _TABLES:
        flat |= {f"{name}.{key}": value for key, value in (content.get(name) or {}).items()}
    numbers = {name for name in flat if name.partition(".")[0] in _NUMBERS_OF and "." in name}
    numbers |= {*_NUMBERS, *(f"{part}.{name}" for part in ("model", "data") for name in _COUNTS)}
    for name, value in flat.items():
        if value is None:
            continue
        if name in _TEXTS and not isinstance(value, str):
            raise ValueError(f"{name} is {shortened(value)}, not a text")
        if name in _TEXTS and name not in _LONG and not (value.isprintable() and len(value) <= _LONGEST):
            raise ValueError(f"{name} is {shortened(value)}, not a text of one line")
        if name in numbers:
            _check_number(name, value)


def _check_number(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} is {shortened(value)}, not a number")
    if name.endswith("accuracy") and not 0 <= value <= 1:
        raise ValueError(f"{name} is {value}, not a share")
    if not name.startswith("metrics.") and value < 0:
        raise ValueError(f"{name} is {value}, less than 0")
    if name in _POSITIVE and value <= 0:
        raise ValueError(f"{name} is {value}, not more than 0")
