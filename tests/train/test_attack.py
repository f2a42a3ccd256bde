"""Adversarial training in a run: the naive loop, the laws of cuts and resuming, and what is refused."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from tests.conftest import resolved
from tests.runs_on_disk import weights
from tests.train.test_laws import StopAfter, without_time

from normfree.config import Resolved, UserError
from normfree.config.schema import AttackConfig
from normfree.evaluate.evaluators.attack import Attacked
from normfree.nets import create_model
from normfree.train.evaluation import logits_of
from normfree.train.loader import Part
from normfree.train.parts.attack import Attack
from normfree.train.run import run_one

PGD = ("attack=pgd", "attack.epsilon=0.1", "attack.step_size=0.06", "attack.steps=2", "clip=none", "lr=0.1")
SETTINGS = AttackConfig("pgd", 0.1, 0.06, 3)


def attack(**changes: float) -> Attack:
    return Attack(AttackConfig(**{**vars(SETTINGS), **changes}), ([0.3], [0.4]), seed=5)  # type: ignore[arg-type]


def images(count: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    stream = torch.Generator().manual_seed(1)
    pixels = torch.rand(count, 1, 8, 8, generator=stream, dtype=torch.float64)
    return (pixels - 0.3) / 0.4, torch.randint(10, (count,), generator=stream)


def network(name: str) -> torch.nn.Module:
    torch.manual_seed(3)
    model = create_model(name, 10, in_channels=1, depth=[1, 1], width=[8, 16]).double()
    with torch.no_grad():  # a fresh classifier says the same of all images
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize("name", ["resnet20", "nf_resnet20"])
def test_training_leaves_buffers_and_modes_and_gradients_alone(name: str) -> None:
    model, (given, labels) = network(name).train(), images()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    found = attack().in_training(model, Part(given, labels, 0), 7)
    assert model.training
    assert not torch.equal(found, given)
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), key
    assert all(each.grad is None for each in model.parameters())
    own, other = (F.cross_entropy(model(each), labels) for each in (given, found))
    assert other > own


def test_what_is_drawn_belongs_to_step_and_image() -> None:
    """However the batch is cut; and other steps and images begin elsewhere."""
    model, (given, labels) = network("nf_resnet20").train(), images()
    whole = attack(steps=0).in_training(model, Part(given, labels, 0), 7)
    halves = [
        attack(steps=0).in_training(model, Part(given[at : at + 4], labels[at : at + 4], at), 7) for at in (0, 4, 8)
    ]
    assert torch.equal(whole, torch.cat(halves))
    assert not torch.equal(whole, attack(steps=0).in_training(model, Part(given, labels, 0), 8))
    assert not torch.equal(whole[4:8], attack(steps=0).in_training(model, Part(given[4:8], labels[4:8], 0), 7))


@pytest.mark.parametrize("name", ["resnet20", "nf_resnet20"])
def test_in_a_test_no_wrong_image_becomes_right(name: str) -> None:
    model, (given, _) = network(name).eval(), images(40)
    with torch.no_grad():
        logits = model(given)
        labels = logits.argmax(1)
        labels[::3] = (labels[::3] + 1) % 10
        found = attack().in_testing(model, given, labels, logits, torch.arange(40))
        same = attack(epsilon=0).in_testing(model, given, labels, logits, torch.arange(40))
    assert torch.equal(found[::3], given[::3])
    assert not torch.equal(found[1], given[1])
    assert torch.equal(same, given)


def test_with_mirror_images_the_mean_that_is_judged_is_attacked() -> None:
    """By the evaluator of ``evaluate.py``: an image that the mean has wrong stays as it is, whatever one view says."""
    model, (given, _) = network("nf_resnet20").eval(), images(40)
    mean = partial(logits_of, model, mirrored=True)
    with torch.no_grad():
        one, both = model(given).argmax(1), mean(given).argmax(1)
    labels = torch.where(one == both, both, one)
    assert (one != both).any()
    trained = SimpleNamespace(
        network=model,
        preprocessing=SimpleNamespace(mean=[0.3], std=[0.4]),
        resolved=SimpleNamespace(config=SimpleNamespace(seed=5, augment=SimpleNamespace(test_flip=True))),
    )
    with torch.no_grad():
        found = Attacked(8).against(trained, given, labels, range(40))  # type: ignore[arg-type]
        expected = Attack(AttackConfig("pgd", 8 / 255, 2 / 255, 10), ([0.3], [0.4]), 5).in_testing(
            mean, given, labels, mean(given), torch.arange(40)
        )
    assert torch.equal(found, expected)
    assert torch.equal(found[one != both], given[one != both])
    assert not torch.equal(found[one == both], given[one == both])


@pytest.mark.parametrize("model", ["model=resnet20", "model=nf_resnet20"])
def test_resuming_changes_nothing(tiny: Callable[..., Resolved], tmp_path: Path, model: str) -> None:
    whole, run = tiny(*PGD, model, f"runs_dir={tmp_path / 'whole'}"), tiny(*PGD, model)
    expected = run_one(whole, [])
    assert run_one(run, [], stop=StopAfter(3))["status"] == "preempted"
    assert without_time(run_one(run, [])) == without_time(expected)
    for name, value in weights(run).items():
        assert torch.equal(value, weights(whole)[name]), name


@pytest.mark.parametrize(
    ("whole", "parts"),
    [
        (("model=nf_resnet20",), ("model=nf_resnet20", "trainer.micro_batch=10")),
        (("model=resnet20", "model.ghost_batch=25"), ("model=resnet20", "trainer.micro_batch=25")),
    ],
)
def test_a_cut_changes_nothing(
    tiny: Callable[..., Resolved], tmp_path: Path, whole: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    common = (*PGD, "precision=64-true", "steps=3")
    one, other = tiny(*common, *whole, f"runs_dir={tmp_path / 'whole'}"), tiny(*common, *parts)
    assert run_one(one, [])["run_id"] == run_one(other, [])["run_id"]
    for name, value in weights(other).items():
        if "num_batches_tracked" not in name:
            torch.testing.assert_close(value, weights(one)[name], rtol=1e-9, atol=1e-11)


def test_without_reach_it_is_a_run_without_attack(tiny: Callable[..., Resolved], tmp_path: Path) -> None:
    attacked, plain = tiny(*PGD, "attack.epsilon=0"), tiny("clip=none", "lr=0.1", f"runs_dir={tmp_path / 'plain'}")
    run_one(attacked, [])
    run_one(plain, [])
    for name, value in weights(attacked).items():
        assert torch.equal(value, weights(plain)[name]), name


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("attack.epsilon=2",), r"attack\.epsilon=2\.0: must be from 0 to 1"),
        (("attack.steps=0",), r"attack\.steps=0: must be at least 1"),
        (("precision=16-mixed",), "attack=pgd and precision=16-mixed: .*; use precision=bf16-mixed"),
        (("optimizer.sam_rho=0.05",), "attack=pgd and optimizer.sam_rho=0.05"),
        (("trainer.compile=true",), "attack=pgd and trainer.compile=true"),
        (("attack.epsilon=null",), r"attack\.epsilon=null: attack=pgd needs a value"),
    ],
)
def test_refused(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        resolved("attack=pgd", *words)
