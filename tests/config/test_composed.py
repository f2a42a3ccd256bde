"""Tests compose each choice of options once: it is what Hydra composes, also after others have changed theirs."""

import pytest
from hydra.errors import HydraException
from omegaconf import OmegaConf
from tests.conftest import composed, composed_anew

WORDS = [
    (),
    ("seed=3", "lr=0.5"),
    ("model=nfnet_f0", "batch=64", "model.width=[8,16,24,24]", "data.classes=7"),
    ("data=folder", "data.root=/nowhere", "augment=paper", "optimizer=lamb", "optimizer.eps=1e-3"),
    ("experiment=quickstart", "clip=norm", "model.activation=null"),
    ("+clip.stages=[1]", "logger=wandb", "logger.tags=[a,b]"),
    ("model=custom", "model._target_=a.B", "model.arguments={width: 3, deep: [1, {x: 2}]}"),
]


@pytest.mark.parametrize("words", WORDS, ids=lambda words: " ".join(words) or "nothing")
def test_it_is_what_hydra_composes(words: tuple[str, ...]) -> None:
    first = composed(*words)
    assert first == composed_anew(words)
    assert OmegaConf.to_yaml(first) == OmegaConf.to_yaml(composed_anew(words))
    first.seed, first.data.label = 99, "other"
    assert composed(*words) == composed_anew(words)


@pytest.mark.parametrize("word", ["seed=x", "no.such=1", "model=no_such", "lr", "batch=[1"])
def test_what_is_wrong_is_wrong_in_the_same_words(word: str) -> None:
    with pytest.raises(HydraException) as one:
        composed(word)
    with pytest.raises(HydraException) as other:
        composed_anew([word])
    assert str(one.value) == str(other.value)
