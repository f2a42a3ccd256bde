"""SAM against a second, naive implementation, and what it must leave alone."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import pytest
import torch
import torch.nn.functional as F

from normfree.clip import clip_grad_agc_, clipped_parameters
from normfree.nets import create_model
from normfree.optim import SharpnessAware, build_sgd

STEPS = 3


def network(name="nf_resnet20", **options):
    torch.manual_seed(3)
    model = create_model(name, 10, in_channels=1, depth=[1, 1], width=[8, 16], **options).double()
    with torch.no_grad():  # open the skip gains, so that every weight has a gradient
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.train()


def batches():
    torch.manual_seed(4)
    return [(torch.randn(11, 1, 7, 7).double(), torch.randint(10, (11,))) for _ in range(STEPS)]


def train(model, sam, clip=False):
    optimizer = build_sgd(model, lr=0.1, weight_decay=1e-2)
    losses = []
    for x, labels in batches():
        optimizer.zero_grad()
        if sam is not None:
            part = sam.part(len(x))
            sam.ascend(lambda x=x, labels=labels, part=part: F.cross_entropy(model(x[:part]), labels[:part]))
        loss = F.cross_entropy(model(x), labels)
        loss.backward()
        if sam is not None:
            sam.restore()
        if clip:
            clip_grad_agc_(clipped_parameters(model), 0.02)
        optimizer.step()
        losses.append(loss.item())
    return losses


def naive(model, rho, samples):
    """SAM with nothing but torch.func-style copies: a second network at w + rho * g / ||g||, momentum by hand."""
    weights = dict(model.named_parameters())
    decayed = {name for name, value in weights.items() if value.ndim > 1}
    momenta = {name: torch.zeros_like(value) for name, value in weights.items()}
    losses = []
    for x, labels in batches():
        here = copy.deepcopy(model)
        F.cross_entropy(here(x[:samples]), labels[:samples]).backward()
        length = sum(float((p.grad**2).sum()) for p in here.parameters()) ** 0.5
        uphill = copy.deepcopy(model)
        with torch.no_grad():
            for p, q in zip(uphill.parameters(), here.parameters(), strict=True):
                p.copy_(q + rho * q.grad / length)
        loss = F.cross_entropy(uphill(x), labels)
        loss.backward()
        losses.append(loss.item())
        gradients = {name: value.grad for name, value in uphill.named_parameters()}
        with torch.no_grad():
            for name, value in weights.items():
                gradient = gradients[name] + (1e-2 * value if name in decayed else 0)
                momenta[name] = 0.9 * momenta[name] + gradient
                value -= 0.1 * (gradient + 0.9 * momenta[name])
    return losses


@pytest.mark.parametrize(("share", "samples"), [(0.2, 3), (0.5, 6), (1.0, 11)])
def test_it_is_what_the_definition_says(share, samples):
    one, other = network(), network()
    losses = train(one, SharpnessAware(one, 0.05, share))
    assert losses == pytest.approx(naive(other, 0.05, samples), rel=1e-12)
    for (name, value), expected in zip(one.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-12, msg=name)


def test_a_short_ascent_is_plain_sgd_and_a_long_one_is_not():
    plain, nearly, uphill = network(), network(), network()
    expected = train(plain, None)
    assert train(nearly, SharpnessAware(nearly, 1e-12)) == pytest.approx(expected, rel=1e-9)
    for value, reference in zip(nearly.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(value, reference, rtol=1e-9, atol=1e-9)
    assert train(uphill, SharpnessAware(uphill, 0.05))[0] > expected[0] + 1e-3


def test_the_weights_come_back_bit_for_bit_and_gradients_are_left_alone():
    model = network().float()
    before = [value.detach().clone() for value in model.parameters()]
    marks = [torch.full_like(value, 7.0) for value in before]
    for value, mark in zip(model.parameters(), marks, strict=True):
        value.grad = mark.clone()
    sam = SharpnessAware(model, 0.3)
    x, labels = batches()[0]
    sam.ascend(lambda: F.cross_entropy(model(x.float()), labels))
    distance = sum(float(((p.detach() - b) ** 2).sum()) for p, b in zip(model.parameters(), before, strict=True)) ** 0.5
    assert distance == pytest.approx(0.3, rel=1e-4)
    with pytest.raises(RuntimeError, match="without restore"):
        sam.ascend(lambda: F.cross_entropy(model(x.float()), labels))
    sam.restore()
    sam.restore()
    assert all(torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True))
    assert all(torch.equal(p.grad, mark) for p, mark in zip(model.parameters(), marks, strict=True))


@pytest.mark.parametrize("ghost_batch", [None, 2])
def test_running_statistics_are_left_to_the_second_pass(ghost_batch):
    model = network("resnet20", ghost_batch=ghost_batch)
    before = {name: value.clone() for name, value in model.named_buffers()}
    x, labels = batches()[0]
    SharpnessAware(model, 0.05).ascend(lambda: F.cross_entropy(model(x[:4]), labels[:4]))
    assert before
    assert all(torch.equal(value, before[name]) for name, value in model.named_buffers())


def test_agc_clips_the_gradient_of_the_second_pass_against_the_weights_themselves():
    model = network()
    sam = SharpnessAware(model, 0.5)
    x, labels = batches()[0]
    sam.ascend(lambda: F.cross_entropy(model(x), labels))
    F.cross_entropy(model(x), labels).backward()
    uphill = copy.deepcopy(model)
    for value, source in zip(uphill.parameters(), model.parameters(), strict=True):
        value.grad = source.grad.clone()
    sam.restore()
    statistics = clip_grad_agc_(clipped_parameters(model), 0.02)
    clip_grad_agc_(clipped_parameters(uphill), 0.02)
    assert statistics.clipped_units > 0
    assert not all(torch.equal(p.grad, q.grad) for p, q in zip(model.parameters(), uphill.parameters(), strict=True))


def test_no_gradient_moves_nothing():
    model = network()
    before = [value.detach().clone() for value in model.parameters()]
    sam = SharpnessAware(model, 0.05)
    sam.ascend(lambda: model(torch.zeros(1, 1, 7, 7).double()).sum() * 0.0)
    assert all(torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True))


@pytest.mark.parametrize(("samples", "share", "part"), [(50, 0.2, 10), (11, 0.2, 3), (1, 0.2, 1), (100, 0.07, 7)])
def test_the_part_of_the_batch(samples, share, part):
    assert SharpnessAware(network(), share=share).part(samples) == part


@pytest.mark.parametrize(("rho", "share"), [(0.0, 0.2), (-1.0, 0.2), (float("nan"), 0.2), (0.1, 0.0), (0.1, 1.1)])
def test_what_is_out_of_range_is_refused(rho, share):
    with pytest.raises(ValueError, match=r"rho=|share="):
        SharpnessAware(network(), rho, share)


def test_an_ascent_in_parts_is_that_of_the_whole() -> None:
    """Losses of parts that add up to the mean, and gradients of other devices added in place."""
    x, labels = torch.randn(6, 1, 7, 7).double(), torch.arange(6) % 3
    whole, parted, elsewhere = network(), network(), network()
    SharpnessAware(whole, 0.05).ascend(lambda: F.cross_entropy(whole(x), labels))

    def of(part: slice) -> torch.Tensor:
        return F.cross_entropy(parted(x[part]), labels[part], reduction="sum") / 6

    SharpnessAware(parted, 0.05).ascend(lambda: of(slice(2)), lambda: of(slice(2, 6)))

    there = torch.autograd.grad(F.cross_entropy(elsewhere(x), labels), list(elsewhere.parameters()))

    def add(gradients: Sequence[torch.Tensor]) -> None:
        for gradient, other in zip(gradients, there, strict=True):
            gradient += other

    SharpnessAware(elsewhere, 0.05).ascend(total=add)
    for one, other, third in zip(whole.parameters(), parted.parameters(), elsewhere.parameters(), strict=True):
        torch.testing.assert_close(other, one, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(third, one, rtol=1e-12, atol=1e-12)
