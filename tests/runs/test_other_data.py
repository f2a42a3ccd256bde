"""A result is handed out for the images that it was made with, and for no others."""

import json
from pathlib import Path

import pytest
from tests.conftest import command_line, composed, resolved
from tests.data.images import digits_as_parquet, encoded, write_parquet

from normfree.config import UserError
from normfree.config.sources import read_of
from normfree.runs import RunDirectory, result_of, run_id
from normfree.runs.other_data import refuse_other_data
from normfree.sweep.planned import plan_runs


def options(root: Path, runs: Path) -> tuple[str, ...]:
    return (
        "data=parquet", f"data.root={root}", "data.train_size=14", "batch=10", "steps=3", "augment=none",
        "optimizer.warmup_steps=1", "optimizer.warmup_share=null", f"runs_dir={runs}", "trainer.accelerator=cpu",
    )  # fmt: skip


def test_a_result_says_what_it_was_made_with_and_is_not_given_for_other_images(tmp_path: Path) -> None:
    root = digits_as_parquet(tmp_path / "digits")
    keys = options(root, tmp_path / "runs")
    first = command_line("train.py", *keys)
    assert first.returncode == 0, first.stderr
    directory = RunDirectory.of(resolved(*keys))
    read = json.loads(directory.result.read_text())["data"]
    assert (read["class_names"], read["files"], read["root"]) == (["zero", "one"], 3, str(root))
    assert len(read["digest"]) == 16
    moved = tmp_path / "elsewhere" / "digits"
    moved.parent.mkdir()
    root.rename(moved)
    again = command_line("train.py", *options(moved, tmp_path / "runs"))
    assert again.returncode == 0
    assert f"result of data.root={root}; data.root={moved} holds the same images" in again.stderr
    assert "not applied" not in again.stderr
    contents, labels = encoded("validation", 6)
    write_parquet(moved / "test-00000-of-00001.parquet", contents, labels)
    other = command_line("train.py", *options(moved, tmp_path / "runs"))
    assert other.returncode == 2
    assert "has a result of other images: digest" in other.stderr
    assert "Traceback" not in other.stderr
    sweep = command_line("train.py", "-m", *options(moved, tmp_path / "runs"), "seed=0,1")
    assert sweep.returncode == 2
    assert "has a result of other images: digest" in sweep.stderr


def test_results_that_do_not_say_it_are_left_alone(tmp_path: Path) -> None:
    run = resolved(*options(digits_as_parquet(tmp_path / "digits"), tmp_path / "runs"))
    assert refuse_other_data(result_of(run, "finished"), run) == ""
    with pytest.raises(UserError, match="has a result of other images"):
        refuse_other_data(result_of(run, "finished", data={"digest": "0" * 16}), run)


def test_a_place_spelled_in_another_way_is_the_same_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = digits_as_parquet(tmp_path / "digits")
    other = digits_as_parquet(tmp_path / "copy" / "digits")
    run = resolved(*options(root, tmp_path / "runs"))
    digest = read_of(run.config.data).digest
    monkeypatch.chdir(tmp_path)
    for spelled, said in ((f"{root}/", ""), ("digits", ""), (str(other), f"result of data.root={other}; ")):
        result = result_of(run, "finished", data={"digest": digest, "root": spelled})
        told = refuse_other_data(result, run)
        assert told == (said and f"{said}data.root={root} holds the same images")


def test_cells_that_come_to_one_run_are_told_or_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = digits_as_parquet(tmp_path / "one" / "digits")
    combinations = [[*options(root, tmp_path / "runs"), word] for word in ("seed=0", "lr=0.0625", "seed=1")]
    planned = [(words, list[str]()) for words in combinations]
    assert len(plan_runs(planned, lambda words: composed(*words))) == 2
    name = run_id(resolved(*combinations[0]))
    told = capsys.readouterr().err
    assert told.startswith("2 combinations come to 1 run: ")
    assert "lr=" in told
    assert told.endswith(f"({name})\n")
    other = digits_as_parquet(tmp_path / "two" / "digits")
    both = [([*options(place, tmp_path / "runs")], list[str]()) for place in (root, other)]
    assert len(plan_runs(both, lambda words: composed(*words))) == 1
    assert "2 combinations come to 1 run: data.root=" in capsys.readouterr().err
    write_parquet(other / "test-00000-of-00001.parquet", *encoded("validation", 6))
    with pytest.raises(UserError, match=r"2 combinations come to 1 run, as both are called digits; .*data\.label=NAME"):
        plan_runs(both, lambda words: composed(*words))


def test_a_plan_says_what_is_read_and_what_is_not(tmp_path: Path) -> None:
    root = digits_as_parquet(tmp_path / "digits")
    write_parquet(root / "metadata.parquet", *encoded(count=2))
    plan = command_line("train.py", *options(root, tmp_path / "runs"), "plan=true").stdout.splitlines()
    rows = {line.split("  ")[0].strip(): line for line in plan}
    assert "2 classes (zero, one); images: 24 of train in train-00000-of-00002.parquet, " in rows["read"]
    assert "6 of test in test-00000-of-00001.parquet (3 files); digest " in rows["read"]
    assert rows["not read"].endswith("left out: metadata.parquet (no split in its name)")
