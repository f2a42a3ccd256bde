"""A training on a GPU that is not there: between rows of metrics.csv nothing waits for it, and devices never mix."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.accelerators import CPUAccelerator
from pytorch_lightning.strategies import SingleDeviceStrategy
from tests.pretended_gpu import DEVICE, Gpu, Wait, pretended_gpu

from normfree.clip import backends
from normfree.config import Resolved
from normfree.runs import RunDirectory
from normfree.train import fit, lightning_noise
from normfree.train.callbacks import Callbacks
from normfree.train.evaluation import EVALUATION_BATCH
from normfree.train.module import Classifier
from normfree.train.preflight import preflight
from normfree.train.ranks.world import ALONE
from normfree.train.session import prepare
from normfree.train.stopping import StopRequest

STEPS, EVERY = 5, 3
SHORT = ("batch=8", f"steps={STEPS}", f"trainer.log_every={EVERY}")
RECORDER = "train/callbacks/recorder.py"
AT_A_ROW = {
    "train/callbacks/loss_watch.py": 2,
    RECORDER: 4,
    "train/record/clip_telemetry.py": 3,
}
"""Where a step with a row may wait, and how often: the losses and accuracies since the last row; norms, clipped units
and skip gains; the units of a clipper by units, or the largest norm allowed.
"""
AT_AN_EVALUATION = 3
"""Of each batch: accuracy, loss and top-5 accuracy."""
RANDAUGMENT = "data/randaugment.py"
"""torchvision's operations on a GPU make small tensors by copying them there, and index by masks."""

pytestmark = pytest.mark.filterwarnings("ignore:GPU available but not used")


class AnyDevice(CPUAccelerator):
    """Takes any device."""

    def setup_device(self, device: torch.device) -> None:
        """Nothing is to be set up."""


class Unlaunched:
    """In the place of a Triton kernel: its launch finds that no unit is to be clipped."""

    def __getitem__(self, grid: tuple[int, ...]) -> Callable[..., None]:
        return self._launch

    @staticmethod
    def _launch(table: Any, owners: Any, norms: torch.Tensor, limits: torch.Tensor, *rest: Any) -> None:
        assert table.is_cuda
        assert owners.is_cuda
        norms.fill_(1.0)
        limits.fill_(2.0)


class Counts(pl.Callback):
    """Counts the steps of the GPU; what the start of a training waits for is forgotten."""

    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu
        self.waits: list[Wait] = []

    def on_train_batch_start(self, trainer: pl.Trainer, *rest: Any) -> None:
        if self._gpu.step == 0:
            self._gpu.waits.clear()
        self._gpu.step = trainer.global_step + 1

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.waits = list(self._gpu.waits)


def trained(resolved: Resolved, monkeypatch: pytest.MonkeyPatch) -> tuple[Counts, Gpu, dict[str, float]]:
    """The waits of a training, and its scores on the validation split."""
    make, order = pl.Trainer, Callbacks.in_order
    lightning_noise.quieten()
    ready = replace(preflight(resolved), device=DEVICE)
    directory = RunDirectory.of(resolved)
    directory.create()
    with pretended_gpu() as gpu:
        counts = Counts(gpu)
        there = {"accelerator": "auto", "devices": 1, "strategy": SingleDeviceStrategy(DEVICE, AnyDevice())}
        monkeypatch.setattr(pl, "Trainer", lambda **options: make(**options | there))
        monkeypatch.setattr(Callbacks, "in_order", lambda made: [counts, *order(made)])
        with prepare(resolved, directory, ready, ALONE) as session:
            made = fit.callbacks(session, lambda row: None, StopRequest())
            trainer = fit.train(session, made)
            assert trainer.global_step == STEPS
            assert made.watch.rule.reason == ""
            gpu.waits.clear()
            scores = session.examiner.scores("validation")
            batches = -(-session.source.size("validation") // EVALUATION_BATCH) * (1 + (made.average is not None))
    assert {wait.place for wait in gpu.waits} == {"train/evaluation.py:measure"}
    assert len(gpu.waits) == AT_AN_EVALUATION * batches
    return counts, gpu, scores


CASES = {
    "agc in one launch": ("model=nf_resnet20", "clip=agc", "augment=crop_flip", "augment.shift=1"),
    "agc without triton": (
        "model=nfnet_nano", "clip=agc", "model.drop_rate=0.2", "model.stochastic_depth_rate=0.2",
        "optimizer.ema_decay=0.9", "augment.mixup=0.2", "augment.cutmix=1", "augment.erasing=0.5",
    ),
    "a batch in parts": (
        "model=resnet20", "clip=none", "trainer.micro_batch=4", "augment.random_resized_crop=true", "optimizer=adamw",
    ),
    "norm and sam": ("model=nf_resnet20", "clip=norm", "clip.max_norm=0.1", "optimizer.sam_rho=0.05",
                     "optimizer.label_smoothing=0.1", "trainer.channels_last=true"),
    "zclip": ("model=nf_resnet20", "clip=zclip", "clip.warmup_steps=2"),
    "autoclip": ("model=nf_resnet20", "clip=autoclip"),
    "adagc": ("model=nf_resnet20", "clip=adagc", "clip.warmup_steps=2"),
    "per tensor": ("model=nf_resnet20", "clip=per_tensor", "clip.max_norm=0.01"),
    "muon": ("model=resnet20", "clip=none", "optimizer=muon"),
    "randaugment": ("model=resnet20", "clip=none", "augment=randaugment", "augment.magnitude=8"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_step_waits_for_nothing_unless_it_has_a_row(
    tiny: Callable[..., Resolved], monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    triton = pytest.importorskip("normfree.clip.triton_kernel") if case == "agc in one launch" else None
    monkeypatch.setattr(backends, "_has_triton", lambda: triton is not None)
    if triton is not None:
        monkeypatch.setattr(triton, "agc_kernel", Unlaunched())
    counts, gpu, scores = trained(tiny(*SHORT, *CASES[case]), monkeypatch)
    for step in range(1, STEPS + 1):
        found = Counter(wait.place.partition(":")[0] for wait in counts.waits if wait.step == step)
        if case == "randaugment":
            found.pop(RANDAUGMENT, None)
        at_a_row = AT_A_ROW | ({RECORDER: 5} if case in ("zclip", "autoclip") else {})
        allowed = Counter(at_a_row if step % EVERY == 0 or step == STEPS else ())
        assert found <= allowed, f"step {step}: {counts.waits}"
        assert bool(found) == bool(allowed)
    # What the guard waits for is the end of the step before.
    assert gpu.events == [(step, step - 1) for step in range(2, STEPS + 1)]
    assert all(0 <= scores[f"validation/{name}"] < 20 for name in ("accuracy", "loss"))


def test_a_step_that_waits_is_seen(tiny: Callable[..., Resolved], monkeypatch: pytest.MonkeyPatch) -> None:
    after = Classifier.on_after_backward

    def waits(module: Classifier) -> None:
        after(module)
        assert float(module.last_loss) > 0

    monkeypatch.setattr(Classifier, "on_after_backward", waits)
    counts, _, _ = trained(tiny(*SHORT, "model=nf_resnet20", "clip=none"), monkeypatch)
    assert {wait.step for wait in counts.waits} == set(range(1, STEPS + 1))
