"""A command line before Hydra reads it."""

import pytest
from tests.conftest import ROOT

from normfree.cli.arguments import prepared
from normfree.cli.explain import nearest
from normfree.config import TrainConfig, UserError
from normfree.config.other_words import REMEDIES, remedy
from normfree.config.places import Places
from normfree.config.schema_keys import schema_keys

PLACES = Places.of(ROOT / "conf")


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("clip=null", ["clip=none"]),
        ("clip=False", ["clip=none"]),
        ("~clip", ["clip=none"]),
        ("~clip=agc", ["clip=none"]),
        ("augment=None", ["augment=none"]),
        ("logger=null", ["logger=csv"]),
        ("experiment=null", []),
        ("~experiment", []),
        ("-m clip=null,agc", ["-m", "clip=none,agc"]),
        ("clip=agc steps=null", ["clip=agc", "steps=null"]),
        ("--cfg job --resolve", ["--cfg", "job", "--resolve"]),
        ("-c job model=resnet20", ["-c", "job", "model=resnet20"]),
        ("hydra/launcher=slurm", ["hydra/launcher=slurm"]),
        ("model.width=[8,16]", ["model.width=[8,16]"]),
        ("model=resnet20 -m seed=0,1 --cfg job", ["-m", "--cfg", "job", "model=resnet20", "seed=0,1"]),
        ("--info model=resnet20", ["--info=all", "model=resnet20"]),
        ("model=resnet20 --info defaults", ["--info", "defaults", "model=resnet20"]),
        ("model.arguments.width=3,4 +clip.arguments.a=1", ["++model.arguments.width=3,4", "+clip.arguments.a=1"]),
    ],
)
def test_what_means_nothing_is_the_groups_none(typed: str, read: list[str]) -> None:
    assert prepared(typed.split(" "), PLACES) == read


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("model=null", "model=null: model is never empty; leave it away, or choose one of bn_nfnet_f0, "),
        ("~data", "~data: data is never empty"),
        ("clip=", "clip=: is empty; leave it away, or choose one of adagc, agc, autoclip, custom, none, norm"),
        ("-m clip=agc,", "clip=agc,: is empty; leave it away, or choose one of adagc, agc, autoclip, custom, none"),
        ("model=", "model=: is empty; leave it away, or choose one of bn_nfnet_f0, "),
        ("experiment=", "experiment=: is empty; leave it away, or choose one of "),
        ("--lr 0.1", "--lr 0.1: no such flag; write lr=0.1, without dashes"),
        ("--model resnet20", "--model resnet20: no such flag; write model=resnet20, without dashes"),
        ("--seeds 3", "--seeds 3: no such flag; write seed=3, without dashes"),
        ("--learning-rate 0.1", "--learning-rate 0.1: no such flag; write lr=0.1"),
        ("--lr -m", "--lr: no such flag; write lr=..., without dashes"),
        ("~batch", "~batch: a key cannot be taken out; leave it away to have its usual value"),
        ("--lr=0.1", "--lr=0.1: no such flag; write lr=0.1"),
        ("--batch=64", "--batch=64: no such flag; write batch=64, without dashes"),
        ("--force", "--force: no such flag; a run that has its result is not trained again"),
        ("--nonsense", "--nonsense: no such flag; python train.py --help"),
        ("resnet20", "resnet20: cannot be read as KEY=VALUE; write a key and its value, such as model=resnet20"),
        ("[stem", "[stem: cannot be read as KEY=VALUE; quote what the shell or Hydra would take apart"),
        ("list", "list: cannot be read as KEY=VALUE; python train.py --help lists"),
    ],
)
def test_the_rest_is_one_line(typed: str, line: str) -> None:
    with pytest.raises(UserError) as told:
        prepared(typed.split(" "), PLACES)
    assert str(told.value).startswith(line)
    assert "\n" not in str(told.value)


def test_what_is_said_for_other_words_exists_here() -> None:
    keys = {*schema_keys(TrainConfig), "hydra/launcher", "seed"}
    for word, text in REMEDIES.items():
        named = [part.partition("=")[0] for part in text.split() if "=" in part and "{value}" in part]
        assert all(key in keys for key in named), word
        assert word not in keys or word in ("plan", "sweep"), "a key of ours needs no translation"


@pytest.mark.parametrize("word", ["trainer.max_epochs", "max-epochs", "+max_epochs", "--max-epochs", "MAX_EPOCHS"])
def test_words_are_known_in_every_form(word: str) -> None:
    assert remedy(word, "3") == "write epochs=3"


def test_of_many_options_the_nearest_are_shown() -> None:
    many = [f"resnet{depth}" for depth in range(20, 60)]
    text = nearest("resnet2x", many)
    assert text.startswith("did you mean resnet")
    assert text.endswith(" and 35 others (python train.py --help)")
    assert nearest("x", ["a", "b"]) == "there are: a, b"
