"""A sweep with ``again=true``: every run anew beside the first, listed, compared, and counted once by the report."""

import json
from pathlib import Path

from tests.conftest import TINY, command_line

from normfree.study import collect


def test_a_sweep_anew(tmp_path: Path) -> None:
    words = ("-m", *TINY, "seed=0,1", f"runs_dir={tmp_path}", "experiment.name=two", "trainer.accelerator=cpu")
    for each in (words, (*words, "again=true")):
        done = command_line("train.py", *each)
        assert done.returncode == 0, done.stderr
    assert "again=true: 2 runs anew, as *.again-2" in done.stderr
    first = sorted(path.name for path in (tmp_path / "two").glob("*-s?-????????"))
    plan = json.loads((tmp_path / "two/sweep.json").read_text())
    assert [run["run_id"] for run in plan["runs"]] == [*first, *(f"{name}.again-2" for name in first)]
    assert [run["overrides"][-1] for run in plan["runs"][2:]] == ["again=2", "again=2"]

    listed = command_line("runs.py", "experiment=two", f"runs_dir={tmp_path}", "all=true").stdout
    assert all(f"{name}.again-2" in listed for name in first)
    assert "4 runs: " in listed
    compared = command_line("runs.py", f"runs_dir={tmp_path}", f"compare=-s0-,{first[0]}.again-2")
    assert "equal bit for bit (metrics.csv, clip.csv, final.ckpt)" in compared.stdout

    found = collect("two", tmp_path)
    assert list(found.table["run_id"]) == first
    assert found.repeated == {f"{name}.again-2": name for name in first}
