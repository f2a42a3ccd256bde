"""What a configuration knows of normalisers is what they say of themselves; wrong ones are refused in one line."""

import pytest
from tests.conftest import resolved

from normfree.config import UserError
from normfree.config.normalizers import NORMALIZERS, OPTIONS
from normfree.config.schema import ModelConfig
from normfree.nets.normalizers import list_normalizers, normalizer, normalizer_options
from normfree.runs import run_id

NETWORK = "model=resnet20"


def test_both_tables_agree() -> None:
    assert sorted(NORMALIZERS) == list_normalizers()
    for name, facts in NORMALIZERS.items():
        own = normalizer(name)
        assert (facts.title, facts.sees, set(facts.options)) == (own.title, own.sees, set(own.options)), name
        assert facts.own_activation == (own.activation == "replaced"), name


def test_every_option_is_a_key() -> None:
    assert {*OPTIONS, "ghost_batch"} == set(normalizer_options())
    assert set(normalizer_options()) <= set(vars(ModelConfig(name="a", family="b", normalizer="c")))


@pytest.mark.parametrize("name", sorted(NORMALIZERS))
def test_a_run_is_named_by_a_normaliser_that_is_not_the_networks_own(name: str) -> None:
    run = resolved(NETWORK, f"model.normalizer={name}")
    assert run_id(run).startswith("resnet20-" if name == "batchnorm" else f"resnet20_{name}-")
    assert run.norm_batch == (64 if NORMALIZERS[name].sees == "batch" else None)


def test_its_own_normaliser_changes_no_name() -> None:
    assert run_id(resolved(NETWORK, "model.normalizer=batchnorm")) == run_id(resolved(NETWORK))
    assert run_id(resolved("model.normalizer=none")) == run_id(resolved())


def test_an_option_that_acts_is_in_the_name() -> None:
    words = (NETWORK, "model.normalizer=groupnorm")
    assert run_id(resolved(*words, "model.groups=4")) != run_id(resolved(*words))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((NETWORK, "model.normalizer=grupnorm"), "model.normalizer=grupnorm: no such normaliser, did you mean 'group"),
        (("model.normalizer=groupnorm",), "model.normalizer=groupnorm: nf_resnet20 takes no other normaliser"),
        (
            (NETWORK, "model.normalizer=groupnorm", "model.ghost_batch=8"),
            "has no BatchNorm but GroupNorm, which sees a",
        ),
        ((NETWORK, "model.normalizer=none", "model.sync_norm=true"), "model.sync_norm=true: resnet20 has no BatchNorm"),
        ((NETWORK, "model.normalizer=layernorm", "model.freeze_norm=true"), "model.freeze_norm=true: resnet20 has no"),
        (
            (NETWORK, "model.normalizer=groupnorm", "model.groups=4", "model.channels_per_group=4"),
            "model.groups=4 and model.channels_per_group=4: give one of them",
        ),
        ((NETWORK, "model.normalizer=groupnorm", "model.groups=0"), "model.groups=0: must be"),
    ],
)
def test_what_does_not_fit_is_one_line(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(UserError) as refusal:
        resolved(*words)
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)
