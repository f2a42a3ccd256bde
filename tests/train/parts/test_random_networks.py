"""Laws of an optimizer step, on networks drawn at random: what the batch is split into changes nothing."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.train.ranks.together import together
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from normfree.clip import clip_grad_agc_, clip_grad_norm_, clipped_parameters
from normfree.nets import create_model, skip_gains
from normfree.optim import build_sgd

BATCH = 12
CLIPS = ("none", "norm", "agc")


def network(name: str, depth: list[int], width: int, seed: int, **overrides: Any) -> nn.Module:
    """A small normaliser-free network in float64, with open branches."""
    torch.manual_seed(seed)
    stages = [width * 2**stage for stage in range(len(depth))]
    groups = {"group_size": width // 2} if name.startswith("nfnet") else {}
    model = create_model(name, 5, depth=depth, width=stages, in_channels=1, **groups, **overrides).double()
    with torch.no_grad():
        for gain in skip_gains(model):
            gain.fill_(0.3)
    return model


def batch(seed: int) -> tuple[Tensor, Tensor]:
    source = torch.Generator().manual_seed(seed)
    images = torch.randn(BATCH, 1, 9, 9, dtype=torch.float64, generator=source)
    return images, torch.randint(0, 5, (BATCH,), generator=source)


def clip(model: nn.Module, rule: str) -> None:
    if rule == "agc":
        statistics = clip_grad_agc_(clipped_parameters(model), 0.01)
        assert int(statistics.clipped_units) > 0, "a law about clipping needs clipped units"
    elif rule == "norm":
        clip_grad_norm_(model.parameters(), 0.05)


def steps(model: nn.Module, rule: str, pieces: int) -> dict[str, Tensor]:
    """Two optimizer steps with the batch in equal pieces; the state after them."""
    optimizer = build_sgd(model, lr=0.1, momentum=0.9, weight_decay=1e-3)
    for step in range(2):
        images, labels = batch(step)
        optimizer.zero_grad()
        for part, target in zip(images.chunk(pieces), labels.chunk(pieces), strict=True):
            (F.cross_entropy(model(part), target) / pieces).backward()  # type: ignore[no-untyped-call]
        clip(model, rule)
        optimizer.step()
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    for name, value in one.items():
        torch.testing.assert_close(
            value, other[name], rtol=1e-10, atol=1e-12, msg=lambda text, name=name: f"{name}: {text}"
        )


networks = st.builds(
    network,
    st.sampled_from(["nf_resnet20", "nfnet_nano"]),
    st.lists(st.integers(1, 2), min_size=3, max_size=3),
    st.sampled_from([8, 12]),
    st.integers(0, 1000),
    se_ratio=st.sampled_from([0.0, 0.5]),
    alpha=st.sampled_from([0.2, 0.5]),
)


@settings(max_examples=15, deadline=None)
@given(model=networks, rule=st.sampled_from(CLIPS), pieces=st.sampled_from([2, 3, 4, 6, 12]))
def test_accumulated_micro_batches_equal_the_batch(model: nn.Module, rule: str, pieces: int) -> None:
    whole = steps(copy.deepcopy(model), rule, 1)
    assert_same(steps(model, rule, pieces), whole)


@settings(max_examples=15, deadline=None)
@given(model=networks, factor=st.sampled_from([0.001, 0.01, 0.1]))
def test_clipping_twice_is_clipping_once(model: nn.Module, factor: float) -> None:
    images, labels = batch(0)
    F.cross_entropy(model(images), labels).backward()  # type: ignore[no-untyped-call]
    parameters = clipped_parameters(model)
    clip_grad_agc_(parameters, factor)
    once = [p.grad.clone() for p in parameters if p.grad is not None]
    clip_grad_agc_(parameters, factor)
    twice = [p.grad for p in parameters if p.grad is not None]
    for one, other in zip(once, twice, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-14, atol=0)


@settings(max_examples=10, deadline=None)
@given(model=networks)
def test_bfloat16_clips_the_same_units_up_to_rounding(model: nn.Module) -> None:
    """A unit changes sides only if it was within bfloat16's rounding of its limit."""
    images, labels = batch(0)
    F.cross_entropy(model(images), labels).backward()  # type: ignore[no-untyped-call]
    exact, rounded = (
        [nn.Parameter(p.detach().to(dtype)) for p in clipped_parameters(model)]
        for dtype in (torch.float32, torch.bfloat16)
    )
    for parameters in (exact, rounded):
        for ours, theirs in zip(parameters, clipped_parameters(model), strict=True):
            assert theirs.grad is not None
            ours.grad = theirs.grad.to(ours.dtype)
    limit = 0.01
    (first,), (second,) = (clip_grad_agc_(parameters, limit).parts for parameters in (exact, rounded))
    assert first.owners == second.owners
    ratio = first.gradient / first.limit
    near = (ratio - 1).abs() < 2**-7
    assert torch.equal(first.clipped[~near], second.clipped[~near])
    assert bool(first.clipped.any())


def _rank(rank: int, folder: Path, rule: str) -> None:
    model = network("nfnet_nano", [1, 2, 1], 8, seed=3, se_ratio=0.5)
    parallel = DistributedDataParallel(model)
    optimizer = build_sgd(model, lr=0.1, momentum=0.9, weight_decay=1e-3)
    for step in range(2):
        images, labels = (part.chunk(2)[rank] for part in batch(step))
        optimizer.zero_grad()
        F.cross_entropy(parallel(images), labels).backward()  # type: ignore[no-untyped-call]
        clip(model, rule)
        optimizer.step()
    torch.save(model.state_dict(), folder / f"rank{rank}.pt")


@pytest.mark.parametrize("rule", ["agc", "norm"])
def test_two_ranks_equal_one_process(tmp_path: Path, rule: str) -> None:
    together(2, _rank, tmp_path, rule)
    alone = steps(network("nfnet_nano", [1, 2, 1], 8, seed=3, se_ratio=0.5), rule, 1)
    for rank in range(2):
        assert_same(torch.load(tmp_path / f"rank{rank}.pt", weights_only=True), alone)
