"""The moving average of the weights against the released code and against its definition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from normfree.clip import clip_grad_agc_, clipped_parameters
from normfree.nets import create_model
from normfree.nets.haiku_names import from_haiku
from normfree.optim import ExponentialMovingAverage, build_sgd, ema_decay, warmup_cosine

GOLDEN = Path(__file__).parents[1] / "golden"


def load(name):
    with np.load(GOLDEN / name, allow_pickle=False) as file:
        return {key: file[key] for key in file}


def parameters(arrays, prefix):
    return from_haiku(
        {k.removeprefix(prefix): torch.from_numpy(v).double() for k, v in arrays.items() if k.startswith(prefix)}
    )


def test_the_decay_is_warmed_up_as_in_the_released_code():
    arrays = load("dm_schedules.npz")
    for step, decay in zip(arrays["ema_it"].tolist(), arrays["ema_decay_0_99999"].tolist(), strict=True):
        assert ema_decay(step, 0.99999) == pytest.approx(decay, rel=1e-12), step
    assert ema_decay(0, 0.05) == 0.05


def test_five_steps_of_the_released_code():
    """The released average is float32, so it decides to float32's rounding; float64 decides by the definition."""
    arrays = load("dm_nfnet_tiny.npz")
    shape = {"width": [16, 32, 48, 48], "depth": [1, 2, 3, 1], "group_size": 8}
    model = create_model("nfnet_f0", 10, drop_rate=0.0, stochastic_depth_rate=0.0, **shape).double()
    model.load_state_dict(parameters(arrays, "param:"))
    optimizer = build_sgd(model, lr=0.4, weight_decay=1e-2)
    clipped = clipped_parameters(model)
    average = ExponentialMovingAverage(model, 0.99999)
    by_definition = {name: value.detach().numpy().copy() for name, value in model.named_parameters()}
    x = torch.from_numpy(arrays["input:32x32"]).double().permute(0, 3, 1, 2)
    labels = torch.from_numpy(arrays["labels"])
    for step in range(5):
        for group in optimizer.param_groups:
            group["lr"] = 0.4 * warmup_cosine(step, 20, 2)
        optimizer.zero_grad()
        F.cross_entropy(model(x), labels, label_smoothing=0.1).backward()
        clip_grad_agc_(clipped)
        optimizer.step()
        average.update(model)
        decay = (1 + step) / (10 + step)
        for name, value in model.named_parameters():
            by_definition[name] = decay * by_definition[name] + (1 - decay) * value.detach().numpy()
    released = parameters(load("dm_nfnet_tiny_ema.npz"), "ema_step4:")
    averages = dict(average.module.named_parameters())
    assert averages.keys() == released.keys()
    moved = parameters(arrays, "opt_step4:")
    for name, value in averages.items():
        np.testing.assert_allclose(value.numpy(), by_definition[name], rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(value, released[name], rtol=2**-24, atol=1e-12)
    assert max(float((averages[name] - moved[name]).abs().max()) for name in moved) > 1e-3


def test_it_starts_as_a_copy_and_leaves_the_model_alone():
    model = nn.Linear(3, 2)
    average = ExponentialMovingAverage(model, 0.99)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert all(torch.equal(value, before[name]) for name, value in average.module.state_dict().items())
    with torch.no_grad():
        model.weight.add_(1.0)
    average.update(model)
    torch.testing.assert_close(average.module.weight, before["weight"] + 0.9)
    torch.testing.assert_close(model.weight, before["weight"] + 1.0)
    assert not average.module.training
    assert not any(parameter.requires_grad for parameter in average.module.parameters())


def test_running_statistics_are_averaged_and_counts_copied():
    model = nn.BatchNorm2d(2)
    average = ExponentialMovingAverage(model, 0.5)
    for _ in range(3):
        model(torch.randn(4, 2, 3, 3) + 1)
        expected = average.module.running_mean.lerp(model.running_mean, 1 - ema_decay(average.updates, 0.5))
        average.update(model)
        torch.testing.assert_close(average.module.running_mean, expected)
    assert average.module.num_batches_tracked == 3
    assert not torch.equal(average.module.running_var, model.running_var)


def test_short_types_are_averaged_in_float32():
    model = nn.Linear(4, 4).bfloat16()
    average = ExponentialMovingAverage(model)
    average.update(model)
    assert average.module.weight.dtype == torch.float32


def test_going_on_from_a_state_changes_nothing():
    whole_model, model = nn.Linear(3, 3), nn.Linear(3, 3)
    model.load_state_dict(whole_model.state_dict())
    whole, first = ExponentialMovingAverage(whole_model), ExponentialMovingAverage(model)
    steps = [torch.randn(3, 3) for _ in range(6)]
    for number, step in enumerate(steps):
        with torch.no_grad():
            whole_model.weight.add_(step)
            model.weight.add_(step)
        whole.update(whole_model)
        if number == 3:
            resumed = ExponentialMovingAverage(nn.Linear(3, 3))
            resumed.load_state_dict(first.state_dict())
            first = resumed
        first.update(model)
    assert whole.updates == first.updates == 6
    assert torch.equal(whole.module.weight, first.module.weight)


@pytest.mark.parametrize("decay", [-0.1, 1.0, 2.0, float("nan")])
def test_a_decay_out_of_range_is_refused(decay):
    with pytest.raises(ValueError, match="at least 0 and below 1"):
        ExponentialMovingAverage(nn.Linear(1, 1), decay)
