"""PGD against a second, naive implementation in pixels, and what it must leave alone."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from normfree.nets import create_model
from normfree.optim import PixelScale, attacked

SCALE = PixelScale((0.2, 0.5, 0.6), (0.3, 0.2, 0.25))
MEAN, STD = (torch.tensor(each, dtype=torch.float64) for each in (SCALE.mean, SCALE.std))


def network(name="nf_resnet20"):
    torch.manual_seed(3)
    model = create_model(name, 10, in_channels=3, depth=[1, 1], width=[8, 16]).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval()


def normalised(pixels):
    return (pixels - MEAN[:, None, None]) / STD[:, None, None]


def images(count=5):
    stream = torch.Generator().manual_seed(1)
    pixels = torch.rand(count, 3, 8, 8, generator=stream, dtype=torch.float64)
    pixels[:, :, 0] = 0.0
    pixels[:, :, 1] = 1.0
    return pixels, torch.randint(10, (count,), generator=stream)


def naive(model, pixels, labels, epsilon, step_size, steps, start):
    """An image at a time, in pixels: start, then steps, each cut to the box and to [0, 1]."""
    found = []
    for image, label, uniform in zip(pixels, labels, start, strict=True):
        at = (image + epsilon * (2 * uniform - 1)).clamp(0, 1)
        for _ in range(steps):
            at = at.clone().requires_grad_()
            F.cross_entropy(model(normalised(at)[None]), label[None]).backward()
            moved = at.detach() + step_size * at.grad.sign()
            at = torch.max(torch.min(moved, image + epsilon), image - epsilon).clamp(0, 1)
        found.append(at.detach())
    return torch.stack(found)


def attack(model, pixels, labels, **options):
    def loss(changed):
        return F.cross_entropy(model(changed), labels, reduction="sum")

    return attacked(loss, normalised(pixels), SCALE, **options)


@pytest.mark.parametrize("name", ["nf_resnet20", "resnet20"])
@pytest.mark.parametrize(("epsilon", "step_size", "steps"), [(0.03, 0.01, 5), (0.2, 0.3, 2), (0.1, 0.02, 0)])
def test_it_is_the_naive_attack(name, epsilon, step_size, steps):
    model, (pixels, labels) = network(name), images()
    start = torch.rand(pixels.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    found = attack(model, pixels, labels, epsilon=epsilon, step_size=step_size, steps=steps, start=start)
    expected = normalised(naive(model, pixels, labels, epsilon, step_size, steps, start))
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_nothing_moves_without_reach(kind):
    model, (pixels, labels) = network().to(kind), images()
    given = normalised(pixels).to(kind)
    start = torch.rand(pixels.shape)

    def loss(changed):
        return F.cross_entropy(model(changed), labels, reduction="sum")

    found = attacked(loss, given, SCALE, epsilon=0.0, step_size=0.1, steps=3, start=start)
    assert torch.equal(found, given)


def test_pixels_stay_in_the_box_and_are_pixels():
    model, (pixels, labels) = network(), images()
    found = attack(model, pixels, labels, epsilon=0.05, step_size=0.04, steps=4)
    back = found * STD[:, None, None] + MEAN[:, None, None]
    assert (back - pixels).abs().max() <= 0.05 + 1e-12
    assert back.min() >= -1e-12
    assert back.max() <= 1 + 1e-12


def test_the_loss_rises_and_weights_are_left_alone():
    model, (pixels, labels) = network(), images()
    before = [each.clone() for each in model.parameters()]
    found = attack(model, pixels, labels, epsilon=0.05, step_size=0.01, steps=5)
    assert not found.requires_grad
    for parameter, kept in zip(model.parameters(), before, strict=True):
        assert parameter.grad is None
        assert torch.equal(parameter, kept)
    own = F.cross_entropy(model(normalised(pixels)), labels, reduction="none")
    assert (F.cross_entropy(model(found), labels, reduction="none") > own).all()


def test_it_works_where_no_gradients_are_kept():
    model, (pixels, labels) = network(), images()
    with torch.no_grad():
        found = attack(model, pixels, labels, epsilon=0.05, step_size=0.01, steps=2)
    assert torch.equal(found, attack(model, pixels, labels, epsilon=0.05, step_size=0.01, steps=2))


def test_lengths_below_zero_are_refused():
    with pytest.raises(ValueError, match="epsilon=-1"):
        attack(network(), *images(), epsilon=-1, step_size=0.1, steps=1)
