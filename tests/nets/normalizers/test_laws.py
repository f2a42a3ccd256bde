"""What holds for every normaliser in every network that takes one."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from normfree.clip import clip_grad_agc_
from normfree.nets import (
    ClassifierNetwork,
    count_parameters,
    create_model,
    fold,
    list_models,
    model_options,
    norm_batch,
)
from normfree.nets.activations import activation
from normfree.nets.normalizers import list_normalizers, normalization, normalizer
from normfree.optim import parameter_groups

ALL = list_normalizers()
NETWORKS = ("resnet20", "resnet50_v1", "se_resnet50", "bn_nfnet_nano")


def build(name: str, network: str = "resnet20", dtype: torch.dtype = torch.float64) -> ClassifierNetwork:
    """A narrow network whose every parameter matters."""
    torch.manual_seed(1)
    stages = len(model_options(network)["depth"])
    narrow = {"group_size": 8} if "group_size" in model_options(network) else {}
    made = create_model(network, 5, normalizer=name, depth=[1] * stages, width=[16, 32, 32, 32][:stages], **narrow)
    for parameter in made.parameters():
        if parameter.ndim < 2:
            nn.init.uniform_(parameter, 0.3, 0.9)
    nn.init.normal_(made.classifier.weight)
    return made.to(dtype)


def images(count: int = 4, size: int = 32, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(2)).to(dtype)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("name", ALL)
def test_shapes_gradients_and_what_a_network_says(name: str, network: str) -> None:
    made = build(name, network)
    assert made.normalizer == name
    logits = made(images())
    assert logits.shape == (4, 5)
    logits.square().sum().backward()
    # Maps of one pixel hold nothing but biases after InstanceNorm.
    for key, parameter in made.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key


def test_every_network_with_batchnorm_takes_all() -> None:
    takes = {model for model in list_models() if "normalizer" in model_options(model)}
    assert takes == {*list_models("resnet"), *list_models("bn_nfnet")}


@pytest.mark.parametrize("name", ALL)
def test_an_image_depends_on_its_batch_as_declared(name: str) -> None:
    made, x = build(name).train(), images(6)
    with torch.no_grad():
        together = made(x)
        alone = torch.cat([made(torch.stack([image, image]))[:1] for image in x])
    difference = float((together - alone).abs().max() / together.abs().max())
    assert (difference > 1e-3) if normalizer(name).sees == "batch" else (difference <= 1e-12)
    assert norm_batch(made, 6) == (6 if normalizer(name).sees == "batch" else None)


@pytest.mark.parametrize("name", ALL)
def test_accumulation_is_the_big_batch_where_no_batch_is_seen(name: str) -> None:
    x, labels = images(8, 16), torch.arange(8) % 5
    gradients = []
    for parts in (1, 4):
        made = build(name).train()
        for part, target in zip(x.chunk(parts), labels.chunk(parts), strict=True):
            (F.cross_entropy(made(part), target) / parts).backward()
        gradients.append(torch.cat([parameter.grad.flatten() for parameter in made.parameters()]))
    difference = float((gradients[0] - gradients[1]).abs().max() / gradients[0].abs().max())
    assert (difference > 1e-3) if normalizer(name).sees == "batch" else (difference <= 1e-12)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("name", ALL)
def test_it_folds_or_is_refused(name: str, network: str) -> None:
    made = build(name, network).eval()
    if not normalizer(name).folds:
        with pytest.raises(ValueError, match=f"normalizer={name}: does not fold"):
            fold(made)
        return
    folded = fold(made)
    with torch.no_grad():
        torch.testing.assert_close(folded(images(2)), made(images(2)), rtol=1e-11, atol=1e-11)
    assert not any(parameter.requires_grad for parameter in folded.parameters())


@pytest.mark.parametrize("name", ALL)
def test_half_precision_and_layout(name: str) -> None:
    made = build(name, dtype=torch.float32).train()
    x = images(4, 16, torch.float32)
    expected = copy.deepcopy(made)(x)
    turned = copy.deepcopy(made).to(memory_format=torch.channels_last)
    last = turned(x.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(last, expected, rtol=1e-3, atol=1e-3 * float(expected.detach().abs().max()))
    with torch.autocast("cpu", torch.bfloat16):
        mixed = made(x)
    assert mixed.dtype == torch.bfloat16
    error = (mixed.detach().float() - expected.detach()).norm() / expected.detach().norm()
    assert float(error) < 0.15
    mixed.float().square().sum().backward()
    assert all(parameter.grad.dtype == torch.float32 for parameter in made.parameters())
    assert made.bfloat16()(x.bfloat16()).dtype == torch.bfloat16


@pytest.mark.parametrize("name", ALL)
def test_a_layer_keeps_type_and_layout(name: str) -> None:
    layer = normalization(name).layer(16, activation("relu"))
    for dtype in (torch.float32, torch.bfloat16):
        for layout in (torch.contiguous_format, torch.channels_last):
            y = layer(torch.randn(2, 16, 4, 6).to(dtype, memory_format=layout))
            assert y.shape == (2, 16, 4, 6)
            assert y.is_contiguous(memory_format=layout), (name, dtype, layout)
            assert y.dtype == dtype or layer.weight.dtype != dtype


@pytest.mark.parametrize("name", ALL)
def test_gains_and_biases_are_not_decayed_and_are_one_unit_each(name: str) -> None:
    made = build(name)
    (decayed,) = (group["params"] for group in parameter_groups(made, 1.0) if group["weight_decay"] > 0)
    assert all(parameter.ndim > 1 for parameter in decayed)
    own = [
        p for key, p in made.named_parameters() if ".bn" in f".{key}" or "residual" in key or key.startswith("final_bn")
    ]
    assert not {id(p) for p in own} & {id(p) for p in decayed}
    made(images()).square().sum().backward()
    clip_grad_agc_(list(made.parameters()), 1e-6)
    for parameter in own:
        assert float(parameter.grad.norm()) <= 1.0001e-6 * max(float(parameter.detach().norm()), 1e-3)


COUNTS = {
    "batchnorm": 2, "groupnorm": 2, "groupnorm_ws": 2, "layernorm": 2, "instancenorm": 2, "frn": 3, "evonorm_s0": 3,
    "evonorm_b0": 3, "dyt": 2, "derf": 2, "none": 0, "rezero": 0, "skipinit": 1, "rescale": 1, "fixup": 0,
}  # fmt: skip
"""Learnable numbers a channel of a place; of a normaliser that is not here none are counted."""
A_PLACE = {"dyt": 1, "derf": 2, "fixup": 2}
A_BLOCK = {"skipinit": 1, "rezero": 1, "rescale": 1, "fixup": 2}


@pytest.mark.parametrize("name", COUNTS)
def test_parameters_are_those_of_the_formulas(name: str) -> None:
    made, bare = create_model("resnet20", 10, normalizer=name), create_model("resnet20", 10, normalizer="none")
    # Before and between the convolutions of nine blocks, and the last.
    channels = 16 * 7 + 32 * 6 + 64 * 6
    added = COUNTS[name] * channels + A_PLACE.get(name, 0) * 19 + A_BLOCK.get(name, 0) * 9
    assert count_parameters(made) - count_parameters(bare) == added


@pytest.mark.parametrize("name", ALL)
def test_it_is_one_graph(name: str) -> None:
    made = build(name, dtype=torch.float32).train()
    x = images(4, 8, torch.float32)
    expected = copy.deepcopy(made)(x)
    torch._dynamo.reset()
    compiled = torch.compile(made, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ALL)
def test_it_is_exported(name: str) -> None:
    made, x = build(name, dtype=torch.float32).eval(), images(2, 16, torch.float32)
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(made, (x,), dynamic_shapes=({0: batch},))
    torch.testing.assert_close(program.module()(images(3, 16, torch.float32)), made(images(3, 16, torch.float32)))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"normalizer": "grupnorm"}, "unknown normalizer 'grupnorm'; did you mean groupnorm"),
        ({"normalizer": "groupnorm", "groups": 5}, "groups=5: does not divide 16 channels of the network; use 4 or 8"),
        ({"normalizer": "groupnorm", "groups": 4, "channels_per_group": 4}, "give one; the other follows"),
        ({"normalizer": "frn", "activation": "silu"}, "activation=silu: FRN with TLU is the nonlinearity too"),
        ({"normalizer": "evonorm_b0", "ghost_batch": 2}, "ghost_batch=2: of BatchNorm alone, and EvoNorm-B0 sees"),
        ({"normalizer": "groupnorm", "ghost_batch": 2}, "and GroupNorm sees a sample by itself; leave it out"),
        ({"groups": 4}, "groups=4: no option of batchnorm but of "),
    ],
)
def test_what_does_not_fit_is_one_line(words: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=r".") as refusal:
        create_model("resnet20", **words)
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_network_that_takes_no_other_says_so() -> None:
    with pytest.raises(
        ValueError, match="nf_resnet20 has none and takes no other; choose a network that does, such as r"
    ):
        create_model("nf_resnet20", normalizer="groupnorm")
    assert create_model("nf_resnet20", normalizer="none").normalizer == "none"
