"""The moving average: its numbers, evaluation with it, and going on with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from normfree.config import UserError
from normfree.lightning import MovingAverage
from normfree.optim import ema_decay


def weights(network: Any) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def test_the_average_is_the_formula(module: Any, trainer: Any, images: Any, pl: Any) -> None:
    history: list[torch.Tensor] = []

    class Seen(pl.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
            history.append(pl_module.fc.weight.detach().clone())

    network, averaging = module(), MovingAverage(0.9)
    expected = network.fc.weight.detach().clone()
    trainer(averaging, Seen(), accumulate_grad_batches=2).fit(network, images)
    for step, current in enumerate(history[1::2]):
        expected += (1 - ema_decay(step, 0.9)) * (current - expected)
    assert averaging.average is not None
    assert averaging.average.updates == 3
    torch.testing.assert_close(averaging.average.module.get_parameter("fc.weight"), expected)


def test_evaluation_sees_the_average_and_training_goes_on_with_its_own(module: Any, trainer: Any, images: Any) -> None:
    network, averaging = module(), MovingAverage(0.9)
    fit = trainer(averaging, num_sanity_val_steps=0)
    fit.fit(network, images, images)
    trained = weights(network)
    average = weights(averaging.average.module)  # type: ignore[union-attr]
    assert torch.equal(network.seen[-1], average["fc.weight"])
    assert not torch.equal(trained["fc.weight"], average["fc.weight"])
    fit.test(network, images, verbose=False)
    assert torch.equal(network.seen[-1], average["fc.weight"])
    assert all(torch.equal(value, trained[name]) for name, value in network.state_dict().items())

    plain, beside = module(), MovingAverage(0.9, evaluate=False)
    trainer(beside, num_sanity_val_steps=0).fit(plain, images, images)
    assert torch.equal(plain.seen[-1], plain.fc.weight)


def test_a_resumed_training_has_the_average_of_one_that_was_not_interrupted(
    module: Any, trainer: Any, images: Any, tmp_path: Path
) -> None:
    torch.manual_seed(5)
    whole, average = module(), MovingAverage(0.9)
    trainer(average, max_epochs=2).fit(whole, images)

    torch.manual_seed(5)
    part, first = module(), MovingAverage(0.9)
    fit = trainer(first, max_epochs=1)
    fit.fit(part, images)
    fit.save_checkpoint(tmp_path / "half.ckpt")
    resumed, second = module(), MovingAverage(0.9)
    trainer(second, max_epochs=2).fit(resumed, images, ckpt_path=tmp_path / "half.ckpt")
    expected, found = weights(average.average.module), weights(second.average.module)  # type: ignore[union-attr]
    assert all(torch.equal(value, found[name]) for name, value in expected.items())

    fresh, third = module(), MovingAverage(0.9)
    trainer(third).test(fresh, images, ckpt_path=tmp_path / "half.ckpt", verbose=False)
    assert torch.equal(fresh.seen[-1], first.average.module.get_parameter("fc.weight"))  # type: ignore[union-attr]


def test_a_decay_that_is_none() -> None:
    with pytest.raises(UserError, match=r"^MovingAverage\(1.0\): decay has to be at least 0 and below 1$"):
        MovingAverage(1.0)
