"""Five steps of the released SGD with AGC, parameter by parameter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from normfree.clip import clip_grad_agc_, clipped_parameters
from normfree.nets import create_model
from normfree.nets.haiku_names import from_haiku, torch_name
from normfree.optim import build_sgd, parameter_groups, warmup_cosine


@pytest.fixture(scope="module")
def arrays():
    path = Path(__file__).parents[1] / "golden" / "dm_nfnet_tiny.npz"
    with np.load(path, allow_pickle=False) as file:
        return {key: file[key] for key in file}


@pytest.fixture
def model(arrays):
    shape = {"width": [16, 32, 48, 48], "depth": [1, 2, 3, 1], "group_size": 8}
    model = create_model("nfnet_f0", 10, drop_rate=0.0, stochastic_depth_rate=0.0, **shape).double()
    model.load_state_dict(parameters(arrays, "param:"))
    return model


def parameters(arrays, prefix):
    return from_haiku(
        {k.removeprefix(prefix): torch.from_numpy(v).double() for k, v in arrays.items() if k.startswith(prefix)}
    )


def test_groups_are_those_of_the_released_experiment(model, arrays):
    names = {id(p): name for name, p in model.named_parameters()}
    decay, no_decay = ({names[id(p)] for p in group["params"]} for group in parameter_groups(model, 1e-2))
    clipped = {names[id(p)] for p in clipped_parameters(model)}
    gains, classifier, rest = (
        {torch_name(name) for name in arrays[f"group_{key}"].tolist()} for key in ("gains_biases", "fc", "rest")
    )
    assert no_decay == gains
    assert decay == classifier | rest
    assert clipped == gains | rest


@pytest.mark.parametrize("options", [{"foreach": False}, {"foreach": True}, {"fused": True}], ids=str)
def test_five_steps(model, arrays, options):
    optimizer = build_sgd(model, lr=0.4, weight_decay=1e-2, **options)
    clipped = clipped_parameters(model)
    x = torch.from_numpy(arrays["input:32x32"]).double().permute(0, 3, 1, 2)
    labels = torch.from_numpy(arrays["labels"])
    for step, (lr, expected_loss) in enumerate(zip(arrays["opt_lrs"], arrays["opt_losses"], strict=True)):
        for group in optimizer.param_groups:
            group["lr"] = 0.4 * warmup_cosine(step, 20, 2)
            assert group["lr"] == pytest.approx(lr, rel=1e-12)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), labels, label_smoothing=0.1)
        loss.backward()
        assert loss.item() == pytest.approx(expected_loss, rel=1e-9)
        clip_grad_agc_(clipped)
        optimizer.step()
        if step in (1, 4):
            expected = parameters(arrays, f"opt_step{step}:")
            for name, parameter in model.named_parameters():
                torch.testing.assert_close(parameter.detach(), expected[name], rtol=1e-9, atol=1e-9)
