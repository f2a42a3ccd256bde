"""A run that is trained anew comes to the same bits, also when it is interrupted or on several devices."""

from collections.abc import Callable

import pytest
from tests.train.test_laws import StopAfter

from normfree.config import Resolved
from normfree.runs import RunDirectory
from normfree.runs.again import begun_anew
from normfree.runs.same_bits import told_bits
from normfree.train.run import run_one

EQUAL = "equal bit for bit (metrics.csv, clip.csv, final.ckpt)"


@pytest.mark.parametrize("cut", [(), ("trainer=ddp_cpu", "batch=48")], ids=["one", "ranks"])
def test_an_interrupted_one_goes_on(tiny: Callable[..., Resolved], cut: tuple[str, ...]) -> None:
    first = tiny(*cut)
    run_one(first, [])
    before = {path: path.read_bytes() for path in RunDirectory.of(first).path.rglob("*") if path.is_file()}
    (anew,) = begun_anew([tiny(*cut, "again=true")])
    assert run_one(anew, [], stop=StopAfter(5))["status"] == "preempted"
    (same,) = begun_anew([tiny(*cut, "again=true")])
    result = run_one(same, [])
    assert (result["run_id"], result["attempts"]) == (f"{RunDirectory.of(first).path.name}.again-2", 2)
    assert told_bits(RunDirectory.of(first), RunDirectory.of(anew)) == EQUAL
    assert {path: path.read_bytes() for path in before} == before
