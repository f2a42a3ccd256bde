"""Checkpoints with a checksum: any zip reader takes them, and no flipped bit passes."""

import io
import random
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from normfree.nets import create_model, load_weights, save_weights
from normfree.nets.weights import read_weights
from normfree.nets.weights.seal import check_seal, write_sealed

FLIPS = 300


def saved() -> io.BytesIO:
    content = io.BytesIO()
    torch.save({"state_dict": {"network.weight": torch.arange(500.0)}, "global_step": 7}, content)
    return content


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    write_sealed(tmp_path / "new.ckpt", saved().getbuffer())
    return tmp_path / "new.ckpt"


def flip(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def test_others_read_it(sealed: Path) -> None:
    check_seal(sealed)
    for mapped in (False, True):
        state = torch.load(sealed, weights_only=True, mmap=mapped)["state_dict"]
        assert torch.equal(state["network.weight"], torch.arange(500.0))
    with zipfile.ZipFile(sealed) as archive:
        assert archive.testzip() is None
        assert archive.comment.startswith(b"normfree sha256 ")
    assert subprocess.run([sys.executable, "-m", "zipfile", "-t", sealed], capture_output=True).returncode == 0


def test_every_flipped_bit_is_found(sealed: Path) -> None:
    """At random places, and each of those of the end, where the checksum is."""
    chosen = random.Random(0)
    size = 8 * sealed.stat().st_size
    for bit in [chosen.randrange(size) for _ in range(FLIPS)] + list(range(size - 8 * 102, size)):
        flip(sealed, bit)
        with pytest.raises(ValueError, match=r"new\.ckpt: (a )?damaged"):
            check_seal(sealed)
        flip(sealed, bit)
    check_seal(sealed)


def test_every_length_but_the_whole_is_found(sealed: Path) -> None:
    whole = sealed.read_bytes()
    for length in [*range(0, len(whole), 37), *range(len(whole) - 110, len(whole))]:
        sealed.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="damaged"):
            check_seal(sealed)
    sealed.write_bytes(whole + b"\0")
    with pytest.raises(ValueError, match="damaged"):
        check_seal(sealed)


def test_files_of_others_are_checked_by_the_checksums_of_their_parts(tmp_path: Path) -> None:
    """Flipped bits are found or change nothing that is read: an archive has room that nobody looks at."""
    path = tmp_path / "old.ckpt"
    path.write_bytes(saved().getvalue())
    check_seal(path)
    chosen, found = random.Random(1), 0
    for _ in range(FLIPS):
        bit = chosen.randrange(8 * path.stat().st_size)
        flip(path, bit)
        try:
            check_seal(path)
            content = torch.load(path, weights_only=True)
            assert torch.equal(content["state_dict"]["network.weight"], torch.arange(500.0))
            assert content["global_step"] == 7
        except (ValueError, RuntimeError):
            found += 1
        flip(path, bit)
    assert found > FLIPS / 2


@pytest.mark.parametrize("sealed_too", [True, False])
def test_weights_of_a_damaged_file_are_not_loaded(tmp_path: Path, sealed_too: bool) -> None:
    network = create_model("resnet20", 10)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    path, content = tmp_path / "final.ckpt", io.BytesIO()
    torch.save({"state_dict": {f"network.{name}": value + 1 for name, value in before.items()}}, content)
    if sealed_too:
        write_sealed(path, content.getbuffer())
    else:
        path.write_bytes(content.getvalue())
    whole = path.read_bytes()
    at = whole.index(next(iter(before.values())).add(1).numpy().tobytes())
    flip(path, 8 * at + 5)
    with pytest.raises(ValueError, match=r"final\.ckpt: damaged"):
        load_weights(network, path)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    path.write_bytes(whole)
    load_weights(network, path)
    assert all(torch.equal(value, before[name] + 1) for name, value in network.state_dict().items())


def test_a_flipped_bit_of_a_converted_file_is_found_or_without_effect(tmp_path: Path) -> None:
    network, path = create_model("nfnet_nano", 10, width=[16, 16, 16], group_size=8), tmp_path / "weights.safetensors"
    save_weights(network, path, architecture="nfnet_nano", provenance={"file": "final.ckpt"})
    before = {name: value.clone() for name, value in network.state_dict().items()}
    _, about = read_weights(path)
    chosen, found = random.Random(2), 0
    header = 8 * int.from_bytes(path.read_bytes()[:8], "little")
    for bit in [chosen.randrange(8 * path.stat().st_size) for _ in range(60)] + [
        chosen.randrange(64, header) for _ in range(60)
    ]:
        flip(path, bit)
        try:
            state, now = read_weights(path)
            assert now == about
            assert all(torch.equal(value, before[name]) for name, value in state.items())
        except ValueError:
            found += 1
        flip(path, bit)
    assert found > 100
