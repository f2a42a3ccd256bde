"""A training whose learning rate is raised until it breaks, by rules that are the same for every network."""

import math

from tests.conftest import resolved

from normfree.train.stress import FORGOT, Stage, stress


def raised(*words: str, steps: int = 12, highest: float = 200.0, factor: float = 2.0) -> list[Stage]:
    run = resolved("data.train_size=7", "batch=50", "steps=100", "lr=0.05", "optimizer.warmup_steps=0", "trainer=cpu",
                   *words)  # fmt: skip
    return stress(run, factor, steps, highest)


def test_the_rate_rises_until_a_stage_breaks_and_no_further() -> None:
    stages = raised("model=nf_resnet20", "clip=none")
    assert [stage.lr for stage in stages] == [0.05 * 2**number for number in range(len(stages))]
    assert [bool(stage.broke) for stage in stages] == [False] * (len(stages) - 1) + [True]
    assert any(stage.learned for stage in stages[:-1])
    assert stages[-1].lr < 200
    assert not stages[-1].learned


def test_it_is_the_same_again_and_another_seed_is_not() -> None:
    first, again = (raised("model=resnet20", "clip=none", highest=0.4) for _ in range(2))
    assert first == again
    assert raised("model=resnet20", "clip=none", "seed=1", highest=0.4)[0].loss != first[0].loss


def test_the_highest_rate_ends_it() -> None:
    assert [stage.lr for stage in raised("model=resnet20", "clip=none", highest=0.1)] == [0.05, 0.1]


def test_a_rate_that_is_far_too_high_breaks_the_first_stage_at_once() -> None:
    stages = raised("model=nf_resnet20", "clip=none", "lr=1e6", highest=1e8)
    assert len(stages) == 1
    assert stages[0].broke.startswith(("training loss", "gradient not finite"))
    assert not stages[0].broke.startswith(FORGOT)


def test_a_network_that_never_learned_has_not_forgotten() -> None:
    stages = raised("model=resnet20", "clip=none", "lr=1e-9", highest=1e-8, steps=4)
    assert [stage.broke for stage in stages] == [""] * 4
    assert not any(stage.learned for stage in stages)


def test_clipping_and_accumulation_are_those_of_a_run() -> None:
    whole = raised("model=nf_resnet20", "clip=none", highest=0.05, steps=6)
    cut = raised("model=nf_resnet20", "clip=none", "trainer.micro_batch=25", highest=0.05, steps=6)
    clipped = raised("model=nf_resnet20", "clip=norm", "clip.max_norm=1e-3", highest=0.05, steps=6)
    assert math.isclose(whole[0].loss, cut[0].loss, rel_tol=1e-4), "one batch, in one piece or two"
    assert abs(clipped[0].loss - whole[0].loss) > 1e-3


def test_what_was_learned_and_lost_is_told_so() -> None:
    stages = raised("model=resnet20", "clip=none")
    assert stages[-1].broke.startswith((FORGOT, "training loss"))
