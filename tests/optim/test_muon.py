"""Muon: torch's for matrices, a plain restatement's for kernels, and torch's SGD and AdamW for the rest."""

from __future__ import annotations

import copy
import io
import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from normfree.nets import create_model
from normfree.optim import Muon, build_muon, orthogonalized
from normfree.optim.muon import ADJUSTMENTS

Array = np.ndarray[Any, Any]


def restated_orthogonal(matrix: Array, steps: int) -> Array:
    """The singular values of the matrix after the polynomial, between its singular vectors."""
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    values = values / max(math.sqrt(float((matrix**2).sum())), 1e-7)
    for _ in range(steps):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    return np.asarray(left * values @ right)


class Restated:
    """One kernel of a convolution with groups."""

    def __init__(self, weight: Array, groups: int, **settings: Any) -> None:
        self.weight, self.groups, self.settings = weight.copy(), groups, settings
        self.sums = np.zeros_like(weight)

    def step(self, gradient: Array) -> None:
        rate, momentum, decay, steps, adjust, nesterov = (
            self.settings[key] for key in ("lr", "momentum", "weight_decay", "ns_steps", "adjust_lr", "nesterov")
        )
        # Momentum as a sum: a factor changes nothing of what is orthogonalised.
        self.sums = momentum * self.sums + gradient
        direction = gradient + momentum * self.sums if nesterov else self.sums
        self.weight *= 1 - rate * decay
        height = len(direction) // self.groups
        for group in range(self.groups):
            here = slice(group * height, (group + 1) * height)
            block = direction[here].reshape(height, -1)
            rows, columns = block.shape
            factor = math.sqrt(max(1, rows / columns)) if adjust == "original" else 0.2 * math.sqrt(max(rows, columns))
            self.weight[here] -= rate * factor * restated_orthogonal(block, steps).reshape(self.weight[here].shape)


@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(
    "settings",
    [
        {"ns_steps": 5, "adjust_lr": "original", "momentum": 0.95, "nesterov": True, "weight_decay": 0.1},
        {"ns_steps": 3, "adjust_lr": "match_rms_adamw", "momentum": 0.6, "nesterov": False, "weight_decay": 0.0},
        {"ns_steps": 5, "adjust_lr": "original", "momentum": 0.0, "nesterov": True, "weight_decay": 0.0},
    ],
)
def test_kernels_are_matrices_of_their_groups(groups: int, layout: torch.memory_format, settings: Any) -> None:
    weight = nn.Parameter(torch.randn(32, 2, 3, 3, dtype=torch.float64).contiguous(memory_format=layout))
    made = Muon([{"params": [weight], "blocks": groups}], 0.05, **settings)
    restated = Restated(weight.detach().numpy(), groups, lr=0.05, **settings)
    for step in range(6):
        gradient = torch.randn_like(weight) if step != 3 else torch.zeros_like(weight)
        weight.grad = gradient.clone()
        made.step()
        restated.step(gradient.numpy())
        np.testing.assert_allclose(weight.detach().numpy(), restated.weight, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("adjust", ADJUSTMENTS)
@pytest.mark.parametrize("shape", [(6, 20), (20, 6), (8, 8)])
def test_of_matrices_it_is_torchs(shape: tuple[int, int], adjust: str) -> None:
    own = nn.Parameter(torch.randn(shape))
    theirs = nn.Parameter(own.detach().clone())
    options: dict[str, Any] = {"lr": 0.03, "weight_decay": 0.2, "momentum": 0.9}
    made = Muon([own], adjust_lr=adjust, **options)
    reference = torch.optim.Muon([theirs], adjust_lr_fn=adjust, **options)
    for _ in range(8):
        own.grad = torch.randn(shape)
        theirs.grad = own.grad.clone()
        made.step()
        reference.step()
        torch.testing.assert_close(own, theirs, rtol=0, atol=0)


def test_a_step_has_one_length_whatever_the_gradients() -> None:
    matrix = torch.randn(16, 144, dtype=torch.float64)
    rows = torch.logspace(-1, 1, 16, dtype=torch.float64)[:, None]
    for given in (matrix, 1e3 * matrix, rows * matrix):
        values = torch.linalg.svdvals(orthogonalized(given))
        assert float(values.min()) > 0.65
        assert float(values.max()) < 1.25
    assert torch.allclose(orthogonalized(1e3 * matrix), orthogonalized(matrix), rtol=1e-10)
    assert torch.equal(orthogonalized(torch.zeros(3, 4)), torch.zeros(3, 4, dtype=torch.bfloat16))


def network() -> nn.Module:
    torch.manual_seed(0)
    return create_model("nf_resnet20", 10, in_channels=1, depth=[1, 1], width=[8, 16]).double()


def gradients(model: nn.Module, seed: int) -> None:
    torch.manual_seed(seed)
    model.zero_grad()
    F.cross_entropy(model(torch.randn(4, 1, 7, 7).double()), torch.randint(10, (4,))).backward()


def test_what_is_no_hidden_matrix_is_left_to_others() -> None:
    model = network()
    made = build_muon(model, 0.02, others_lr_ratio=5)
    names = {id(one): name for name, one in model.named_parameters()}
    by_rule = {rule: {names[id(one)] for group in made.param_groups if group["rule"] == rule for one in group["params"]}
               for rule in ("muon", "sgd")}  # fmt: skip
    assert by_rule["muon"] | by_rule["sgd"] == set(names.values())
    assert not by_rule["muon"] & by_rule["sgd"]
    assert by_rule["muon"] == {name for name, one in model.named_parameters() if one.ndim == 4}
    assert "classifier.weight" in by_rule["sgd"]
    rates = {group["rule"]: group["lr"] for group in made.param_groups}
    assert rates == {"muon": 0.02, "sgd": pytest.approx(0.1)}
    assert made.param_groups[0]["rule"] == "muon"
    assert {group["name"]: group["weight_decay"] for group in made.param_groups} == {"decay": 0.01, "no_decay": 0.0}
    grouped = build_muon(create_model("nfnet_nano", 10), 0.02)
    assert {group["blocks"] for group in grouped.param_groups if group["rule"] == "muon"} > {1}
    with pytest.raises(ValueError, match="Linear has no hidden matrix to orthogonalise"):
        build_muon(nn.Linear(3, 2), 0.02, classifier=nn.Linear(3, 2), shares={"bias": 1.0})


@pytest.mark.parametrize("others", ["sgd", "adamw"])
def test_the_rest_is_stepped_as_torch_does(others: str) -> None:
    model, reference = network(), network()
    made = build_muon(model, 0.02, others=others, others_lr_ratio=0.5, weight_decay=0.0)
    left = [one for one, same in zip(reference.parameters(), model.parameters(), strict=True)
            if any(same is each for group in made.param_groups[1:] for each in group["params"])]  # fmt: skip
    theirs: torch.optim.Optimizer = (
        torch.optim.SGD(left, 0.01, momentum=0.9, nesterov=True)
        if others == "sgd"
        else torch.optim.AdamW(left, 0.01, betas=(0.9, 0.95), weight_decay=0)
    )
    for step in range(4):
        gradients(model, step)
        for one, same in zip(reference.parameters(), model.parameters(), strict=True):
            one.grad = None if same.grad is None else same.grad.clone()
        made.step()
        theirs.step()
        for one, same in zip(reference.parameters(), model.parameters(), strict=True):
            if any(one is each for each in left):
                torch.testing.assert_close(same, one, rtol=1e-12, atol=1e-14)


def test_it_goes_on_from_its_state() -> None:
    for others in ("sgd", "adamw"):
        whole = network()
        made = build_muon(whole, 0.02, others=others)
        for step in range(3):
            gradients(whole, step)
            made.step()
        file = io.BytesIO()
        torch.save(made.state_dict(), file)
        file.seek(0)
        other = copy.deepcopy(whole)
        again = build_muon(other, 0.5, others=others)
        again.load_state_dict(torch.load(file, weights_only=True))
        for step in range(3, 6):
            for model, optimizer in ((whole, made), (other, again)):
                gradients(model, step)
                optimizer.step()
        assert all(torch.equal(one, same) for one, same in zip(whole.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize(
    ("groups", "options", "line"),
    [
        ([{"params": [nn.Parameter(torch.ones(3))]}], {}, r"a parameter of shape \[3\] is no 1 matrices"),
        ([{"params": [nn.Parameter(torch.ones(3, 4))], "blocks": 2}], {}, r"of shape \[3, 4\] is no 2 matrices"),
        (
            [{"params": [nn.Parameter(torch.ones(3))], "rule": "lion"}],
            {},
            "rule='lion': choose one of muon, sgd, adamw",
        ),
        (
            [nn.Parameter(torch.ones(3, 4))],
            {"adjust_lr": "x"},
            "adjust_lr='x': choose one of original, match_rms_adamw",
        ),
        ([nn.Parameter(torch.ones(3, 4))], {"ns_steps": 0}, "ns_steps=0: has to be at least 1"),
    ],
)
def test_what_it_does_not_take(groups: Any, options: dict[str, Any], line: str) -> None:
    with pytest.raises(ValueError, match=line):
        Muon(groups, **options)
