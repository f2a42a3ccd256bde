"""Bits flipped at random places of every file of a run: noticed by who reads it, or without effect; never silent.

`FLIPS=100 pytest -s tests/train/test_flipped_bits.py` prints the table of a hundred flips in each file.
"""

import os
import random
import shutil
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.conftest import resolved
from tests.train.test_laws import StopAfter

from normfree.config import UserError
from normfree.nets.weights import read_weights
from normfree.runs import RunDirectory
from normfree.runs.attempts import attempts_of
from normfree.runs.checksums import CHECKSUMS, read_text_verified, write_verified
from normfree.runs.clip_record import read_clip_record
from normfree.runs.damage import damages
from normfree.study.collect import collect
from normfree.sweep.state import run_states
from normfree.train.resume import find_start, read_checkpoint
from normfree.train.run import run_one

FLIPS = int(os.environ.get("FLIPS", "6"))

RUN = (
    "model=nfnet_nano", "model.width=[16,16,16]", "model.group_size=8", "data.train_size=7", "batch=50", "steps=12",
    "optimizer.warmup_steps=2", "optimizer.ema_decay=0.9", "trainer.log_every=1", "trainer.evaluate_every=4",
    "trainer.checkpoint_minutes=0.00001", "clip=agc",
)  # fmt: skip

WITHOUT_CONTENT = {"lock", ".reserve", "clipping.png"}
"""What nobody reads: who held the run, room for a result, a picture."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has ended, and beside it one that was stopped, each with all the files that a run can have."""
    folder = tmp_path_factory.mktemp("runs")
    for name, stop in (("ended", None), ("stopped", StopAfter(9))):
        run = resolved(*RUN, f"runs_dir={folder}", f"experiment.name={name}")
        run_one(run, ["batch=50"], stop=stop)
        directory = RunDirectory.of(run)
        write_verified(directory.path, {directory.wandb_id.name: "1a2b3c4d"})
    return folder


def directory_in(folder: Path) -> RunDirectory:
    return RunDirectory(next(path.parent for path in folder.rglob("result.json")))


def everything(value: Any) -> Any:
    """In a form that can be compared."""
    if isinstance(value, dict):
        return {key: everything(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [everything(part) for part in value]
    if isinstance(value, torch.Tensor):
        return value.numpy().tobytes()
    return value


def seen(folder: Path) -> dict[str, Any]:
    """What all readers of this package make of a run.

    Raises:
        UserError, ValueError: one of them refuses.
    """
    run = directory_in(folder)
    record = read_clip_record(run.clip_record)
    collection = collect(run.path.parent.name, run.path.parent.parent)
    found: dict[str, Any] = {
        "result": run.read_result(),
        "damage": [str(one) for one in damages(run)],
        "states": [(one.state, one.overrides, one.share) for one in run_states(run.path.parent)],
        "table": collection.table.to_json(),
        "curve": None if (curve := collection.curve(run.path.name, "train/loss")) is None else curve.tolist(),
        "clip": None if record is None else (record.share.tolist(), record.ratios.tolist(), record.layers),
        "attempts": attempts_of(run.path),
        "wandb": read_text_verified(run.wandb_id),
    }
    for name in ("final", "best"):
        if (path := run.checkpoints / f"{name}.ckpt").exists():
            found[name] = [everything(read_weights(path, kind)) for kind in ("raw", "ema")]
    if run.checkpoint_candidates():
        start = find_start(run, {})
        found["start"] = start.step, start.lost_rows, everything(read_checkpoint(start.checkpoint or Path()))
    return found


@pytest.mark.parametrize("name", ["ended", "stopped"])
def test_no_flipped_bit_is_silent(runs: Path, tmp_path: Path, name: str) -> None:
    chosen, counts = random.Random(0), Counter[tuple[str, str]]()
    whole = runs / name
    expected = seen(Path(shutil.copytree(whole, tmp_path / "whole" / name)))
    files = [path.relative_to(whole) for path in sorted(whole.rglob("*")) if path.is_file() and path.stat().st_size]
    assert {file.name for file in files} >= {"result.json", "metrics.csv", "clip.csv", "environment.json", CHECKSUMS}
    for file in files:
        for number in range(FLIPS):
            folder = Path(shutil.copytree(whole, tmp_path / str(number) / name))
            content = bytearray((whole / file).read_bytes())
            bit = chosen.randrange(8 * len(content))
            content[bit // 8] ^= 1 << bit % 8
            (folder / file).write_bytes(content)
            counts[file.name, outcome(folder, expected)] += 1
            shutil.rmtree(folder)
    for file in dict.fromkeys(file.name for file in files):
        found = {word: counts[file, word] for word in ("noticed", "harmless", "silent")}
        print(f"{name:8} {file:20}", *(f"{count:4} {word}" for word, count in found.items()))
        assert not found["silent"], file
        assert found["noticed"] or file in WITHOUT_CONTENT or file == CHECKSUMS, file


def outcome(folder: Path, expected: dict[str, Any]) -> str:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            found = seen(folder)
        except (UserError, ValueError, OSError):
            return "noticed"
    if told or found["damage"] or any("damaged" in attempt for attempt in found["attempts"]):
        return "noticed"
    return "harmless" if found == expected else "silent"


def test_the_readers_see_what_is_not_told(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above can fail: without checksums a weight with a flipped bit is taken for what it is not."""
    folder = Path(shutil.copytree(runs / "ended", tmp_path / "ended"))
    expected = seen(folder)
    monkeypatch.setattr("normfree.nets.weights.torch_checkpoint.check_seal", lambda path: None)
    final = directory_in(folder).checkpoints / "final.ckpt"
    content = bytearray(final.read_bytes())
    weights = torch.load(final, weights_only=True)["state_dict"]["network.classifier.weight"].numpy().tobytes()
    content[content.index(weights) + 2] ^= 1
    final.write_bytes(content)
    assert outcome(folder, expected) == "silent"
