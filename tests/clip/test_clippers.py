"""ZClip, AdaGC, AutoClip and clipping by tensors: equal to their restatements, step after step, and what they keep."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from tests.clip.restated import RESTATED, RestatedZClip, together
from torch import Tensor, nn

from normfree.clip import (
    CLIPPERS,
    AdaGC,
    AutoClip,
    NormStatistics,
    UnitStatistics,
    ZClip,
    clip_grad_per_tensor_,
)

SHAPES = ((4, 3, 3, 3), (5, 4), (7,), ())
CASES = [
    ("zclip", {}),
    ("zclip", {"max_norm": None}),
    ("zclip", {"max_norm": 6.0, "warmup_steps": 1, "decay": 0.5, "z_threshold": 1.0}),
    ("adagc", {}),
    ("adagc", {"warmup_steps": 0}),
    ("adagc", {"warmup_steps": 3, "max_norm": 4.0, "decay": 0.5, "max_ratio": 0.9}),
    ("autoclip", {}),
    ("autoclip", {"percentile": 0}),
    ("autoclip", {"percentile": 73.5}),
    ("autoclip", {"percentile": 100}),
    ("per_tensor", {}),
    ("per_tensor", {"max_norm": 3.0}),
]
STATEFUL = ["zclip", "adagc", "autoclip"]


def parameters(dtype: torch.dtype = torch.float64) -> list[nn.Parameter]:
    return [nn.Parameter(torch.ones(shape, dtype=dtype)) for shape in SHAPES]


def series(steps: int, seed: int = 0) -> Iterator[list[np.ndarray[Any, Any]]]:
    """Gradients whose norms wander, with outliers, zeros and what is not finite among them."""
    chance = np.random.default_rng(seed)
    for step in range(steps):
        scale = np.exp(0.3 * chance.standard_normal()) * (8 if step % 11 == 9 else 1)
        gradients = [np.asarray(scale * chance.standard_normal(shape)) for shape in SHAPES]
        if step % 13 == 4 or step == 0:
            gradients[1] = np.zeros(SHAPES[1])
        if step in (1, 40):
            gradients = [np.zeros(shape) for shape in SHAPES]
        if step in (2, 30, 120):
            gradients[0][0, 0, 0, 0] = (math.nan, math.inf)[step % 4 == 2]
        yield gradients


def give(own: list[nn.Parameter], gradients: list[np.ndarray[Any, Any]]) -> None:
    for one, gradient in zip(own, gradients, strict=True):
        one.grad = torch.from_numpy(np.array(gradient)).to(one.dtype)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_every_step_is_the_restatements(name: str, options: dict[str, Any]) -> None:
    clip, restated, own = CLIPPERS[name](**options), RESTATED[name](**options), parameters()
    acted = 0
    for step, gradients in enumerate(series(150)):
        give(own, gradients)
        done = clip(own)
        for one, expected in zip(own, restated(gradients), strict=True):
            assert one.grad is not None
            np.testing.assert_allclose(one.grad.numpy(), expected, rtol=1e-12, atol=0, err_msg=f"step {step}")
        before = together(gradients)
        assert bool(done.nonfinite) is not math.isfinite(before)
        if math.isfinite(before):
            assert float(done.norm_before) == pytest.approx(before, rel=1e-12)
            after = together([one.grad.numpy() for one in own if one.grad is not None])
            assert float(done.norm_after) == pytest.approx(after, rel=1e-12)
            assert (int(done.clipped_units) > 0) == (after < before)
            acted += after < before
    assert acted > 0 or options.get("percentile") == 100


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", CLIPPERS)
def test_shorter_types_are_clipped_in_their_own(name: str, dtype: torch.dtype) -> None:
    clip, restated, own = CLIPPERS[name](), RESTATED[name](), parameters(dtype)
    for gradients in series(120):
        give(own, gradients)
        given = [one.grad.double().numpy() for one in own if one.grad is not None]
        clip(own)
        for one, expected in zip(own, restated(given), strict=True):
            assert one.grad is not None
            assert one.grad.dtype == dtype
            np.testing.assert_allclose(one.grad.double().numpy(), expected, rtol=1e-5 if dtype.itemsize > 2 else 2e-2)


@pytest.mark.parametrize("name", CLIPPERS)
def test_what_is_not_clipped_keeps_every_bit(name: str) -> None:
    clip, own = CLIPPERS[name](), parameters(torch.float32)
    give(own, [0.01 * np.ones(shape) for shape in SHAPES])
    before = [one.grad.clone() for one in own if one.grad is not None]
    assert int(clip(own).clipped_units) == 0
    assert all(torch.equal(one.grad, other) for one, other in zip(own, before, strict=True) if one.grad is not None)


@pytest.mark.parametrize("stop", [0, 1, 25, 60])
@pytest.mark.parametrize("name", STATEFUL)
def test_it_goes_on_from_its_state_to_the_last_bit(name: str, stop: int) -> None:
    whole, own, again = CLIPPERS[name](), parameters(), parameters()
    other = CLIPPERS[name]()
    for step, gradients in enumerate(series(100)):
        if step == stop:
            file = io.BytesIO()
            torch.save(other.state_dict(), file)
            file.seek(0)
            other = CLIPPERS[name]()
            other.load_state_dict(torch.load(file, weights_only=True))
        give(own, gradients)
        give(again, gradients)
        whole(own)
        other(again)
        for one, another in zip(own, again, strict=True):
            assert one.grad is not None
            assert another.grad is not None
            assert torch.equal(one.grad.nan_to_num(), another.grad.nan_to_num()), step


def norm_of_one(clip: Any, norm: float) -> NormStatistics:
    one = nn.Parameter(torch.zeros((), dtype=torch.float64))
    one.grad = torch.tensor(norm, dtype=torch.float64)
    done = clip(one)
    assert isinstance(done, NormStatistics)
    return done


def test_an_outlier_enters_the_statistics_of_zclip_as_what_is_left_of_it() -> None:
    clip, restated = ZClip(warmup_steps=4, max_norm=2.0), RestatedZClip(warmup_steps=4, max_norm=2.0)
    for norm in (0.9, 1.1, 0.9, 1.1):  # the mean is 1 and the deviation 0.1
        assert norm_of_one(clip, norm).limit == 2.0, "in warm-up the cap alone"
        restated([np.array(norm)])
    done = norm_of_one(clip, 2.0)  # a score of 10
    assert done.limit is not None
    assert float(done.limit) == pytest.approx(1 + 2.5**2 * 0.1 / 10, rel=1e-4)
    assert float(done.norm_after) == float(done.limit)
    restated([np.array(2.0)])
    known = clip.state_dict()["known"].tolist()
    assert known == pytest.approx([5, restated.mean, restated.variance], rel=1e-12)
    assert known[1] == pytest.approx(0.97 * 1 + 0.03 * float(done.limit), rel=1e-12)
    # A cap is no part of the statistics.
    high = ZClip(warmup_steps=1, max_norm=0.1)
    norm_of_one(high, 5.0)
    assert high.state_dict()["known"].tolist() == [1, 5, 0]


@pytest.mark.parametrize("name", STATEFUL)
def test_what_is_not_finite_leaves_the_state_as_it_is(name: str) -> None:
    clip, own = CLIPPERS[name](), parameters()
    for gradients in series(2):
        give(own, gradients)
        clip(own)
    kept = {key: value for key, value in clip.state_dict().items() if key != "steps"}
    give(own, [np.full(shape, math.nan) for shape in SHAPES])
    assert bool(clip(own).nonfinite)
    assert all(torch.equal(value, clip.state_dict()[key]) for key, value in kept.items())


def test_after_warm_up_a_tensor_that_is_not_finite_does_not_touch_the_others() -> None:
    clip, own = AdaGC(warmup_steps=1, max_norm=1e3), parameters()
    give(own, [np.ones(shape) for shape in SHAPES])
    clip(own)
    give(own, [np.full(SHAPES[0], math.inf), *(5 * np.ones(shape) for shape in SHAPES[1:])])
    done = clip(own)
    assert (int(done.clipped_units), bool(done.nonfinite)) == (3, True)
    for one in own[1:]:
        assert one.grad is not None
        torch.testing.assert_close(one.grad, torch.full_like(one.grad, 1.05), rtol=1e-12, atol=0)


def test_a_branch_that_begins_shut_is_not_shut_for_ever() -> None:
    """With the smallest norm of warm-up taken to the letter it would have an average of 0, and a limit of 0."""
    clip, own = AdaGC(warmup_steps=3), parameters()
    for norm in (0.0, 0.0, 0.1, 0.2):
        give(own, [norm * np.ones(shape) / math.sqrt(np.prod(shape)) for shape in SHAPES])
        clip(own)
    assert clip.state_dict()["averages"].tolist() == pytest.approx([0.98 * 0.1 + 0.02 * 0.105] * 4, rel=1e-12)


def test_adagc_knows_its_parameters_by_their_places() -> None:
    clip, own = AdaGC(warmup_steps=0), parameters()
    for present in ((0, 1), (2, 3), (0, 3), (0, 1, 2, 3)):
        give(own, [(1.0 + place) * np.ones(shape) for place, shape in enumerate(SHAPES)])
        for place, one in enumerate(own):
            if place not in present:
                one.grad = None
        done = clip(own)
        assert (done.units, int(done.clipped_units)) == (len(present), 0), "each has its own average"
    with pytest.raises(ValueError, match="3 parameters, 4 before"):
        clip(own[:3])


def test_autoclip_outgrows_its_room_and_keeps_every_norm() -> None:
    chance, clip = np.random.default_rng(1), AutoClip(25)
    norms: list[float] = []
    for norm in chance.random(2500):
        norms.append(float(norm))
        done = norm_of_one(clip, norms[-1])
    assert done.limit is not None
    assert float(done.limit) == pytest.approx(np.percentile(norms, 25), rel=1e-12)
    kept: Tensor = clip.state_dict()["norms"]
    assert kept.tolist() == sorted(norms)
    for count in (1, 1023, 1024, 1025):
        again = AutoClip(25)
        again.load_state_dict({"norms": kept[:count]})
        assert float(norm_of_one(again, 2.0).limit or 0) == pytest.approx(
            np.percentile([*kept[:count].tolist(), 2.0], 25), rel=1e-12
        )


@pytest.mark.parametrize("name", CLIPPERS)
def test_nothing_to_clip(name: str) -> None:
    done = CLIPPERS[name]()([nn.Parameter(torch.ones(3))])
    assert (done.units, float(done.norm_before), bool(done.nonfinite)) == (0, 0.0, False)
    assert CLIPPERS[name]().state_dict() == {}


def test_units_of_tensors_say_what_was_allowed() -> None:
    own = parameters()
    give(own, [np.full(shape, 2.0) for shape in SHAPES])
    done = clip_grad_per_tensor_(own, 3.0)
    assert isinstance(done, UnitStatistics)
    (part,) = done.parts
    assert part.owners == ((0, 1), (1, 1), (2, 1), (3, 1))
    assert part.limit.tolist() == [3.0] * 4
    assert int(done.clipped_units) == 3


@pytest.mark.parametrize(
    ("name", "options", "line"),
    [
        ("zclip", {"z_threshold": 0}, "z_threshold=0: give a positive number"),
        ("zclip", {"decay": 1}, "decay=1: has to be at least 0 and below 1"),
        ("zclip", {"warmup_steps": 0}, "warmup_steps=0: has to be at least 1"),
        ("zclip", {"max_norm": -1}, "max_norm=-1: give a positive number, or None"),
        ("adagc", {"max_ratio": math.inf}, "max_ratio=inf: give a positive number"),
        ("adagc", {"decay": -0.1}, "decay=-0.1: has to be at least 0"),
        ("adagc", {"warmup_steps": -1}, "warmup_steps=-1: has to be at least 0"),
        ("autoclip", {"percentile": 101}, "percentile=101: has to be from 0 to 100"),
        ("per_tensor", {"max_norm": 0}, "max_norm=0: give a positive number"),
    ],
)
def test_values_out_of_range(name: str, options: dict[str, Any], line: str) -> None:
    with pytest.raises(ValueError, match=f"^{line}"):
        CLIPPERS[name](**options)
