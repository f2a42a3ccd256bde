"""The stop at the first number that is not finite."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from normfree.lightning import Divergence, GradientClipping


@pytest.mark.parametrize("accumulation", [1, 3])
def test_training_ends_before_the_number_reaches_a_weight(
    module: Any, trainer: Any, images: Any, accumulation: int
) -> None:
    network, divergence = module(break_at=3), Divergence()
    fit = trainer(GradientClipping("agc"), divergence, accumulate_grad_batches=accumulation, max_epochs=3)
    with pytest.warns(UserWarning, match="^training has diverged: .*gradient norm nan at step"):
        fit.fit(network, images)
    assert divergence.diverged
    step = 3 // accumulation + 1
    assert fit.global_step == step
    assert f"gradient norm nan at step {step}; first not finite: the gradient of fc.bias" in divergence.reason
    assert all(bool(value.isfinite().all()) for value in network.parameters())


def test_training_that_does_not_diverge_is_left_alone(module: Any, trainer: Any, images: Any) -> None:
    torch.manual_seed(3)
    alone = module()
    trainer().fit(alone, images)
    torch.manual_seed(3)
    watched, divergence = module(), Divergence()
    trainer(divergence).fit(watched, images)
    assert not divergence.diverged
    assert divergence.reason == ""
    assert all(torch.equal(one, other) for one, other in zip(alone.parameters(), watched.parameters(), strict=True))


def test_with_float16_the_scaler_sees_to_gradients(
    pl: Any, module: Any, trainer: Any, images: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, divergence = module(), Divergence()
    network.fc.bias.register_hook(lambda gradient: gradient * float("inf"))
    monkeypatch.setattr(pl.Trainer, "precision", "16-mixed")
    trainer(divergence, max_steps=1).fit(network, images)
    assert not divergence.diverged
