"""One damaged file stops one run: every single fault ends in a line, or in a report that counts the run as damaged."""

import hashlib
import json
import re
from pathlib import Path

import pandas as pd
import pytest
from tests.conftest import command_line
from tests.report import faults
from tests.report.faults import DAMAGED, HARMLESS, LINE, NAME, VICTIM, Fault

from normfree.config import UserError
from normfree.report.build import render
from normfree.study import Study, collect, judge, load_experiment

FAULTS = faults.faults()


RENDERED = set[bytes]()


def built(folder: Path, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """The runs of a report that is made whole but for the pictures' bytes, which take most of the time.

    Once for all faults of which it sees the same: the same table but for why a run is damaged (which
    `test_many_damaged_runs_stop_none_of_the_others` renders for each), and the same files beside the results.
    """
    monkeypatch.setattr("normfree.report.layout.encode", lambda figure: {"svg": b"", "png": b"", "pdf": b""})
    experiment = load_experiment(NAME, folder / "experiments")
    collection = collect(experiment.name, folder / "runs", experiment.command)
    table = collection.table
    seen = hashlib.sha256(table.assign(reason=table["reason"].where(table["status"] != DAMAGED)).to_csv().encode())
    for path in sorted(path for path in folder.rglob("*") if path.name != "result.json" and path.is_file()):
        seen.update(path.read_bytes())
    if seen.digest() not in RENDERED:
        render(Study(experiment, collection), judge(experiment, table))
        RENDERED.add(seen.digest())
    return table.set_index("run_id")


def test_there_are_enough_of_them() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    assert len(FAULTS) >= 173


@pytest.mark.filterwarnings("ignore:Glyph .* missing")
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_single_fault_stops_one_run_or_is_one_line(
    fault: Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults.write(tmp_path)
    fault.apply(tmp_path)
    table, line = None, ""
    try:
        table = built(tmp_path, monkeypatch)
    except UserError as error:
        line = str(error)
    if table is None:
        assert LINE in fault.allowed, line
        assert 10 < len(line) < 1000
        assert line.isprintable()
        return
    others = table.drop(index=VICTIM)
    assert set(others["status"]) == {"finished"}, "one run alone"
    status, reason = table.loc[VICTIM, ["status", "reason"]]
    assert status in ("damaged", "finished")
    assert (DAMAGED if status == "damaged" else HARMLESS) in fault.allowed
    if status == "damaged":
        assert re.match(r"(result\.json|metrics\.csv|clip\.csv): \S", reason)
        assert len(reason) < 400


def test_a_sound_experiment_is_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faults.write(tmp_path)
    assert set(built(tmp_path, monkeypatch)["status"]) == {"finished"}


@pytest.mark.cli
def test_many_damaged_runs_stop_none_of_the_others(tmp_path: Path) -> None:
    """By the command, pictures and all: a run for every fault of a result, all in one experiment."""
    faults.write(tmp_path)
    runs = tmp_path / "runs" / NAME
    plan = json.loads((runs / "sweep.json").read_text())
    chosen = [fault for fault in FAULTS if fault.allowed == (DAMAGED,)]
    for number, fault in enumerate(chosen):
        one = tmp_path / str(number)
        faults.write(one)
        fault.apply(one)
        name = f"{VICTIM}-{number}"
        (one / "runs" / NAME / VICTIM).rename(runs / name)
        result = runs / name / "result.json"
        if not fault.name.startswith("result"):
            result.write_text(json.dumps(json.loads(result.read_text()) | {"run_id": name}))
        plan["cells"].append({"run_id": name, "overrides": [f"seed={number + 9}"], "grids": ["stability"]})
    (runs / "sweep.json").write_text(json.dumps(plan))
    folders = [f"{key}_dir={tmp_path / key}" for key in ("runs", "reports", "experiments")]
    answer = command_line("report.py", f"experiment={NAME}", *folders)
    assert answer.returncode == 0, answer.stderr
    assert f"{len(chosen) + 4} runs planned: 4 finished, {len(chosen)} damaged" in answer.stdout
    assert (tmp_path / "reports" / NAME / "report.html").is_file()
