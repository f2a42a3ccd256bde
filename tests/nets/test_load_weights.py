"""Weights come from files of every kind, and a file never does anything but give numbers."""

from __future__ import annotations

import io
import os
import pickle
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import normfree
from normfree.nets import create_model, load_weights, save_weights
from normfree.nets.haiku_names import from_haiku
from normfree.nets.weights import read_weights

RELEASED = Path(__file__).parents[1] / "golden" / "dm_nfnet_tiny_haiku.npz"
SHAPE = {"width": [16, 32, 48, 48], "depth": [1, 2, 3, 1], "group_size": 8}


def tiny_nfnet(num_classes=10, **overrides):
    return create_model("nfnet_f0", num_classes, **{**SHAPE, **overrides})


def equal(state, other):
    return state.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in state.items())


@pytest.fixture
def model():
    return create_model("nfnet_nano", 5, depth=[1, 1], width=[32, 32])


def message(model, path):
    """The one line that loading ends with; the model keeps its values."""
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ValueError, match=r"\S") as caught:
        load_weights(model, path)
    text = str(caught.value)
    assert "\n" not in text
    assert Path(path).name in text
    assert equal(before, model.state_dict())
    return text


# --- what is read ---


def test_a_released_file_gives_the_released_logits(nfnet_arrays):
    model = tiny_nfnet(drop_rate=0.0, stochastic_depth_rate=0.0)
    load_weights(model, RELEASED)
    assert equal(model.state_dict(), from_haiku(nfnet_arrays.under("param:")))
    model.double().eval()
    for size in ("32x32", "75x53"):
        expected = nfnet_arrays[f"out:{size}:logits"]
        with torch.no_grad():
            logits = model(nfnet_arrays.images(f"input:{size}"))
        assert float((logits - expected).abs().max() / expected.abs().max()) < 1e-10


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_arrays_pickled_by_numpy_are_read_too(tmp_path, protocol):
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    content = {"Net/~/linear": {"w": values, "b": np.asfortranarray(values.astype(np.float64))}}
    path = tmp_path / "weights.npz"
    path.write_bytes(pickle.dumps(content, protocol))
    if protocol in (3, 4):
        state, about = read_weights(path)
        assert about["kind"] == "released Haiku file"
        assert torch.equal(state["classifier.weight"], torch.from_numpy(values).t())
        assert torch.equal(state["classifier.bias"], torch.from_numpy(values).double())
    else:  # arrays as encoded text or by another function: not what was released
        with pytest.raises(ValueError, match="asks for"):
            read_weights(path)


def test_own_files_carry_their_architecture(tmp_path, model):
    path = tmp_path / "own.safetensors"
    overrides = {"depth": [1, 1], "width": [32, 32], "num_classes": 5}
    save_weights(model, path, architecture="nfnet_nano", overrides=overrides, provenance={"file": "a.ckpt"})
    assert [entry.name for entry in tmp_path.iterdir()] == ["own.safetensors"]
    other = create_model("nfnet_nano", 5, depth=[1, 1], width=[32, 32])
    load_weights(other, path)
    assert equal(other.state_dict(), model.state_dict())
    _, about = read_weights(path)
    assert about["architecture"] == "nfnet_nano"
    assert about["provenance"] == '{"file": "a.ckpt"}'
    assert "it holds nfnet_nano" in message(create_model("resnet20", 5), path)


@pytest.mark.parametrize("bare", [True, False])
def test_checkpoints_and_bare_state_dicts(tmp_path, model, bare):
    state = model.state_dict()
    content = {"state_dict": {f"network.{name}": value for name, value in state.items()}, "epoch": 3, "loops": {}}
    torch.save(state if bare else content, tmp_path / "last.ckpt")
    other = create_model("nfnet_nano", 5, depth=[1, 1], width=[32, 32]).double()
    load_weights(other, tmp_path / "last.ckpt")
    assert equal(other.float().state_dict(), state)


def test_batch_norms_come_with_their_averages(tmp_path):
    model, other = create_model("resnet20", 5), create_model("resnet20", 5)
    model(torch.randn(2, 3, 8, 8))
    save_weights(model, tmp_path / "w.safetensors", architecture="resnet20")
    load_weights(other, tmp_path / "w.safetensors")
    assert equal(other.state_dict(), model.state_dict())


# --- what does not fit ---


def test_a_wrong_variant_is_named():
    text = message(tiny_nfnet(depth=[1, 2, 4, 1]), RELEASED)
    assert "missing (blocks." in text
    assert len(text) < 800
    assert "left over (" in message(tiny_nfnet(depth=[1, 2, 2, 1]), RELEASED)
    assert "of another shape (" in message(tiny_nfnet(group_size=4), RELEASED)


def test_another_number_of_classes_offers_two_ways_out():
    model = tiny_nfnet(7)
    text = message(model, RELEASED)
    assert "10 classes and the model 7" in text
    assert "keep_head=True" in text
    head = model.classifier.weight.clone()
    load_weights(model, RELEASED, keep_head=True)
    assert torch.equal(model.classifier.weight, head)
    assert equal(model.blocks.state_dict(), loaded().blocks.state_dict())


def loaded():
    model = tiny_nfnet()
    load_weights(model, RELEASED)
    return model


# --- attacks ---


class Payload:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


def text(value):
    raw = value.encode()
    return b"\x8c" + bytes([len(raw)]) + raw


def array(shape, data, length=None):
    """An array as `dill` writes it, of the given claims."""
    make = b"cdill._dill\n_create_array\n(cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87"
    dtype = (
        b"cnumpy\ndtype\n"
        + text("f4")
        + b"\x89\x88\x87R(K\x03"
        + text("<")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    )
    size = b"".join(b"J" + struct.pack("<i", side) for side in shape)
    held = b"B" + struct.pack("<I", len(data) if length is None else length) + data
    return make + b"(K\x01(" + size + b"t" + dtype + b"\x89" + held + b"tNtR"


def weights(*items):
    """A file of one module with these named values, each given as its pickled bytes."""
    body = b"".join(text(name) + value for name, value in items)
    return b"\x80\x04}(" + text("NFNet/~/linear") + b"}(" + body + b"uu."


def test_the_attacks_start_from_a_file_that_is_read(tmp_path):
    path = tmp_path / "good.npz"
    path.write_bytes(weights(("b", array([2], struct.pack("<2f", 1, 2)))))
    assert read_weights(path)[0]["classifier.bias"].tolist() == [1, 2]


CREATE = b"cdill._dill\n_create_array\n"
ATTACKS = {
    "build_on_function": CREATE + b"}" + text("__setstate__") + CREATE + b"sb",
    "slots_on_class": b"cnumpy\nndarray\nN}" + text("__setstate__") + CREATE + b"s\x86b",
    "setstate_twice": array([1], b"\0\0\0\0") + b"}" + text("tensor") + b"K\x01sb",
    "create_array_calls_state": CREATE + b"(cnumpy\ndtype\n(" + text("f4") + b"t)NtR",
    "new_object": b"cnumpy\nndarray\n)\x81",
    "instance": b"(inumpy\nndarray\n",
    "extension": b"\x82\x01",
    "persistent": text("x") + b"Q",
    "object_dtype": b"cnumpy\ndtype\n" + text("O8") + b"\x89\x88\x87R",
    "dotted_name": b"\x8c\x05numpy\x8c\x10ndarray.__init__\x93",
    "builtins": b"cbuiltins\neval\n(" + text("1") + b"tR",
    "list": b"]",
    "stack_underflow": b"0000",
    "unknown_memo": b"h\x63",
    "unknown_opcode": b"\xff",
    "negative_side": array([-1, -4], b"\0" * 16),
    "ten_gigabytes_of_shape": array([50_000, 50_000], b"\0" * 16),
    "ten_gigabytes_of_bytes": array([2], b"\0" * 8, length=0xFFFFFFFF),
    "ten_gigabytes_of_bytes8": b"\x8e" + struct.pack("<Q", 10 << 30),
    "ten_gigabytes_of_text": b"\x8d" + struct.pack("<Q", 10 << 30),
    "ten_gigabytes_of_frame": b"\x95" + struct.pack("<Q", 10 << 30) + b"]",
}


@pytest.mark.parametrize("attack", sorted(ATTACKS))
def test_hostile_instructions_end_in_one_line(tmp_path, model, attack):
    path = tmp_path / "hostile.npz"
    path.write_bytes(weights(("w", ATTACKS[attack])))
    tracemalloc.start()
    try:
        assert "nothing was run" in message(model, path)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_command_is_not_run(tmp_path, model, nested, protocol):
    marker, path = tmp_path / "ran", tmp_path / "hostile.npz"
    payload = Payload(marker)
    path.write_bytes(pickle.dumps({"NFNet/~/linear": {"w": payload}} if nested else payload, protocol))
    message(model, path)
    assert not marker.exists()


def test_a_command_in_a_checkpoint_is_not_run(tmp_path, model):
    marker, path = tmp_path / "ran", tmp_path / "hostile.ckpt"
    torch.save({"state_dict": {"network.w": Payload(marker)}}, path)
    assert "nothing was run" in message(model, path)
    assert not marker.exists()


def test_one_array_under_many_names_stays_within_the_file(tmp_path, model):
    held = array([1000], b"\0" * 4000)
    copies = [(f"b{index}", b"h\x00") for index in range(50)]
    path = tmp_path / "hostile.npz"
    path.write_bytes(weights(("b", held + b"q\x00"), *copies))
    assert "more bytes than the file" in message(model, path)


@pytest.mark.parametrize("part", [0.0, 0.001, 0.3, 0.999999])
def test_a_truncated_file(tmp_path, part):
    whole, path = RELEASED.read_bytes(), tmp_path / "cut.npz"
    path.write_bytes(whole[: int(len(whole) * part)])
    message(tiny_nfnet(), path)


def test_truncated_checkpoints_and_own_files(tmp_path, model):
    save_weights(model, tmp_path / "w.safetensors", architecture="nfnet_nano")
    torch.save(model.state_dict(), tmp_path / "w.ckpt")
    for name in ("w.safetensors", "w.ckpt"):
        whole = (tmp_path / name).read_bytes()
        for length in (20, len(whole) // 2, len(whole) - 1):
            (tmp_path / name).write_bytes(whole[:length])
            message(model, tmp_path / name)


def test_other_archives_and_files(tmp_path, model):
    np.savez(tmp_path / "real.npz", a=np.zeros(3))
    assert "NumPy archive" in message(model, tmp_path / "real.npz")
    saved = io.BytesIO()
    torch.save(model.state_dict(), saved)
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(tmp_path / "z.ckpt", "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    assert "compressed" in message(model, tmp_path / "z.ckpt")
    (tmp_path / "notes.txt").write_text("some notes about weights")
    assert "neither safetensors" in message(model, tmp_path / "notes.txt")
    torch.save([1, 2], tmp_path / "list.ckpt")
    assert "no state dict" in message(model, tmp_path / "list.ckpt")
    torch.save({"state_dict": {"other.w": torch.zeros(1)}}, tmp_path / "other.ckpt")
    assert "1 left over (other.w)" in message(model, tmp_path / "other.ckpt")
    with pytest.raises(FileNotFoundError):
        load_weights(model, tmp_path / "absent")


def test_loading_is_public():
    assert normfree.load_weights is load_weights
    assert isinstance(loaded().classifier, nn.Linear)
