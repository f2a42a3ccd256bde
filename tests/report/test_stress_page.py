"""What a stress test says of stages whose answer is known."""

from pathlib import Path

import pandas as pd
import pytest

from normfree.config import UserError
from normfree.config.schema import OutcomeConfig
from normfree.report.probes.stress_page import (
    StressConditions,
    highest_stable,
    read_stages,
    stages_csv,
    stress_files,
)

CONDITIONS = StressConditions("digits", 10, 64, 62, 0.1, 2.0, 100.0, OutcomeConfig())


def stages(clip: str, seed: int, *losses: float, broke: str = "") -> pd.DataFrame:
    last = len(losses) - 1
    rows = [
        {"model": "net", "clip": clip, "label": clip.upper(), "seed": seed, "number": number, "lr": 0.1 * 2**number,
         "loss": loss, "learned": loss < 2, "broke": broke if number == last else ""}
        for number, loss in enumerate(losses)
    ]  # fmt: skip
    return pd.DataFrame(rows)


TABLE = pd.concat(
    [
        stages("none", 0, 1.5, 1.0, 9.0, broke="training loss nan at step 3"),
        stages("none", 1, 1.5, 1.0, 0.9, 9.0, broke="training loss blew up: 9, above 2 times"),
        stages("none", 2, 2.3, 2.3, 9.0, broke="training loss nan at step 3"),
        stages("agc", 0, 1.5, 1.0, 0.9),
    ],
    ignore_index=True,
)


def test_the_highest_rate_at_which_it_had_learned_and_did_not_break() -> None:
    by = dict(list(TABLE.groupby(["clip", "seed"])))
    found = {names: highest_stable(one) for names, one in by.items()}
    assert found == {("none", 0): 0.2, ("none", 1): 0.4, ("none", 2): None, ("agc", 0): 0.4}


def test_the_page_has_median_range_and_how_it_broke() -> None:
    files = stress_files(TABLE, CONDITIONS, "name", "python report.py probe=stress", "this machine")
    page = files["name.md"].decode()
    assert "| net | NONE (`none`) | 0.3 | 0.2 to 0.4 | 2 of 3 | not finite (2), loss blew up (1) |" in page
    assert "| net | AGC (`agc`) | 0.4 or more | 0.4 to 0.4 | 1 | not at all (1) |" in page
    assert "raised by 2 every 62 steps from 0.1 on, to 100 at most; digits at 10 px, batch 64" in page
    assert files["name.png"].startswith(b"\x89PNG")
    assert files == stress_files(TABLE, CONDITIONS, "name", "python report.py probe=stress", "this machine")


def test_of_many_arms_the_rates_are_drawn_and_no_losses() -> None:
    many = [stages(f"c{place}", seed, 1.5, 1.0, 0.9) for place in range(9) for seed in range(2)]
    table = pd.concat([*many, stages("none", 0, 2.3, 9.0, broke="training loss nan at step 3")], ignore_index=True)
    files = stress_files(table, CONDITIONS, "name", "python report.py probe=stress", "this machine")
    page = files["name.md"].decode()
    assert "![Highest stable rate of each arm](name.svg)" in page
    assert "A dot: a seed's highest rate" in page
    assert "Lines" not in page
    assert page.count("| net | C") == 9
    assert files["name.png"].startswith(b"\x89PNG")
    assert files == stress_files(table, CONDITIONS, "name", "python report.py probe=stress", "this machine")


def test_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    assert read_stages(path).empty
    path.write_bytes(stages_csv(TABLE))
    pd.testing.assert_frame_equal(read_stages(path), TABLE.assign(code=""))
    own = TABLE.assign(code="0af3")
    path.write_bytes(stages_csv(own))
    pd.testing.assert_frame_equal(read_stages(path), own)
    path.write_text("model,clip\nnet,none\n")
    with pytest.raises(UserError, match=r"rows\.csv: cannot be read; move it away"):
        read_stages(path)
