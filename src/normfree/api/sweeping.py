"""A sweep, in a process of its own: its workers must not be forked from a notebook's."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from normfree.api.experiment import find_runs
from normfree.api.mistakes import checked, in_one_line, in_words_of_python, refuse_plan
from normfree.config import UserError

_FAILED, _BAD_INPUT, _INTERRUPTED = 1, 2, 130


def sweep(overrides: Sequence[str], *, conf: str | Path | None = None, progress: bool = True) -> pd.DataFrame:
    """``python train.py -m`` with these overrides: trains what is missing of every combination.

    Args:
        overrides: as typed after ``-m``: ``["clip=none,agc", "seed=0,1,2"]`` or ``["experiment=quickstart"]``.
        conf: a folder of configurations that come before normfree's; ``conf`` where the process runs if not given.
        progress: print what the command prints.

    Returns:
        All runs of the experiment, as `find_runs` gives them. One that failed is a row; a warning says so.

    Raises:
        UserError: for what the command would refuse, before anything starts.
        KeyboardInterrupt: it was interrupted; what was begun is saved, and the same call goes on.
    """
    words = checked(overrides)
    with in_one_line():
        experiment, runs_dir = _place(words, None if conf is None else Path(conf))
    code, last = _run([sys.executable, "-m", "normfree.api.sweep_process", str(conf or ""), *words], progress)
    if code == _BAD_INPUT:
        raise UserError(in_words_of_python(last.removeprefix("error: ")))
    if code in (_INTERRUPTED, -2):
        raise KeyboardInterrupt("the sweep is saved; the same call goes on")
    if code not in (0, _FAILED):
        raise UserError(f"sweep: its process ended with exit code {code}: {last}")
    table = find_runs(experiment, runs_dir)
    if code == _FAILED:
        counts = table["status"].value_counts()
        warnings.warn(f"not every run has a result: {counts.to_dict()}", stacklevel=2)
    return table


def _place(words: list[str], conf: Path | None) -> tuple[str, str]:
    """The name of the experiment and the folder of runs, from the first combination."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    from normfree.cli.arguments import prepared
    from normfree.compose.run import composing
    from normfree.config.places import Places

    places = Places.of(conf)
    words = prepared(words, places)
    parsed = OverridesParser.create().parse_overrides(words)
    first = [
        word if not each.is_sweep_override() else f"{each.get_key_element()}={next(each.sweep_string_iterator())}"
        for word, each in zip(words, parsed, strict=True)
    ]
    with composing(places) as compose:
        config = compose([word for word in first if not word.startswith("hydra")])
    refuse_plan(config.plan)
    return str(config.experiment.name), str(config.runs_dir)


def _run(command: list[str], progress: bool) -> tuple[int, str]:
    """The exit code, and the last line that was an error or, if none was, the last line."""
    last, error = "", ""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace"
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if progress:
                print(line, end="", flush=True)
            last = line.strip() or last
            error = last if last.startswith("error: ") else error
    return process.returncode, error or last
