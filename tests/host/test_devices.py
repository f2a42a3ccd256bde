"""What a process may use of the machine."""

import pytest

from normfree.host.devices import grouped, visible_gpus


@pytest.mark.parametrize(("visible", "gpus"), [("2,3", ["2", "3"]), ("", []), ("-1", []), ("GPU-ab", ["GPU-ab"])])
def test_workers_take_the_gpus_that_are_visible(monkeypatch: pytest.MonkeyPatch, visible: str, gpus: list[str]) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert visible_gpus() == gpus


@pytest.mark.parametrize(
    ("gpus", "width", "groups"),
    [
        (["0", "1", "2", "3"], 2, ["0,1", "2,3"]),
        (["0", "1", "2"], 2, ["0,1"]),
        (["0", "1"], 1, ["0", "1"]),
        (["0"], 4, ["0"]),
        ([], 2, []),
    ],
)
def test_a_worker_has_as_many_gpus_as_its_cells_take(gpus: list[str], width: int, groups: list[str]) -> None:
    assert grouped(gpus, width) == groups
