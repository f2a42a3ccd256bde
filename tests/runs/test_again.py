"""``again=true``: which training of a run comes next, what it is called, and when two are the same."""

from collections.abc import Callable
from dataclasses import asdict
from itertools import permutations

import pytest
import torch
from tests.conftest import resolved

from normfree.config import Resolved, UserError, resolve_stored
from normfree.config.sources.reading import looked_up_once
from normfree.runs import RunDirectory, again, arm_id, result_of, run_id
from normfree.runs.again import apart, begun_anew, numbered, place_of, told_anew, told_number
from normfree.runs.damage import standing
from normfree.runs.result import Ended
from normfree.runs.same_bits import same_rows, told_bits


def ended(
    run: Resolved, status: str = "finished", rows: str = "step,lr,images_per_second\n1,0.5,100\n"
) -> RunDirectory:
    """A run that ended so."""
    directory = RunDirectory.of(run)
    directory.create()
    directory.metrics.write_text(rows)
    directory.write_result(result_of(run, status, "" if status == "finished" else "because"))
    return directory


def numbers(runs: list[Resolved]) -> list[int]:
    return [int(run.config.again) or 1 for run in begun_anew(runs)]


def test_only_the_name_differs(tiny: Callable[..., Resolved]) -> None:
    first, third = tiny(), tiny("again=3")
    assert run_id(third) == f"{run_id(first)}.again-3"
    assert arm_id(third) == arm_id(first)
    assert place_of(run_id(third)) == (run_id(first), 3)
    assert place_of(run_id(first)) == (run_id(first), 1)
    assert run_id(tiny("again=true")) == run_id(first), "which one is not known before the directories are looked at"


def test_a_job_or_a_stored_configuration_knows_which_it_is(tiny: Callable[..., Resolved]) -> None:
    third = tiny("again=3")
    assert run_id(resolve_stored(asdict(third.config))) == run_id(third)


@pytest.mark.parametrize("value", ["1", "0", "-2"])
def test_other_numbers_are_refused(value: str) -> None:
    with pytest.raises(UserError, match=rf"again={value}: give true, or which training of the run, from 2"):
        resolved(f"again={value}")


def test_the_first_without_a_result_is_next(tiny: Callable[..., Resolved]) -> None:
    run = tiny("again=true")
    assert numbers([run]) == [1]
    ended(numbered(run, 1), "failed")
    assert numbers([run]) == [1]
    ended(numbered(run, 1))
    assert numbers([run]) == numbers([run]) == [2]
    ended(numbered(run, 2), "preempted")
    assert numbers([run]) == [2], "it goes on with what was interrupted"
    ended(numbered(run, 2), "diverged")
    assert numbers([run]) == [3]


def test_a_sweep_is_begun_anew_as_a_whole(tiny: Callable[..., Resolved]) -> None:
    runs = [tiny("again=true", f"seed={seed}") for seed in range(3)]
    for run in runs[:2]:
        ended(numbered(run, 1))
    assert numbers(runs) == [2, 2, 1]
    assert told_anew(runs, begun_anew(runs)) == (
        "again=true: 2 runs anew, as *.again-2, 1 for the first time, as they have no result yet"
    )
    ended(numbered(runs[0], 2))
    assert numbers(runs) == [2, 2, 1], "what has been done of it already is not done once more"
    assert "2 runs anew, as *.again-2 (1 of them have that result already)" in told_anew(runs, begun_anew(runs))
    ended(numbered(runs[1], 2))
    ended(numbered(runs[2], 1))
    assert numbers(runs) == [2, 2, 2]
    ended(numbered(runs[2], 2))
    assert numbers(runs) == [3, 3, 3]


def test_without_again_or_with_a_number_nothing_is_looked_up(tiny: Callable[..., Resolved]) -> None:
    for run in (plain := tiny(), tiny("again=2")):
        ended(run)
        assert begun_anew([run]) == [run]
    assert told_anew([plain], [plain]) == ""


def test_what_is_recorded_of_it_means_the_same_later(tiny: Callable[..., Resolved]) -> None:
    run = tiny("again=true")
    ended(numbered(run, 1))
    (anew,) = begun_anew([run])
    assert told_number(["seed=0", "+again=true", "lr=1"], anew) == ["seed=0", "again=2", "lr=1"]
    assert told_number(["again=true"], run) == ["again=true"]


@pytest.mark.parametrize("names", list(permutations(["a-00000000", "a-00000000.again-2", "a-00000000.again-10", "b"])))
def test_each_counts_once(names: tuple[str, ...]) -> None:
    counted, repeated = apart(names)
    assert sorted(counted) == ["a-00000000", "b"]
    assert repeated == dict.fromkeys(["a-00000000.again-2", "a-00000000.again-10"], "a-00000000")
    counted, repeated = apart(names[1:])
    assert sorted([*counted, *repeated]) == sorted(names[1:])
    assert len(counted) == len({place_of(name)[0] for name in names[1:]})


def test_the_clock_alone_may_differ(tiny: Callable[..., Resolved]) -> None:
    one, other = ended(tiny()), ended(tiny("again=2"), rows="step,lr,images_per_second\n1,0.5,90\n")
    assert same_rows(one, other) is True
    assert told_bits(one, other) == "equal bit for bit in metrics.csv; final.ckpt is not there"
    third = ended(tiny("again=3"), rows="step,lr,images_per_second\n1,0.5000000000000001,100\n")
    assert same_rows(one, third) is False
    assert told_bits(one, third) == "not equal bit for bit: metrics.csv differs"
    assert same_rows(one, ended(tiny("again=4"), "failed")) is None


def test_what_is_damaged_is_not_compared(tiny: Callable[..., Resolved]) -> None:
    one, other = ended(tiny()), ended(tiny("again=2"))
    for run in (one, other):
        run.checkpoints.mkdir(exist_ok=True)
        torch.save({"a": torch.arange(12.0), "b": torch.ones(3)}, run.checkpoints / "final.ckpt")
    assert told_bits(one, other) == "equal bit for bit (metrics.csv, final.ckpt)"
    whole = (one.checkpoints / "final.ckpt").read_bytes()
    for start in range(0, len(whole), 2):
        for content in (whole[:start], whole[:start] + bytes(each ^ 0x5A for each in whole[start : start + 14])):
            (other.checkpoints / "final.ckpt").write_bytes(content + whole[len(content) :])
            assert told_bits(one, other)
    (other.checkpoints / "final.ckpt").write_bytes(whole[:700])
    for damaged in (b"step,lr\n\0", b'step,lr\n"' + b"1" * 2**18, b"step,lr\n\xff"):
        other.metrics.write_bytes(damaged)
        assert told_bits(one, other) in ("nothing to compare bit by bit", "not equal bit for bit: metrics.csv differs")


def test_a_command_reads_each_result_once(tiny: Callable[..., Resolved], monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [tiny("again=true", f"seed={seed}") for seed in range(3)]
    for run in runs:
        ended(numbered(run, 1))
    ended(numbered(runs[0], 2))
    read: list[str] = []

    def counted(directory: RunDirectory) -> Ended | None:
        read.append(directory.path.name)
        return standing(directory)

    monkeypatch.setattr(again, "standing", counted)
    with looked_up_once():
        anew = begun_anew(runs)
        assert told_anew(runs, anew).startswith("again=true: 3 runs anew, as *.again-2 (1 of them have that result")
    assert len(read) == len(set(read)) == 6
    assert not any(name.endswith(".again-3") for name in read)
