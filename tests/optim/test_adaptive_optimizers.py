"""AdamW, LAMB and Lion: the libraries' own, over our groups, and nothing added to them."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from normfree.nets import create_model
from normfree.optim import build_adamw, build_lamb, build_lion

BUILDERS = [build_adamw, build_lamb, build_lion]


def step(model, optimizer, scale=1.0):
    torch.manual_seed(1)
    x, labels = torch.randn(4, 1, 7, 7).double(), torch.randint(10, (4,))
    optimizer.zero_grad()
    (scale * F.cross_entropy(model(x), labels)).backward()
    gradients = {name: value.grad.clone() for name, value in model.named_parameters()}
    optimizer.step()
    return gradients


def network():
    torch.manual_seed(0)
    return create_model("nf_resnet20", 10, in_channels=1, depth=[1, 1], width=[8, 16]).double()


@pytest.mark.parametrize("build", BUILDERS)
def test_gains_and_biases_are_not_decayed(build):
    model = network()
    decay, no_decay = build(model, 0.01, weight_decay=0.3).param_groups
    assert (decay["weight_decay"], no_decay["weight_decay"]) == (0.3, 0.0)
    assert {decay["lr"], no_decay["lr"]} == {0.01}
    assert all(parameter.ndim > 1 for parameter in decay["params"])


def test_the_first_step_of_adamw():
    model = network()
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    gradients = step(model, build_adamw(model, 0.01, weight_decay=0.3, eps=1e-8))
    for name, value in model.named_parameters():
        decayed = before[name] * (1 - 0.01 * (0.3 if value.ndim > 1 else 0))
        g = gradients[name]
        torch.testing.assert_close(value.detach(), decayed - 0.01 * g / (g.abs() + 1e-8), rtol=1e-12, atol=1e-14)


def test_the_first_step_of_lamb_is_not_clipped():
    model = network()
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    gradients = step(model, build_lamb(model, 0.01, weight_decay=0.3, eps=1e-3), scale=100.0)
    for name, value in model.named_parameters():
        g, w = gradients[name], before[name]
        update = g / (g.abs() + 1e-3)
        if value.ndim > 1:
            update = update + 0.3 * w
            update = update * w.norm() / update.norm()
        torch.testing.assert_close(value.detach(), w - 0.01 * update, rtol=1e-10, atol=1e-12)


def test_lion_sees_the_sign_alone():
    one, other = network(), network()
    step(one, build_lion(one, 0.01))
    step(other, build_lion(other, 0.01), scale=0.5)
    assert all(torch.equal(p, q) for p, q in zip(one.parameters(), other.parameters(), strict=True))
