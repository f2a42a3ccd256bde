import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import resolved

from normfree.config import resolve
from normfree.runs import arm_id, clip_label, run_id
from normfree.runs.identity import digest

tables = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def reordered(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: reordered(content[key]) for key in reversed(list(content))}
    return content


@given(st.dictionaries(st.text(max_size=5), tables))
def test_the_order_of_keys_does_not_matter(content: dict[str, Any]) -> None:
    assert digest(content) == digest(reordered(content))


def test_a_run_directorys_config_gives_the_same_run() -> None:
    run = resolved("model=resnet20", "clip=none", "batch=32")
    assert run_id(resolve(reordered(dataclasses.asdict(run.config)))) == run_id(run)


@pytest.mark.parametrize(
    "override",
    [
        "runs_dir=elsewhere",
        "logger=wandb",
        "data.workers=3",
        "data.root=there",
        "trainer.threads=1",
        "trainer.log_every=7",
        "trainer.micro_batch=16",
        "experiment.name=other",
        "steps=600",
        "lr=1.6",
        "optimizer.warmup_steps=60",
        "clip.max_norm=3",
        "optimizer.beta1=0.5",
        "optimizer.sam_share=0.5",
    ],
)
def test_what_cannot_change_the_result_is_left_out(override: str) -> None:
    assert run_id(resolved(override)) == run_id(resolved())


@pytest.mark.parametrize(
    "override",
    [
        "seed=1",
        "lr=0.3",
        "batch=32",
        "clip=norm",
        "clip.eps=1e-2",
        "model.alpha=0.3",
        "augment=none",
        "steps=599",
        "optimizer.momentum=0.8",
        "optimizer.ema_decay=0.999",
        "optimizer.sam_rho=0.05",
        "optimizer.final_lr=0.01",
    ],
)
def test_what_can_change_the_result_is_in(override: str) -> None:
    assert run_id(resolved(override)) != run_id(resolved())


def test_runs_keep_the_names_they_had_before_options_were_added() -> None:
    """Of the quickstart. Other rules of outcomes give other names: a result is one by the rules that judged it."""
    assert run_id(resolved("experiment=quickstart", "batch=16", "lr=0.1", "clip.eps=0.001")).endswith("-d88454e1")


def test_what_another_optimizer_uses_enters_with_it() -> None:
    adamw = resolved("optimizer=adamw", "clip=none")
    assert run_id(resolved("optimizer=adamw", "clip=none", "optimizer.beta1=0.8")) != run_id(adamw)
    assert run_id(resolved("optimizer=adamw", "clip=none", "optimizer.momentum=0.8")) == run_id(adamw)


def test_an_arm_is_the_runs_that_differ_in_the_seed() -> None:
    assert arm_id(resolved("seed=1")) == arm_id(resolved("seed=2"))
    assert arm_id(resolved("seed=1", "lr=0.1")) != arm_id(resolved("seed=1"))


def test_batchnorm_enters_through_what_its_statistics_see() -> None:
    ghost = resolved("model=resnet20", "batch=64", "model.ghost_batch=16")
    micro = resolved("model=resnet20", "batch=64", "trainer.micro_batch=16")
    whole = resolved("model=resnet20", "batch=64")
    assert run_id(ghost) == run_id(micro) != run_id(whole)


def test_the_name_can_be_read() -> None:
    assert run_id(resolved("lr=0.4", "seed=3")).startswith("nf_resnet20-agc0.01eps0.1-b64-lr0.4-s3-")


def test_another_floor_is_another_run_with_another_label() -> None:
    options = (("clip.eps=0.001",), ("clip.eps=0.1",), ("clip.eps=0.1", "clip.eps_scope=vectors"), ("clip.eps=1",))
    runs = [resolved(*words) for words in options]
    assert [clip_label(run) for run in runs] == [
        "AGC 0.01",
        "AGC 0.01 eps 0.1",
        "AGC 0.01 eps 0.1 of vectors",
        "AGC 0.01 eps 1",
    ]
    assert len({run_id(run) for run in runs}) == 4
    assert run_id(runs[1]).startswith("nf_resnet20-agc0.01eps0.1-b64-")
    assert run_id(resolved("clip.eps=0.1", "clip.eps_scope=all")) == run_id(runs[1])
