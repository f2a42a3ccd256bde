"""Attacked images and private steps over several processes: what one process would compute."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.runs_on_disk import weights
from tests.train.ranks.test_ranks import EXACT, furthest

from normfree.config import Resolved
from normfree.train.run import run_one


@pytest.mark.parametrize(
    "words",
    [
        ("attack=pgd", "attack.epsilon=0.1", "attack.step_size=0.06", "attack.steps=2"),
        ("private=dpsgd", "private.epsilon=6"),
    ],
)
def test_ranks_and_accumulation_equal_the_big_batch(
    tiny: Callable[..., Resolved], tmp_path: Path, words: tuple[str, ...]
) -> None:
    common = (*EXACT, "model=nf_resnet20", "clip=none", *words)
    whole = tiny(*common, f"runs_dir={tmp_path / 'whole'}")
    parts = tiny(*common, "trainer=ddp_cpu", "trainer.micro_batch=12")
    one, several = run_one(whole, []), run_one(parts, [])
    assert several["run_id"] == one["run_id"]
    assert (several["batch"]["devices"], several["batch"]["accumulation"]) == (2, 2)
    assert furthest(weights(parts), weights(whole)) < 1e-9
