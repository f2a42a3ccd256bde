"""A training of some steps in either Lightning package."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


@pytest.fixture(params=["pytorch_lightning", "lightning.pytorch"])
def pl(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    package: ModuleType = pytest.importorskip(request.param, reason=f"{request.param} is not installed")
    for module in (package.trainer.connectors.data_connector, package.trainer.configuration_validator):
        monkeypatch.setattr(module, "rank_zero_warn", lambda *_, **__: None)
    return package


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture
def module(pl: ModuleType) -> Callable[..., Any]:
    """A classifier of somebody else's: no name of it is one of ours."""

    class Theirs(pl.LightningModule):  # type: ignore[name-defined,misc]
        def __init__(self, *, scale: float = 1.0, break_at: int | None = None, fused: bool = False) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
            self.fc = nn.Linear(4 * 36, 3)
            self.scale, self.break_at, self.fused = scale, break_at, fused
            self.seen: list[torch.Tensor] = []

        def training_step(self, batch: list[torch.Tensor], index: int) -> torch.Tensor:
            loss = nn.functional.cross_entropy(self.fc(self.body(batch[0])), batch[1]) * self.scale
            return loss * float("nan") if index == self.break_at else loss

        def validation_step(self, batch: list[torch.Tensor], index: int) -> None:
            self.seen.append(self.fc.weight.detach().clone())

        test_step = validation_step

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), 0.1, momentum=0.9, fused=self.fused)

    return Theirs


@pytest.fixture
def trainer(pl: ModuleType, tmp_path: Any) -> Callable[..., Any]:
    def make(*callbacks: Any, **options: Any) -> Any:
        quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
        settings = {"max_epochs": 1, "accelerator": "cpu", "enable_model_summary": False, "log_every_n_steps": 1}
        return pl.Trainer(callbacks=list(callbacks), default_root_dir=tmp_path, **{**settings, **quiet, **options})

    return make


@pytest.fixture
def images() -> DataLoader[Any]:
    """Six batches of two."""
    generator = torch.Generator().manual_seed(1)
    pictures = torch.randn(12, 1, 8, 8, generator=generator)
    return DataLoader(TensorDataset(pictures, torch.arange(12) % 3), batch_size=2)
