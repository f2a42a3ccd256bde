"""The converter: any weight file in, safetensors out, one line when it cannot."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from normfree.nets import create_model, load_weights
from normfree.nets.convert import main
from normfree.nets.weights import read_weights

RELEASED = Path(__file__).parents[1] / "golden" / "dm_nfnet_tiny_haiku.npz"
TINY = ["model=nfnet_f0", "num_classes=10", "width=[16,32,48,48]", "depth=[1,2,3,1]", "group_size=8"]


def test_a_released_file_becomes_safetensors(tmp_path, capsys):
    out = tmp_path / "tiny.safetensors"
    assert main([str(RELEASED), str(out), *TINY]) == 0
    assert capsys.readouterr().out.strip().endswith("tensors of nfnet_f0")
    state, about = read_weights(out)
    expected, _ = read_weights(RELEASED)
    assert state.keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in state.items())
    assert json.loads(about["provenance"])["kind"] == "released Haiku file"
    assert len(json.loads(about["provenance"])["sha256"]) == 64
    rebuilt = create_model(about["architecture"], **json.loads(about["overrides"]))
    load_weights(rebuilt, out)
    assert main([str(out), str(tmp_path / "again.safetensors"), *TINY]) == 0


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        (["model=nfnet_f00"], "did you mean"),
        (["num_classes=10"], "model=NAME"),
        (["nfnet_f0"], "key=value"),
        ([*TINY[:-1], "group_size=4"], "of another shape"),
        ([*TINY, "colour=red"], "unknown override"),
        ([*TINY, "depth=deep"], "depth"),
        ([*TINY, "num_classes=7"], "10 classes and the model 7"),
    ],
)
def test_what_cannot_be_converted_is_one_line(tmp_path, capsys, settings, part):
    out = tmp_path / "out.safetensors"
    assert main([str(RELEASED), str(out), *settings]) == 2
    error = capsys.readouterr().err
    assert part in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_missing_files_and_folders_are_one_line(tmp_path, capsys):
    assert main([str(tmp_path / "absent"), str(tmp_path / "o"), *TINY]) == 2
    assert main([str(tmp_path), str(tmp_path / "o"), *TINY]) == 2
    assert main([str(RELEASED), str(tmp_path / "no" / "o"), *TINY]) == 2
    assert capsys.readouterr().err.count("\n") == 3


def test_help_in_a_process_of_its_own():
    command = [sys.executable, "-W", "error::RuntimeWarning", "-m", "normfree.nets.convert", "--help"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "model=nfnet_f0" in answer.stdout
