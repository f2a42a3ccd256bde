"""What a sweep shows on a terminal: a real one, of a sweep in a process of its own."""

import os
import pty
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from tests.conftest import ROOT, TINY

from normfree.sweep.live_table import MOST_ROWS, live_table
from normfree.sweep.pool import Event
from normfree.sweep.progress import SweepProgress
from normfree.sweep.schedule import Schedule, Size

pytestmark = pytest.mark.cli


def on_a_terminal(*words: str) -> tuple[int, str]:
    """Exit code and everything written to the terminal, without its control sequences."""
    ours, theirs = pty.openpty()
    variables = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "40", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "train.py", *words], cwd=ROOT, stdout=theirs, stderr=theirs, stdin=theirs, env=variables
    )
    os.close(theirs)
    parts = []
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # what Linux says when the last process has closed the terminal
            break
        if not part:
            break
        parts.append(part)
    os.close(ours)
    text = b"".join(parts).decode()
    assert text.endswith("\n")
    assert text.count("\x1b[?25h") == text.count("\x1b[?25l"), "the cursor is shown again"
    return process.wait(), re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


def test_a_sweep_keeps_a_table_up_to_date(tmp_path: Path) -> None:
    clips = "clip._target_=tests.train.own_clipping.broken,tests.train.own_clipping.halve"
    words = ("-m", *TINY, "clip=custom", clips, "lr=0.1,1e6", "steps=60", "trainer.log_every=5", f"runs_dir={tmp_path}")
    code, text = on_a_terminal(*words)
    assert code == 1
    heads = [line.split() for line in text.splitlines() if "running" in line and "left" in line]
    assert heads
    assert set(heads[-1]) >= {"done", "running", "diverged", "failed", "gone", "left"}
    last = text.splitlines()[max(n for n, line in enumerate(text.splitlines()) if "4/4" in line)].split()
    counts = dict(zip(heads[-1], last, strict=True))
    assert (counts["done"], counts["running"], counts["failed"]) == ("4/4", "0", "2")
    assert counts["diverged"] == "1"
    assert re.search(r"━+\S* +\d+% +nf_resnet20", text), "a bar for a run"
    assert re.search(r"failed: nf_resnet20\S*: \w", text), "told when it happens"


def test_many_running_cells_are_counted_and_not_all_shown() -> None:
    runs = [f"run{number}" for number in range(MOST_ROWS + 3)]
    with SweepProgress(20, 5, Schedule({run: Size("arm", 100) for run in runs})) as progress:
        progress.queued = 4
        for number, run in enumerate(runs):
            progress.show(Event(run, number / 100))
        console = Console(width=100, record=True, file=StringIO())
        console.print(live_table(progress))
        text = console.export_text()
    assert re.search(r"5/20 +11 +4 +0 +0", text)
    assert text.count("run") - text.count("running") == MOST_ROWS
    assert "and 3 more" in text
