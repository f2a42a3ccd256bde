"""Parameters, multiply-adds and names of the published networks, without building them in memory."""

from __future__ import annotations

import pytest
import torch

from normfree.nets import (
    count_macs,
    count_parameters,
    create_model,
    estimate_activation_bytes,
    list_models,
    model_info,
)
from normfree.nets.haiku_names import torch_name

VARIANTS = {f"nfnet_f{level}": f"F{level}" for level in range(8)}
VARIANTS["nfnet_f4_plus"] = "F4+"
VARIANTS |= {f"nf_resnet{layers}": f"NF-ResNet{layers}" for layers in (50, 101, 152, 200, 288)}
VARIANTS |= {f"nf_regnet_b{level}": f"NF-RegNet-B{level}" for level in range(6)}
VARIANTS |= {f"resnet{layers}": f"BN-ResNet{layers}" for layers in (50, 101, 152, 200)}


def meta(name, *args, **overrides):
    with torch.device("meta"):
        return create_model(name, *args, **overrides)


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_published_parameter_counts(golden_file, name):
    parameters = golden_file("dm_variants.json")[VARIANTS[name]]["params"]
    assert count_parameters(meta(name)) == parameters == model_info(name).parameters


def test_the_gates_of_nf_se_resnet50(golden_file):
    """Two linears a block, of C to C / 4 and back: the released code's gates in an NF-ResNet-50."""
    plain = golden_file("dm_variants.json")["NF-ResNet50"]["params"]
    blocks = ((3, 256), (4, 512), (6, 1024), (3, 2048))
    gates = sum(count * (2 * width * (width // 4) + width // 4 + width) for count, width in blocks)
    assert count_parameters(meta("nf_se_resnet50", se_ratio=0.25)) == plain + gates == 35_635_704


@pytest.mark.parametrize("name", ["nfnet_f0", "nfnet_f1", "nfnet_f2"])
def test_published_flops(golden_file, name):
    row, info, model = golden_file("dm_variants.json")[VARIANTS[name]], model_info(name), meta(name)
    assert count_macs(model, info.train_size) == row["flops_train"]
    assert count_macs(model, info.test_size) == row["flops_test"]


def test_macs_of_f0_are_the_papers():
    model = meta("nfnet_f0")
    assert count_macs(model, 192) == 6_977_003_520
    assert count_macs(model, 256) == 12_384_198_656


@pytest.mark.parametrize(
    ("name", "manifest"), [("nfnet_f0", "F0"), ("nf_resnet50", "NF-ResNet50"), ("resnet50", "BN-ResNet50")]
)
def test_names_and_shapes_of_released_checkpoints(golden_file, name, manifest):
    wanted = {}
    for haiku_name, shape in golden_file(f"dm_{manifest}_manifest.json").items():
        if haiku_name.endswith("/w"):
            shape = [*reversed(shape)] if len(shape) == 2 else [shape[3], shape[2], shape[0], shape[1]]
        elif haiku_name.endswith(("scale", "offset")):
            shape = shape[-1:]
        wanted[torch_name(haiku_name)] = tuple(shape)
    assert {name: tuple(p.shape) for name, p in meta(name).named_parameters()} == wanted


def test_counting_leaves_the_model_alone():
    model = create_model("nf_resnet20", 10)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    count_macs(model, 16)
    estimate_activation_bytes(model, 16)
    assert model.training
    assert all(not module._forward_hooks for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("name", ["resnet20", "nf_resnet20", "nfnet_nano"])
def test_activation_bytes_are_what_autograd_keeps(name):
    overrides = {"ghost_batch": 3} if name == "resnet20" else {}
    model = create_model(name, 10, **overrides)
    parameters = {p.untyped_storage().data_ptr() for p in model.parameters()}
    sizes = []
    for batch in (6, 12):
        storages = {}

        def pack(tensor, storages=storages):
            storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
            return tensor

        if name == "resnet20":
            for module in model.modules():
                if hasattr(module, "ghost_batch"):
                    module.ghost_batch = None
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            model(torch.randn(batch, 3, 16, 16))
        sizes.append(sum(s.nbytes() for address, s in storages.items() if address not in parameters))
    assert estimate_activation_bytes(model, 16) == pytest.approx((sizes[1] - sizes[0]) / 6, rel=0.01)


def test_a_batch_norm_network_keeps_more_than_its_twin():
    names = ("resnet50", "nf_resnet50")
    batch_norm, norm_free = (estimate_activation_bytes(meta(name), 64) for name in names)
    assert batch_norm > norm_free


@pytest.mark.parametrize("name", [n for n in list_models() if model_info(n).normalizer == "batchnorm"])
def test_twins_share_every_convolution(name):
    info = model_info(name)
    if info.twin is None:
        assert name == "resnet50_v1" or info.family == "efficientnet"
        return
    assert model_info(info.twin).twin == name
    convolutions = [
        {key: tuple(p.shape) for key, p in meta(twin).named_parameters() if p.ndim == 4} for twin in (name, info.twin)
    ]
    assert convolutions[0] == convolutions[1]
    assert count_macs(meta(name), 32) == count_macs(meta(info.twin), 32)
