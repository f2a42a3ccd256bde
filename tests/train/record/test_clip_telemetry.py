"""clip.csv, against the clipped gradients themselves, and the figure."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from normfree.clip import clip_grad_agc_, clipped_parameters, unit_dims
from normfree.config import Resolved
from normfree.nets import create_model
from normfree.runs import RunDirectory
from normfree.runs.clip_record import ALL, COLUMNS, read_clip_record
from normfree.train.record.clip_telemetry import MOST_RECORDS, ClipTelemetry, RunTelemetry, layers_of
from normfree.train.record.tracker import Tracker
from normfree.train.run import run_one


@pytest.fixture
def undrawn() -> None:
    """The figure is drawn here."""


def network_with_gradients(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    network = create_model("nfnet_nano", 10)
    for parameter in network.parameters():
        parameter.grad = 0.01 * torch.randn_like(parameter)
    return network


def recorded(path: Path, *steps: int, network: nn.Module | None = None) -> tuple[nn.Module, list[dict[str, str]]]:
    network = network or network_with_gradients()
    telemetry = ClipTelemetry(path, 10, 1)
    for step in steps:
        parameters: list[Tensor] = list(clipped_parameters(network))
        telemetry.record(step, network, parameters, clip_grad_agc_(parameters))
    with path.open(newline="", encoding="utf-8") as file:
        return network, list(csv.DictReader(file))


def test_every_layer_is_told_what_happened_to_it(tmp_path: Path) -> None:
    network = network_with_gradients()
    before = {name: parameter.grad.clone() for name, parameter in network.named_parameters()}
    _, rows = recorded(tmp_path / "clip.csv", 3, network=network)
    assert tuple(rows[0]) == COLUMNS
    assert (rows[0]["layer"], rows[0]["depth"], rows[0]["step"]) == (ALL, "-1", "3")
    assert [int(row["depth"]) for row in rows] == sorted(int(row["depth"]) for row in rows)
    for row in rows[1:]:
        units, clipped, ratios = 0, 0, []
        for name, parameter in network.named_parameters():
            if (name != row["layer"] and name.rpartition(".")[0] != row["layer"]) or name == "classifier.weight":
                continue
            if name.count(".") == 2 and name.endswith("skip_gain") and name != row["layer"]:
                continue
            dims = unit_dims(parameter.shape)
            dims = tuple(range(parameter.ndim)) if dims is None else dims
            norms = torch.linalg.vector_norm(before[name].double(), dim=dims).flatten()
            of_parameter = torch.linalg.vector_norm(parameter.detach().double(), dim=dims).flatten()
            changed = (parameter.grad != before[name]).flatten(1) if dims != tuple(range(parameter.ndim)) else None
            clipped += int(changed.any(1).sum()) if changed is not None else int(not parameter.grad.equal(before[name]))
            units += norms.numel()
            ratios += (norms / of_parameter.clamp(min=1e-3)).tolist()
        assert (int(row["units"]), int(row["clipped"])) == (units, clipped), row["layer"]
        assert float(row["ratio_q50"]) == pytest.approx(float(np.median(ratios)), rel=1e-3)
    assert int(rows[0]["units"]) == sum(int(row["units"]) for row in rows[1:])
    assert int(rows[0]["clipped"]) == sum(int(row["clipped"]) for row in rows[1:]) > 0


def test_layers_and_stages_of_a_network() -> None:
    layers = layers_of(create_model("nfnet_nano", 10))
    assert layers.names[0].startswith("stem_convs")
    assert layers.names[-1] == "classifier"
    assert layers.stages == sorted(layers.stages, key=["stem", "0", "1", "2", "head"].index)
    assert "blocks.0.skip_gain" in layers.names
    plain = layers_of(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)))
    assert (plain.names, plain.stages) == (["0", "1"], ["", ""])


def test_a_resumed_run_records_no_step_twice(tmp_path: Path) -> None:
    path = tmp_path / "clip.csv"
    recorded(path, 1, 2, 3)
    ClipTelemetry(path, 10, 1).start(2)
    _, rows = recorded(path, 3, 4)
    assert sorted({row["step"] for row in rows}) == ["1", "2", "3", "4"]
    assert sum(row["layer"] == ALL for row in rows) == 4


@pytest.mark.parametrize(("steps", "log_every"), [(8, 2), (600, 10), (93_750, 10), (2001, 10)])
def test_the_file_stays_small(tmp_path: Path, steps: int, log_every: int) -> None:
    telemetry = ClipTelemetry(tmp_path / "clip.csv", steps, log_every)
    due = [step for step in range(1, steps + 1) if telemetry.due(step)]
    assert due[-1] == steps
    assert len(due) <= MOST_RECORDS + 1
    assert len(due) >= min(MOST_RECORDS // 2, steps // log_every)
    assert all(step % log_every == 0 for step in due[:-1])


def test_what_is_not_finite_and_what_is_frozen(tmp_path: Path) -> None:
    network = network_with_gradients()
    first = next(iter(network.parameters()))
    assert first.grad is not None
    first.grad[0] = torch.nan
    network.blocks[0].requires_grad_(False)
    for parameter in network.blocks[0].parameters():
        parameter.grad = None
    recorded(tmp_path / "clip.csv", 1, network=network)
    record = read_clip_record(tmp_path / "clip.csv")
    assert record is not None
    assert not any(name.startswith("blocks.0.") for name in record.layers)
    assert np.isfinite(record.ratios).all()


def test_what_a_record_says(tmp_path: Path) -> None:
    assert read_clip_record(tmp_path / "none.csv") is None
    path = tmp_path / "clip.csv"
    lines = [",".join(COLUMNS)]
    for step, counts in ((10, (1, 0, 8)), (20, (3, 0, 8))):
        lines.append(f"{step},-1,,{ALL},22,{sum(counts)},1,2,3,4,5")
        for depth, (count, units, stage) in enumerate(zip(counts, (4, 10, 8), ("stem", "0", "0"), strict=True)):
            lines.append(f"{step},{depth},{stage},layer{depth},{units},{count},1,2,3,4,5")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    record = read_clip_record(path)
    assert record is not None
    assert record.steps.tolist() == [10, 20]
    assert record.share.tolist() == [[0.25, 0.75], [0, 0], [1, 1]]
    assert record.of_stages()["0"].tolist() == [8 / 18, 8 / 18]
    assert record.overall.tolist() == [9 / 22, 11 / 22]
    assert record.most_clipped(2) == [("layer2", 1.0), ("layer0", 0.5)]
    assert record.ratios[0].tolist() == [1, 2, 3, 4, 5]


def test_skip_gains_are_one_group(tmp_path: Path) -> None:
    path = tmp_path / "clip.csv"
    rows = [("stem_conv", "stem", 4, 1), ("blocks.0.skip_gain", "0", 1, 1), ("blocks.0.conv0", "0", 8, 4)]
    rows += [("blocks.1.skip_gain", "1", 1, 0), ("blocks.1.conv0", "1", 8, 8), ("classifier", "head", 1, 0)]
    lines = [
        f"5,{depth},{stage},{name},{units},{count},1,2,3,4,5" for depth, (name, stage, units, count) in enumerate(rows)
    ]
    path.write_text("\n".join([",".join(COLUMNS), *lines]) + "\n", encoding="utf-8")
    record = read_clip_record(path)
    assert record is not None
    assert record.most_clipped() == [
        ("blocks.1.conv0", 1.0),
        ("skip_gain (2)", 0.5),
        ("blocks.0.conv0", 0.5),
        ("stem_conv", 0.25),
        ("classifier", 0.0),
    ]
    shares, groups = record.map()
    assert groups == ["stem", "stage 0", "stage 1", "head", "skip_gain", "skip_gain"]
    assert shares[:, 0].tolist() == [0.25, 0.5, 1.0, 0.0, 1.0, 0.0]


def test_the_figure(tmp_path: Path) -> None:
    telemetry = ClipTelemetry(tmp_path / "clip.csv", 10, 1)
    assert not telemetry.draw(tmp_path / "clipping.png", 0.01)
    recorded(tmp_path / "clip.csv", 1)
    assert telemetry.draw(tmp_path / "clipping.png", 0.01)
    recorded(tmp_path / "clip.csv", 2, 3)
    assert telemetry.draw(tmp_path / "clipping.png", 0.01)
    assert (tmp_path / "clipping.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.csv", "clipping.png"]


def test_other_loggers_are_told_the_shares(tmp_path: Path) -> None:
    told: list[dict[str, float | None]] = []
    network = network_with_gradients()
    parameters: list[Tensor] = list(clipped_parameters(network))
    telemetry = ClipTelemetry(tmp_path / "clip.csv", 10, 5, told.append)
    for step in range(1, 11):
        telemetry.record(step, network, parameters, clip_grad_agc_(parameters))
    assert [row["step"] for row in told] == [5, 10]
    stages = {"stem", "stage0", "stage1", "stage2", "head"}
    assert {f"clip/clipped_share_{stage}" for stage in stages} | {"step", "clip/ratio_q50"} <= set(told[0])


class Album(Tracker):
    """A tracker that remembers."""

    def __init__(self) -> None:
        self.images: list[tuple[str, Path]] = []

    def image(self, key: str, path: Path) -> None:
        self.images.append((key, path))


def test_a_single_run_has_its_figure_and_an_experiments_run_has_not(tiny: Callable[..., Resolved]) -> None:
    run = tiny()
    assert run_one(run, [])["steps_done"] == run.steps
    path = RunDirectory.of(run).path
    record = read_clip_record(path / "clip.csv")
    assert record is not None
    assert record.steps.tolist() == [2, 4, 6, 8]
    assert (path / "clipping.png").exists()

    one_of_many = tiny("experiment.name=many")
    run_one(one_of_many, [])
    assert (RunDirectory.of(one_of_many).path / "clip.csv").exists()
    assert not (RunDirectory.of(one_of_many).path / "clipping.png").exists()

    without = tiny("clip=none")
    run_one(without, [])
    assert not (RunDirectory.of(without).path / "clip.csv").exists()


def test_trackers_get_the_figure_and_a_failure_is_a_warning(
    tiny: Callable[..., Resolved], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, album = tiny(), Album()
    directory = RunDirectory.of(run)
    directory.create()
    telemetry = RunTelemetry(run, directory, album)
    telemetry.finish()
    assert album.images == []
    recorded(directory.path / "clip.csv", 1, 2)
    telemetry.finish()
    assert album.images == [("clip/layers", directory.path / "clipping.png")]

    def fail(*_: object) -> None:
        raise RuntimeError("no fonts")

    monkeypatch.setattr("normfree.train.record.clip_figure.draw_clipping", fail)
    with pytest.warns(UserWarning, match=r"clipping.png cannot be drawn \(no fonts\); the numbers are in clip.csv"):
        telemetry.finish()
