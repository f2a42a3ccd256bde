"""What lies in a file of weights, known without torch; the same weights have one digest however they are kept."""

import pickle
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from tests.conftest import ROOT

from normfree.config.weights import contents_of
from normfree.config.weights.inert_pickle import read_inert
from normfree.config.weights.source import AGAIN, CONFIG, FINAL, RESULT
from normfree.nets import create_model, read_weights, save_weights
from normfree.runs import RunDirectory
from normfree.runs.again import place_of
from normfree.runs.same_bits import WEIGHTS

GOLDEN = ROOT / "tests/golden/dm_nfnet_tiny_haiku.npz"


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return create_model("resnet20", num_classes=5)


def test_the_same_weights_have_one_digest_in_every_file(network: torch.nn.Module, tmp_path: Path) -> None:
    state = network.state_dict()
    save_weights(network, tmp_path / "own.safetensors", architecture="resnet20")
    torch.save(state, tmp_path / "bare.pt")
    torch.save({"state_dict": {f"network.{name}": value for name, value in state.items()}}, tmp_path / "run.ckpt")
    torch.save({"state_dict": {}, "ema": {"updates": 3, "weights": state}}, tmp_path / "ema.ckpt")
    parameters = {name: torch.nn.Parameter(one) if one.is_floating_point() else one for name, one in state.items()}
    torch.save(parameters, tmp_path / "parameters.pt")
    torch.save(network.to(memory_format=torch.channels_last).state_dict(), tmp_path / "last.pt")  # type: ignore[call-overload]
    everything = torch.arange(8.0).repeat(2)
    views = {"a": everything[3:7], "b": everything.view(4, 4).t(), "c": everything[0], "d": everything[:0]}
    torch.save(views, tmp_path / "views.pt")
    torch.save({name: value.clone() for name, value in views.items()}, tmp_path / "copies.pt")
    names = ("own.safetensors", "bare.pt", "run.ckpt", "parameters.pt", "last.pt")
    found = [contents_of(tmp_path / name) for name in names] + [contents_of(tmp_path / "ema.ckpt", "ema")]
    assert len({each.digest for each in found}) == 1
    assert found[0].shapes == {name: tuple(value.shape) for name, value in sorted(state.items())}
    assert found[0].classes == 5
    assert contents_of(tmp_path / "views.pt").digest == contents_of(tmp_path / "copies.pt").digest != found[0].digest


@pytest.mark.parametrize("change", ["number", "name", "type", "shape"])
def test_other_weights_have_another_digest(tmp_path: Path, change: str) -> None:
    state = {"a.weight": torch.arange(6.0), "b": torch.zeros(2)}
    torch.save(state, tmp_path / "one.pt")
    other = dict(state)
    if change == "number":
        other["a.weight"] = state["a.weight"].clone().index_fill_(0, torch.tensor([5]), 5.0000005)
    elif change == "name":
        other["c"] = other.pop("b")
    elif change == "type":
        other["b"] = torch.zeros(2, dtype=torch.int32)
    else:
        other["a.weight"] = state["a.weight"].view(2, 3)
    torch.save(other, tmp_path / "other.pt")
    assert contents_of(tmp_path / "one.pt").digest != contents_of(tmp_path / "other.pt").digest


def test_a_released_file_is_read_too() -> None:
    found = contents_of(GOLDEN)
    state, _ = read_weights(GOLDEN)
    assert len(found.shapes) == len(state)
    assert found.classes == len(state["classifier.weight"])


def test_torch_is_not_imported() -> None:
    code = (
        "import sys, pathlib; from normfree.config.weights import contents_of; "
        f"contents_of(pathlib.Path({str(GOLDEN)!r})); print('torch' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"


class Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("open('ran', 'w').close()",)


def test_nothing_in_a_file_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = read_inert(pickle.dumps({"a": Hostile()}))
    assert found["a"].name == "builtins.exec"
    torch.save({"weights": Hostile()}, tmp_path / "hostile.pt")
    with pytest.raises(ValueError, match="which is no plain tensor"):
        contents_of(tmp_path / "hostile.pt")
    assert not Path("ran").exists()


def test_a_damaged_file_is_a_value_error_or_another_digest(tmp_path: Path) -> None:
    """Wherever it is damaged: zipfile alone answers with six kinds of exception."""
    folder = tmp_path
    torch.save({"a": torch.arange(12.0).view(3, 4), "b": torch.ones(3)}, folder / "whole.pt")
    whole = (folder / "whole.pt").read_bytes()
    for start in range(0, len(whole), 2):
        cut = whole[:start]
        flipped = (
            cut + bytes(each ^ mask for each in whole[start : start + length]) + whole[start + length :]
            for length, mask in ((1, 0x01), (1, 0x5A), (2, 0xFF), (14, 0x5A), (60, 0x5A))
        )
        for content in (cut, *flipped):
            (folder / "damaged.pt").write_bytes(content)
            with suppress(ValueError):
                assert len(contents_of(folder / "damaged.pt").digest) == 64


@pytest.mark.parametrize(
    ("content", "kind", "why"),
    [
        (b"", "raw", "is empty"),
        (b"some words", "raw", "is neither safetensors, nor a checkpoint"),
        (b"some words", "ema", "has one set of weights, and no ema"),
        (b"\xff" * 8 + b"{", "raw", "is a damaged safetensors file"),
        ((14).to_bytes(8, "little") + b'{"a": {"b":1}}', "raw", "is a damaged safetensors file"),
        (b"\x80\x04nonsense", "raw", "cannot be read"),
        (b"PK\x03\x04nonsense", "raw", "is a damaged checkpoint"),
    ],
)
def test_what_is_no_file_of_weights_is_told(tmp_path: Path, content: bytes, kind: str, why: str) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ValueError, match=why):
        contents_of(tmp_path / "file", kind)


def test_a_checkpoint_without_an_average_says_so(tmp_path: Path) -> None:
    torch.save({"state_dict": {"network.a": torch.ones(2)}}, tmp_path / "run.ckpt")
    with pytest.raises(ValueError, match=r"keeps no moving average.*optimizer\.ema_decay"):
        contents_of(tmp_path / "run.ckpt", "ema")
    torch.save({"optimizer": {}}, tmp_path / "none.ckpt")
    with pytest.raises(ValueError, match="no plain tensor"):
        contents_of(tmp_path / "none.ckpt")


def test_a_run_directory_has_the_names_that_are_looked_for(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    assert (tmp_path / CONFIG, tmp_path / RESULT) == (run.config, run.result)
    assert tmp_path / FINAL == run.checkpoints / WEIGHTS
    assert place_of(f"run-0123abcd{AGAIN}2") == ("run-0123abcd", 2)
