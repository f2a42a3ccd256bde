"""Conditions of a test: which images come in which batches, and what BatchNorm makes of them."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.conftest import resolved

from normfree.config import Resolved, UserError
from normfree.config.conditions import Condition
from normfree.data import Source, build_source
from normfree.nets import create_model
from normfree.train.conditions import Conditioned, as_tested
from normfree.train.run import run_one


@pytest.fixture(scope="module")
def source() -> Source:
    run = resolved("data.train_size=7", "batch=50")
    return build_source(run, 50)


def batches(source: Source, **keys: Any) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [tuple(each) for each in Conditioned(source, Condition(**keys)).evaluation_batches("test", 250)]


def test_nothing_is_asked_for(source: Source) -> None:
    for one, other in zip(batches(source), source.evaluation_batches("test", 250), strict=True):
        assert torch.equal(one[0], other.images)
        assert torch.equal(one[1], other.labels)


@pytest.mark.parametrize("size", [1, 7, 64])
def test_batches_are_of_one_class_and_every_image_is_in_one(source: Source, size: int) -> None:
    found, plain = batches(source, batch=size, order="by_class"), batches(source)
    assert all(len(set(labels.tolist())) == 1 and len(labels) <= size for _, labels in found)
    every, expected = (torch.cat([images.flatten(1) for images, _ in each]) for each in (found, plain))
    assert torch.equal(every[every.sum(1).argsort()].sum(1), expected[expected.sum(1).argsort()].sum(1))


def test_mixed_images_are_all_of_them_in_one_order(source: Source) -> None:
    found, again, plain = batches(source, batch=50, order="mixed"), batches(source, order="mixed"), batches(source)
    labels, other, before = (torch.cat([each for _, each in those]) for those in (found, again, plain))
    assert torch.equal(labels, other)
    assert torch.equal(labels.sort().values, before.sort().values)
    assert min(len(set(each.tolist())) for _, each in found) >= 8


def test_some_images_are_spread_over_the_split_and_counted(source: Source) -> None:
    condition = Conditioned(source, Condition(images=40))
    found = torch.cat([each.images for each in condition.evaluation_batches("test", 16)])
    whole = torch.cat([each.images for each in source.evaluation_batches("test", 250)])
    assert torch.equal(found, whole[::25])
    assert condition.size("test") == condition.share_size("test") == len(condition.places("test")) == 40
    ranks = [Conditioned(build_of(rank), Condition(images=41), rank, 2) for rank in range(2)]
    assert sum(each.share_size("test") for each in ranks) == 41


def build_of(rank: int) -> Source:
    from normfree.data.source import Share

    return build_source(resolved("data.train_size=7", "batch=50"), 50, share=Share(rank, 2))


def test_a_corruption_is_that_of_the_evaluator(source: Source) -> None:
    from normfree.data.corrupting import Corrupted

    plain, found = (torch.cat([images for images, _ in batches(source, **keys)])
                    for keys in ({}, {"corruption": "gaussian_noise", "strength": 4}))  # fmt: skip
    pixels = (source.pixels(plain) * 255).round().byte()
    expected = Corrupted("gaussian_noise", 4)(pixels, range(len(pixels)))
    assert torch.equal((source.pixels(found) * 255).round().byte(), expected)


@pytest.mark.parametrize("normalizer", [{"ghost_batch": 4}, {"normalizer": "evonorm_b0"}], ids=str)
def test_batch_statistics_are_those_of_the_batch_and_leave_nothing(normalizer: dict[str, Any]) -> None:
    torch.manual_seed(3)
    model = create_model("resnet20", 10, in_channels=1, depth=[1, 1], width=[8, 16], **normalizer).double().train()
    torch.nn.init.normal_(model.classifier.weight)  # type: ignore[operator, union-attr, arg-type]
    before = {key: value.clone() for key, value in model.state_dict().items()}
    images = torch.randn(6, 1, 8, 8, dtype=torch.float64)
    with torch.no_grad(), as_tested(model, "batch"):
        whole, part = model(images), model(images[:3])
    assert not torch.allclose(whole[:3], part)
    with torch.no_grad(), as_tested(model, "running"):
        assert torch.allclose(model(images)[:3], model(images[:3]))
    assert model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_a_run_records_them(tiny: Callable[..., Resolved]) -> None:
    attack = "{images: 100, attack: {epsilon: %s, step_size: 0.1, steps: 2}}"
    others = "some: {images: 100}, one: {batch: 4, order: by_class}"
    also = f"evaluate_also={{no: {attack % 0}, far: {attack % 0.3}, {others}}}"
    found = run_one(tiny("model=nf_resnet20", "steps=30", also), [])["metrics"]
    values = {name: found[f"also/{name}/accuracy"] for name in ("no", "far", "some", "one")}
    assert values["no"] == values["some"]
    assert values["far"] <= values["some"]  # type: ignore[operator]
    assert values["one"] == found["test/accuracy"]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("{order: by_size}", r"evaluate_also\.a\.order=by_size: choose one of as_is, mixed, by_class"),
        ("{statistics: none}", "choose one of running, batch"),
        ("{batch: 0}", r"evaluate_also\.a\.batch=0: give a whole number of at least 1"),
        ("{strength: 3}", "give that too"),
        ("{corruption: noise, strength: 6}", "from 1 to 5"),
        ("{attack: {epsilon: 0.1}}", "give epsilon, step_size, steps"),
        ("{attack: {epsilon: 2, step_size: 0.1, steps: 3}}", r"attack\.epsilon=2: give a number of pixels' scale"),
        ("{attack: {epsilon: 0.1, step_size: 0.1, steps: 3, seed: 1}}", r"attack\.seed=1: no such key"),
    ],
)
def test_refused(keys: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        resolved(f"evaluate_also={{a: {keys}}}")
