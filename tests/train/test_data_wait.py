"""How long training waits for images is measured, recorded and, where it is much, told with a remedy."""

import time
from collections.abc import Callable, Iterator

import pytest
from tests.conftest import resolved

from normfree.cli.train import summary
from normfree.config import Resolved
from normfree.data import Batch
from normfree.data.resident import ResidentSource
from normfree.train.data_wait import warn_of_waiting
from normfree.train.run import run_one

PAUSE = 0.04
STEPS = 30


def test_a_slow_source_is_measured_and_told(tiny: Callable[..., Resolved], monkeypatch: pytest.MonkeyPatch) -> None:
    quick = ResidentSource.training_batches

    def slowly(self: ResidentSource, start: int, stop: int) -> Iterator[Batch]:
        for batch in quick(self, start, stop):
            time.sleep(PAUSE)
            yield batch

    monkeypatch.setattr(ResidentSource, "training_batches", slowly)
    run = tiny(f"steps={STEPS}")
    with pytest.warns(UserWarning, match=r"waited for images \d+% of its time; .*choose a lighter augment="):
        result = run_one(run, [])
    seconds = STEPS * run.config.batch / result["time"]["images_per_second"]
    measured = result["time"]["data_wait_share"] * seconds
    assert (STEPS - 1) * PAUSE <= measured < (STEPS - 1) * PAUSE + 0.5
    assert f"{result['time']['data_wait_share']:.1%} of training waited for images" in summary(result)


def test_images_in_memory_are_hardly_waited_for(tiny: Callable[..., Resolved]) -> None:
    result = run_one(tiny("data.train_size=14", f"steps={STEPS}"), [])
    assert 0 < result["time"]["data_wait_share"] < 0.1


@pytest.mark.parametrize(
    ("loader", "remedy"),
    [("workers", r"raise data.workers from 0, or use data.loader=resident"), ("ffcv", "more processor cores")],
)
def test_the_remedy_goes_by_the_loader(loader: str, remedy: str) -> None:
    data = resolved().config.data
    data.loader = loader
    with pytest.warns(UserWarning, match=f"waited for images 20% of its time; .*{remedy}"):
        warn_of_waiting(2.0, 10.0, data)
    warn_of_waiting(0.9, 9.1, data)
    warn_of_waiting(0.9, 1.0, data)
