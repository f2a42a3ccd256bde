"""A run of this package: what ``python train.py`` does once it is imported, from the configuration to the last step."""

from __future__ import annotations

import tempfile
import time
from typing import Any

from normfree.bench.race import work as race
from normfree.bench.race.work import Done, Work
from normfree.compose.run import compose_run
from normfree.config import UserError
from normfree.runs import RunDirectory
from normfree.train.lightning_noise import quieten
from normfree.train.run import run_one

_PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed"}


def overrides(work: Work, runs_dir: str) -> list[str]:
    """The command line."""
    return [
        f"model={work.model}", f"data={work.data}", f"data.root={work.root}", f"data.classes={work.classes}",
        f"data.train_size={work.size}", f"data.test_size={work.size}", "data.cache=off", "data.mirror=true",
        f"data.loader={work.loader}", f"data.workers={work.workers}", "augment=crop_flip",
        f"data.crop_padding={race.PADDING if work.crop == 'padded' else 0}",
        f"data.resized_crop={str(work.crop == 'resized').lower()}",
        *([] if work.evaluated else ["data.validation_samples=0"]),
        f"batch={work.batch}", f"steps={work.steps}", "epochs=null", f"precision={_PRECISIONS[work.precision]}",
        "clip=agc", f"clip.clip_factor={race.CLIP_FACTOR}", f"clip.eps={race.CLIP_EPS}", "optimizer=sgd",
        f"optimizer.base_lr={race.BASE_LR}", f"optimizer.warmup_share={race.WARMUP_SHARE}",
        "optimizer.warmup_epochs=null", f"optimizer.momentum={race.MOMENTUM}",
        f"optimizer.weight_decay={race.WEIGHT_DECAY}", f"optimizer.label_smoothing={race.LABEL_SMOOTHING}",
        f"optimizer.ema_decay={'null' if work.ema is None else work.ema}", "outcome.patience=null",
        f"trainer={'cpu' if work.device == 'cpu' else 'gpu'}", f"trainer.compile={str(work.compile).lower()}",
        f"trainer.threads={work.threads}", f"trainer.channels_last={str(work.layout == 'nhwc').lower()}",
        f"trainer.evaluate_every={work.per_epoch if work.evaluated else 'null'}",
        f"seed={work.seed}", f"runs_dir={runs_dir}",
    ]  # fmt: skip


def train(work: Work) -> Done:
    """
    Raises:
        UserError: the run is refused, or fails.
    """
    quieten()
    rows: list[tuple[float, dict[str, Any]]] = []
    with tempfile.TemporaryDirectory() as folder:
        began, since = time.perf_counter(), time.time()
        resolved = compose_run(overrides(work, folder))
        result = run_one(resolved, [], lambda row: rows.append((time.perf_counter() - began, row)))
        # The last evaluation is part of the run's end, and has its row before all else there.
        ended = RunDirectory.of(resolved).metrics.stat().st_mtime - since
    if result["traceback"]:
        raise UserError(f"contestants=normfree: the run failed: {result['reason']}")
    evaluations: list[tuple[float, float]] = []
    if work.evaluated:
        name = "validation/accuracy"
        evaluations = [(seconds, row[name]) for seconds, row in rows if name in row]
        evaluations.append((ended, float(result["metrics"][name] or 0)))
    return Done(
        seconds=ended if work.evaluated else rows[-1][0],
        images=result["steps_done"] * work.batch,
        steps=result["steps_done"],
        parameters=result["model"]["parameters"],
        losses=(rows[0][1]["train/loss"], rows[-1][1]["train/loss"]),
        evaluations=tuple(evaluations),
    )
