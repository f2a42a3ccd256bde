"""Every file in conf/ and experiments/ composes, stays short and agrees with the networks."""

import re
from pathlib import Path

import pytest
from hydra.errors import HydraException
from omegaconf import OmegaConf

from normfree.config import resolve
from normfree.nets import list_models, model_info
from tests.conftest import ROOT, composed, resolved

CONF = ROOT / "conf"
OPTIONS = sorted(
    f"{path.parent.relative_to(CONF)}={path.stem}"
    for path in CONF.rglob("*.yaml")
    if path.parent != CONF and "hydra" not in path.parts and path.parent.name != "experiment"
)
EXPERIMENTS = sorted(path.stem for path in (ROOT / "experiments").glob("*.yaml"))
NAMED = {
    "model=timm": "model.name=resnet18", "private=dpsgd": "clip=none",
    **{f"optimizer={name}": "clip=none" for name in ("lion", "muon", "sphere")},
}  # fmt: skip
"""What an option cannot do without."""
NOT_OURS = ("timm", "custom")
MODELS = [option.split("=")[1] for option in OPTIONS if option.startswith("model=")]


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_composes_and_resolves(option: str) -> None:
    options = [option, *([NAMED[option]] if option in NAMED else [])]
    config = composed(*options, *(() if option.startswith(("model", "recipe")) else ("batch=64", "steps=600")))
    if option.endswith("=custom"):
        return  # needs the name of the user's own code, and is resolved with one in tests/train
    if option in ("data=parquet", "data=folder", "data=ffcv"):
        return  # reads its files, and is resolved with some in tests/data
    if option.startswith("recipe=") or option == "data_recipe=none" or option in ("data=imagenet", "data=synthetic"):
        return  # they come with an ImageNet model, and are resolved with it
    assert resolve(config).steps > 0


@pytest.mark.parametrize("name", [name for name in MODELS if name not in NOT_OURS])
def test_a_model_config_agrees_with_the_network(name: str) -> None:
    assert name in list_models()
    config = resolved(f"model={name}").config.model
    info = model_info(name)
    assert (config.name, config.family, config.normalizer) == (info.name, info.family, info.normalizer)
    if config.train_size is not None:
        assert (config.train_size, config.test_size) == (info.train_size, info.test_size)


def test_the_parameters_that_a_config_tells_are_the_networks() -> None:
    for name in MODELS:
        head = (CONF / "model" / f"{name}.yaml").read_text(encoding="utf-8").split("\nmodel:")[0]
        told = re.search(r"([\d,]+) parameters", head)
        published = None if name in NOT_OURS else model_info(name).parameters
        if told and published:
            assert told[1] == f"{published:,}", name


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_composes(name: str) -> None:
    config = composed(f"experiment={name}")
    assert config.experiment.name == name
    assert config.experiment.question
    # A trial of a search is short, and the best of them stand beside others of as many steps.
    assert resolve(config).steps >= (200 if config.experiment.trials else 300)


def test_the_help_lists_every_group() -> None:
    groups = {option.split("=")[0] for option in OPTIONS}
    assert groups == {"model", "clip", "data", "data_recipe", "augment", "optimizer", "trainer", "logger", "recipe",
                      "attack", "private"}  # fmt: skip


def test_config_files_are_short_and_say_what_they_are() -> None:
    for path in CONF.rglob("*.yaml"):
        if "hydra" in path.parts or path.parent.name == "experiment":
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        assert len(lines) <= 40, path
        assert any(line.startswith("# ") and "@package" not in line for line in lines[:3]), path


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(HydraException, match="nonsense"):
        composed("model=nonsense")


def test_the_schema_names_no_path() -> None:
    text = OmegaConf.to_yaml(composed())
    assert str(Path.home()) not in text
