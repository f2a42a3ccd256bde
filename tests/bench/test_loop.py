"""The loop's benchmark: both loops train the same, and both are measured."""

import csv
from pathlib import Path

import pytest

from normfree.bench.loop import CLIPS, _bare, _ours
from normfree.cli.main import run
from normfree.clip import CLIPPERS
from normfree.compose.run import compose_run


def test_both_loops_and_the_cell_are_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "loop.csv"
    settings = ["model=resnet20", "batch=50", "image_size=7", "steps=10", "rounds=1", "runs=1", f"out={out}"]
    assert run("bench", ["loop", *settings]) == 0, capsys.readouterr().err
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["subject"] for row in rows] == ["bare loop", "train.py", "pool launcher"]
    assert all(float(row["value"]) > 0 for row in rows)
    said = capsys.readouterr().out
    assert "of the bare loop" in said
    assert "a run of a sweep, to its first step" in said


@pytest.mark.parametrize("clip", CLIPS)
def test_both_loops_end_with_the_same_weights(clip: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the one would be measured against something that does less."""
    assert set(CLIPS) >= {"none", "norm", "agc", *CLIPPERS}
    import torch

    import normfree.bench.loop as loop

    built: list[torch.nn.Module] = []
    build = loop.build_network
    monkeypatch.setattr(loop, "build_network", lambda resolved: built.append(build(resolved)) or built[-1])
    resolved = compose_run(
        ["model=nf_resnet20", f"clip={clip}", "batch=50", "data.train_size=7", "steps=12", "epochs=null",
         "trainer.log_every=10", f"runs_dir={tmp_path}"]
    )  # fmt: skip
    _bare(resolved, lambda: 0.0)
    _ours(resolved, lambda: 0.0)
    (path,) = tmp_path.rglob("final.ckpt")
    trained = torch.load(path, weights_only=True)["state_dict"]
    for name, value in built[0].state_dict().items():
        assert torch.equal(trained[f"network.{name}"], value), name
