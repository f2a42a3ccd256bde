"""Lightning's Trainer with a plain LightningModule: timm's network, AGC and moving average, torch's DataLoader."""

from __future__ import annotations

import warnings
from typing import Any

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor

from normfree.bench.race import reading, timm_network, timm_parts
from normfree.bench.race import work as race
from normfree.bench.race.work import Done, Watch, Work
from normfree.optim import warmup_cosine
from normfree.train.lightning_noise import quieten

_PRECISIONS: dict[str, Any] = {"fp32": "32-true", "bf16": "bf16-mixed"}


class Plain(pl.LightningModule):
    """What a user writes; ``average`` follows the weights where one is asked for."""

    def __init__(self, work: Work, watch: Watch) -> None:
        super().__init__()
        self._work, self._watch = work, watch
        self.network = work.built(timm_network.build(work.model, work.classes))
        self._called = (work.compiled(self.network),)
        self._clipped = list(timm_parts.models.model_parameters(self.network, exclude_head=True))
        self._averages = [] if work.ema is None else [timm_parts.utils.ModelEmaV3(self.network, decay=work.ema)]
        self._testing = reading.testing(work) if work.evaluated else None

    def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> Tensor:
        images, labels = batch
        logits = self._called[0](images.to(memory_format=self._work.memory_format))
        return F.cross_entropy(logits.float(), labels, label_smoothing=race.LABEL_SMOOTHING)

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        timm_parts.clip(self._clipped, race.CLIP_FACTOR, race.CLIP_EPS)

    def on_train_batch_end(self, outputs: Any, batch: tuple[Tensor, Tensor], batch_index: int) -> None:
        for average in self._averages:
            average.update(self.network)
        self._watch.step(batch[0], outputs["loss"])

    def on_train_epoch_end(self) -> None:
        if self._testing is not None:
            networks = [self.network, *(average.module for average in self._averages)]
            self._watch.evaluated(race.accuracy(networks, self._testing, self._work))

    def configure_optimizers(self) -> Any:
        work = self._work
        optimizer = torch.optim.SGD(
            self.network.parameters(), work.lr, race.MOMENTUM, weight_decay=race.WEIGHT_DECAY, nesterov=True
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: warmup_cosine(step, work.steps, work.warmup_steps)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def train(work: Work) -> Done:
    quieten()
    watch = Watch(work)
    module = Plain(work, watch)
    with warnings.catch_warnings():
        # The number of workers is the race's.
        warnings.filterwarnings("ignore", ".*does not have many workers.*")
        trainer = pl.Trainer(
            accelerator=work.device,
            devices=1,
            precision=_PRECISIONS[work.precision],
            max_steps=work.steps,
            max_epochs=-1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module, reading.training(work))
    return watch.done(module.network)
