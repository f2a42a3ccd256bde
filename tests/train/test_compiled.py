"""``trainer.compile=true``: the same training but for rounding, compiled once, and gone on with bit by bit."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.conftest import resolved
from tests.runs_on_disk import weights
from tests.train.test_laws import StopAfter

from normfree.config import Resolved, UserError
from normfree.runs import RunDirectory, run_id
from normfree.train.parts import compiled
from normfree.train.run import run_one

NANO = ("model=nfnet_nano", "model.width=[8]", "model.depth=[1]", "model.group_size=4", "clip=agc")
NOISY = ("model.drop_rate=0.2", "model.stochastic_depth_rate=0.2", "trainer.micro_batch=25")
COMPILE = "trainer.compile=true"


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Traced and differentiated as ever, but without Inductor's C++, which takes it a minute."""
    compile_it: Any = torch.compile

    def quickly(function: Any, dynamic: bool, mode: str | None) -> Any:
        assert (dynamic, mode) == (False, None)
        return compile_it(function, dynamic=dynamic, backend="aot_eager")

    monkeypatch.setattr(compiled.torch, "compile", quickly)
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()


@pytest.mark.usefixtures("traced")
def test_a_run_is_the_uncompiled_one_and_is_traced_once(tiny: Callable[..., Resolved]) -> None:
    runs = [tiny(*NANO, *NOISY, "precision=64-true", *more) for more in ((), (COMPILE,))]
    results = [run_one(run, []) for run in runs]
    assert [result["status"] for result in results] == ["finished", "finished"]
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
    plain, other = (weights(run) for run in runs)
    assert sorted(plain) == sorted(other)
    for name, value in plain.items():
        torch.testing.assert_close(other[name], value, rtol=1e-9, atol=1e-12)


def test_it_is_in_the_name_of_a_run_where_it_is_asked_for() -> None:
    assert run_id(resolved("trainer.compile=false")) == run_id(resolved())
    assert run_id(resolved(COMPILE)) != run_id(resolved())


def test_graphs_are_for_a_gpu_with_one_pass_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str | None] = []
    monkeypatch.setattr(compiled.torch, "compile", lambda function, dynamic, mode: asked.append(mode))
    for device, once in (("cpu", True), ("cuda", True), ("cuda", False)):
        compiled.forward_of(torch.nn.Identity(), torch.device(device), once)
    assert asked == [None, "reduce-overhead", None]


def test_without_a_compiler_one_line_says_so(tiny: Callable[..., Resolved], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(UserError, match=r"^trainer.compile=true: torch.compile needs a C\+\+ compiler, and .*leave it"):
        run_one(tiny(*NANO, COMPILE), [])


def test_by_inductor_a_stopped_run_goes_on_bit_by_bit(tiny: Callable[..., Resolved], tmp_path: Any) -> None:
    words = (*NANO, *NOISY, COMPILE, "trainer.checkpoint_minutes=0.00001")
    whole, stopped = tiny(*words, f"runs_dir={tmp_path / 'whole'}"), tiny(*words)
    expected = run_one(whole, [])
    assert run_one(stopped, [], stop=StopAfter(3))["status"] == "preempted"
    torch._dynamo.reset()
    result = run_one(stopped, [])
    assert result["metrics"] == expected["metrics"]
    assert RunDirectory.of(stopped).path.name == RunDirectory.of(whole).path.name
    ours, theirs = weights(stopped), weights(whole)
    assert all(torch.equal(ours[name], value) for name, value in theirs.items())
