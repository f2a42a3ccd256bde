"""Which recipe a run gets: the network's own, else that of its data; what is typed or stands in a file wins."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from tests.conftest import ROOT, composed, resolved

from normfree.config import Resolved, resolve

NATURAL = ("cifar10", "cifar100", "imagenette")
COUNTED = ("folder", "parquet", "ffcv", "imagenet")
"""Natural images too; their sizes are the network's or given, and some of their numbers are read from files."""
SIZES = {"data.classes": 10, "data.train_samples": 1000, "data.validation_samples": 100, "data.test_samples": 100}
GIVEN = ("data.train_size=32", "data.test_size=32", *(f"{key}={value}" for key, value in SIZES.items()))


def facts(run: Resolved) -> tuple[object, ...]:
    config = run.config
    return config.batch, config.epochs, config.steps, run.lr, config.augment.name, config.clip.name


def is_for_natural_images(run: Resolved) -> bool:
    assert (run.config.clip.clip_factor, run.config.clip.eps) == (0.04, 0.1)
    return facts(run) == (128, 30, None, pytest.approx(0.8), "crop_flip", "agc")


@pytest.mark.parametrize("data", NATURAL)
def test_natural_images_bring_their_recipe(data: str) -> None:
    assert is_for_natural_images(resolved(f"data={data}"))


@pytest.mark.parametrize("data", COUNTED)
def test_so_does_what_is_counted(data: str) -> None:
    assert is_for_natural_images(resolved(f"data={data}", *GIVEN))


def test_digits_bring_theirs() -> None:
    for options in ((), ("data=mnist5k",), ("recipe=of_data",)):
        run = resolved(*options)
        assert facts(run) == (64, None, 600, pytest.approx(1.6), "shift", "agc")
        assert (run.config.clip.clip_factor, run.config.clip.eps) == (0.01, 0.1)


def test_a_recipe_that_is_asked_for_wins_over_the_datas() -> None:
    digits = resolved("data=cifar10", "recipe=small")
    assert facts(digits) == (64, None, 600, pytest.approx(1.6), "shift", "agc")
    assert is_for_natural_images(resolved("data=mnist5k", "recipe=small_images"))


def test_a_networks_recipe_wins_over_the_datas_and_brings_its_data() -> None:
    f0 = resolved("model=nfnet_f0", "data=cifar10").config
    assert (f0.batch, f0.epochs, f0.augment.name) == (4096, 360, "paper")
    assert (f0.clip.clip_factor, f0.clip.eps) == (0.01, 0.001), "the published rule"
    assert (f0.optimizer.base_lr, f0.optimizer.warmup_epochs, f0.optimizer.warmup_share) == (0.1, 5, None)
    assert resolved("model=timm", "model.name=resnet50", "recipe=bn_resnet", "data.train_size=224",
                    "data.test_size=224").config.data.name == "imagenet"  # fmt: skip


def test_what_is_typed_wins_over_the_datas_recipe() -> None:
    run = resolved("data=cifar10", "model=resnet20", "clip=none", "batch=64", "augment=none", "steps=120")
    assert facts(run) == (64, None, 120, pytest.approx(0.4), "none", "none")
    assert run.norm_batch == 64
    assert resolved("data=cifar10", "optimizer.base_lr=0.1", "batch=256").lr == pytest.approx(0.1)
    assert resolved("data=cifar10", "epochs=2").steps == 2 * 45_000 // 128


@pytest.mark.parametrize(
    ("data", "length", "steps"),
    [("cifar10", "steps: 120", 120), ("mnist5k", "epochs: 2", 2 * 3500 // 64), ("cifar10", "epochs: 1", 351)],
)
def test_a_length_in_an_experiments_file_takes_the_place_of_the_recipes(
    tmp_path: Path, data: str, length: str, steps: int
) -> None:
    (tmp_path / "experiment").mkdir()
    head = f"# @package _global_\ndefaults:\n  - override /data: {data}\n"
    (tmp_path / "experiment/mine.yaml").write_text(f"{head}{length}\n", encoding="utf-8")
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose("train", overrides=[f"hydra.searchpath=[{tmp_path}]", "experiment=mine"])
    assert resolve(config).steps == steps


def test_the_printed_configuration_tells_one_length() -> None:
    """``--cfg job --resolve`` prints what is resolved here."""
    for options in (("data=cifar10", "steps=120"), ("epochs=3",), ("model=nfnet_f0", "steps=9")):
        config = composed(*options)
        assert (config.steps is None) != (config.epochs is None)
