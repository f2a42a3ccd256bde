"""Where networks come from, in what they compute, and how quick they are."""

import csv
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from normfree import api
from normfree.cli.main import main
from normfree.config import UserError
from normfree.nets import create_model, save_weights
from normfree.serve import speed
from normfree.serve.keys import Prediction
from normfree.serve.networks import for_files, in_precision, kinds_of, networks_of
from normfree.serve.speed import Way, blank, fastest
from normfree.trained import Preprocessing, Trained


def test_names_tell_networks_apart(twins: list[api.Run]) -> None:
    paths = tuple(str(run.path) for run in twins)
    assert [name for name, _ in networks_of(Prediction(run=paths))] == ["resnet20", "nf_resnet20"]
    same = [name for name, _ in networks_of(Prediction(run=(paths[0], paths[0])))]
    assert same == ["network 1", "network 2"]


def test_a_file_of_weights(tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    overrides = {"num_classes": 7, "in_channels": 1}
    save_weights(create_model("nf_resnet20", **overrides), file, architecture="nf_resnet20", overrides=overrides)  # type: ignore[arg-type]
    ((name, network),) = for_files(Prediction(weights=str(file), size=32))
    assert (name, len(network.classes), network.preprocessing.size) == ("nf_resnet20", 7, 32)
    assert network.probabilities(blank(network)).shape == (1, 7)


def test_an_exported_network(
    twins: list[api.Run], digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "network.onnx"
    assert main(["export", f"run={twins[1].path}", "format=onnx", f"out={file}"]) == 0
    said = []
    for run in (file, twins[1].path):
        assert main(["predict", f"run={run}", f"source={digits}", f"out={tmp_path / 'labels.csv'}"]) == 0
        with (tmp_path / "labels.csv").open(newline="", encoding="utf-8") as opened:
            said.append([(row["file"], row["label"]) for row in csv.DictReader(opened)])
    assert said[0] == said[1]
    assert len(said[0]) > 10
    ((_, exported),) = networks_of(Prediction(run=(str(file),)))
    network, way = fastest(exported)
    assert (network is exported, way.precision) == (True, "as exported")
    with pytest.raises(UserError, match="size=32: "):
        networks_of(Prediction(run=(str(file),), size=32))
    capsys.readouterr()


def test_a_preprocessing_of_lists_is_one_of_tuples() -> None:
    one, other = (
        SimpleNamespace(preprocessing=Preprocessing(16, 3, (0.5,) * 3, (0.25,) * 3)),
        SimpleNamespace(preprocessing=[]),
    )
    assert len(kinds_of([one, one, other])) == 2  # type: ignore[list-item]


def test_a_gpu_that_is_not_there(twins: list[api.Run]) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(UserError, match="device=cuda: torch sees no GPU here"):
        networks_of(Prediction(run=(str(twins[0].path),), device="cuda"))


def test_bfloat16_changes_little(twins: list[api.Run]) -> None:
    ((_, network),) = networks_of(Prediction(run=(str(twins[1].path),)))
    lower = in_precision(network, "bf16")
    assert isinstance(lower, Trained)
    assert next(lower.network.parameters()).dtype == torch.bfloat16
    images = torch.randint(0, 256, (16, 1, 28, 28), dtype=torch.uint8)
    torch.testing.assert_close(lower.probabilities(images), network.probabilities(images), rtol=0, atol=0.05)
    assert lower.probabilities(images).dtype == torch.float32


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, int], float]:
    """Seconds by precision and threads, in the place of a measurement."""
    seconds: dict[tuple[str, int], float] = {}

    def answer(network: Trained, image: Tensor) -> float:
        lower = next(network.network.parameters()).dtype == torch.bfloat16
        return seconds["bf16" if lower else "32", torch.get_num_threads()]

    monkeypatch.setattr(speed, "seconds_of", answer)
    monkeypatch.setattr(speed, "cores", lambda: 2)
    monkeypatch.setattr(speed, "computes_bf16", lambda: True)
    return seconds


@pytest.mark.parametrize(
    ("times", "best"),
    [
        ((10, 9, 9, 9), ("32", 1)),
        ((10, 6, 9, 6), ("32", 2)),
        ((10, 9, 5, 4.9), ("bf16", 1)),
        ((10, 9, 5, 3), ("bf16", 2)),
    ],
)
def test_a_simpler_way_is_kept_unless_another_saves_much(
    times: tuple[float, ...], best: tuple[str, int], measured: dict[tuple[str, int], float], twins: list[api.Run]
) -> None:
    before = torch.get_num_threads()
    measured |= dict(zip([("32", 1), ("32", 2), ("bf16", 1), ("bf16", 2)], times, strict=True))
    ((_, network),) = networks_of(Prediction(run=(str(twins[1].path),)))
    try:
        _, way = fastest(network)
        assert (way.precision, way.threads, torch.get_num_threads()) == (*best, best[1])
        assert fastest(network, "32")[1].precision == "32"
        assert fastest(network, "bf16")[1].precision == "bf16"
    finally:
        torch.set_num_threads(before)


def test_a_way_is_told() -> None:
    assert str(Way("bf16", 1, 0.02)) == "20.0 ms an image (bf16, 1 thread): 50 frames/s alone"
