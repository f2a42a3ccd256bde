"""A run on a CUDA device: it ends, and stopped and resumed it is the run that was never stopped."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tests.train.test_laws import StopAfter
from tests.train.test_resume import OFTEN, must_equal

from normfree.config import Resolved
from normfree.train.run import run_one

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
@pytest.mark.parametrize("network", [("model=nf_resnet20", "clip=agc"), ("model=resnet20", "clip=none")])
def test_a_stopped_run_goes_on_to_the_same_bits(
    tiny: Callable[..., Resolved], tmp_path: Path, network: tuple[str, ...], precision: str
) -> None:
    words = (*OFTEN, *network, "trainer=gpu", f"precision={precision}", "augment=crop_flip", "augment.shift=1")
    whole = tiny(*words, f"runs_dir={tmp_path / 'whole'}")
    expected = run_one(whole, [])
    assert expected["status"] in ("finished", "untrained")
    assert expected["provenance"]["device"] == torch.cuda.get_device_name()
    run = tiny(*words)
    assert run_one(run, [], stop=StopAfter(5))["status"] == "preempted"
    must_equal(run, run_one(run, []), (whole, expected))
