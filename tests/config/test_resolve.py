import pytest
from omegaconf import OmegaConf
from tests.conftest import composed, resolved

from normfree.config import UserError, resolve
from normfree.config.schema import PRECISIONS, TrainConfig
from normfree.config.validate import CHOICES, RANGES, lookup


def test_f0_brings_the_papers_recipe() -> None:
    f0 = resolved("model=nfnet_f0", "clip=agc", "batch=4096")
    config = f0.config
    assert (config.data.name, config.data.train_size, config.data.test_size) == ("imagenet", 192, 256)
    assert (f0.lr, f0.steps, config.epochs) == (1.6, 112_602, 360)
    assert f0.warmup_steps == pytest.approx(5 * 1_281_167 / 4096)
    assert (config.clip.name, config.clip.clip_factor, config.clip.eps) == ("agc", 0.01, 1e-3)
    assert (config.optimizer.weight_decay, config.optimizer.label_smoothing) == (2e-5, 0.1)
    assert (config.augment.randaugment_layers, config.augment.magnitude) == (4, 5)


def test_the_command_line_wins_over_the_recipe() -> None:
    run = resolved(
        "model=nfnet_f0",
        "data=mnist5k",
        "augment=shift",
        "data.train_size=28",
        "data.test_size=28",
        "batch=100",
        "steps=40",
        "optimizer.warmup_steps=3",
    )
    assert run.config.data.name == "mnist5k"
    assert (run.steps, run.warmup_steps, run.config.epochs) == (40, 3.0, None)


def test_epochs_come_to_steps() -> None:
    run = resolved("batch=100", "epochs=2.5", "optimizer.warmup_steps=3")
    assert run.steps == 87
    assert run.epochs == pytest.approx(87 * 100 / 3500)
    assert run.steps_per_epoch == 35


def test_lr_follows_the_batch_unless_given() -> None:
    assert resolved("batch=128", "optimizer.base_lr=0.1").lr == pytest.approx(0.05)
    assert resolved("batch=128", "lr=0.7").lr == 0.7


def test_norm_batch() -> None:
    assert resolved("model=resnet20", "batch=128").norm_batch == 128
    assert resolved("model=resnet20", "batch=128", "trainer.micro_batch=32").norm_batch == 32
    assert resolved("model=resnet20", "batch=128", "model.ghost_batch=8").norm_batch == 8
    assert resolved("model=nf_resnet20", "batch=128").norm_batch is None


@pytest.mark.parametrize("key", sorted(RANGES))
def test_every_range_is_checked_and_names_key_and_value(key: str) -> None:
    config = composed("model=resnet20")
    with pytest.raises(UserError, match=rf"^{key}=-1(\.0)?: must be"):
        resolve(_with(config, key, -1))


@pytest.mark.parametrize("key", sorted(CHOICES))
def test_every_choice_is_checked_and_lists_what_there_is(key: str) -> None:
    with pytest.raises(UserError, match=rf"^{key}=nonsense: choose one of {CHOICES[key][0]}"):
        resolve(_with(composed(), key, "nonsense"))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("batch=3501",), "batch=3501: larger than the 3500 training images of mnist5k"),
        (("optimizer.warmup_steps=600",), "600 steps of warm-up are not shorter than the training of 600 steps"),
        (("batch=64", "trainer.micro_batch=48"), "use batch=48 or batch=96"),
        (("model.ghost_batch=4",), "nf_resnet20 has no BatchNorm"),
        (("model=resnet20", "model.ghost_batch=5"), "does not divide the micro batch of 64"),
        (("steps=null",), "say how long to train"),
        (("clip.clip_factor=null",), "clip=agc needs a value"),
        (("epochs=0.001",), "less than one step"),
    ],
)
def test_relations(overrides: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        resolved(*overrides)
    assert "\n" not in str(caught.value)


def test_lookup_reaches_every_checked_key() -> None:
    config = composed("model=resnet20")
    for key in (*RANGES, *CHOICES):
        lookup(config, key)  # type: ignore[arg-type]
    assert TrainConfig().precision in PRECISIONS


def _with(config: object, key: str, value: object) -> dict[str, object]:
    from omegaconf import OmegaConf

    content = OmegaConf.to_container(config)
    assert isinstance(content, dict)
    inner = content
    *path, last = key.split(".")
    for part in path:
        inner = inner[part]
    inner[last] = value
    if key == "epochs":
        content["steps"] = None
    return content


def test_an_image_size_of_tests_that_nothing_gives_is_named() -> None:
    with pytest.raises(
        UserError, match=r"data.test_size=null: data=imagenet takes it from the network, and nf_resnet20"
    ):
        resolved("data=imagenet", "data.train_size=16")


@pytest.mark.parametrize("family", ["custom", "???"])
def test_a_network_of_ones_own_in_a_file_needs_its_target_alone(family: str) -> None:
    node = composed("model=custom", "model._target_=tests.train.own_modules.PlainCNN", "model.name=custom")
    node.model.family = family
    config = resolve(node).config
    assert (config.model.name, config.model.family, config.model.normalizer) == ("PlainCNN", "custom", "none")


@pytest.mark.parametrize("key", ["model.family", "clip.name", "data.name", "optimizer.name"])
def test_what_a_file_leaves_open_is_told(key: str) -> None:
    node = composed()
    OmegaConf.update(node, key, "???")
    with pytest.raises(UserError, match=rf"{key}=\?\?\?: the file in conf/{key.split('.')[0]}/ leaves it open"):
        resolve(node)
