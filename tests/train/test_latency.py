"""Networks timed in turns: folded, at the size of testing, one series of numbers a run."""

import pytest
from tests.conftest import resolved

from normfree.config import UserError
from normfree.train.latency import inference_seconds

WORDS = ("data.train_size=14", "batch=8", "steps=2", "trainer=cpu", "clip=none")


def test_a_larger_network_takes_longer_and_all_have_as_many_rounds() -> None:
    small = resolved("model=nfnet_nano", "model.width=[16,16,16]", "model.group_size=8", *WORDS)
    large = resolved("model=nfnet_nano", "model.width=[64,128,256]", *WORDS)
    norm = resolved("model=resnet20", *WORDS)
    seconds, device, clock = inference_seconds([small, large, norm], 4, 5, 1)
    assert [len(each) for each in seconds] == [5, 5, 5]
    assert sum(seconds[0]) < sum(seconds[1])
    assert device.startswith("CPU ")
    assert clock == "cpu"


def test_a_network_that_is_none_is_refused() -> None:
    with pytest.raises(UserError, match="group_size=64 is more than half of a stage's "):
        inference_seconds([resolved("model=nfnet_nano", "model.group_size=64", *WORDS)], 1, 1, 1)
