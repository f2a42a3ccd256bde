"""timm's dm_nfnet: its function under the two options, its names and files, and what is refused."""

from __future__ import annotations

import json

import pytest
import timm
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from timm.models.nfnet import NfCfg, NormFreeNet
from torch import nn

from normfree.nets import create_model, fold, load_weights
from normfree.nets.convert import main
from normfree.nets.timm_names import from_timm, is_timm
from normfree.nets.weight_standardization import standardize_weight
from normfree.nets.weights import read_weights

OPTIONS = {"activation": "gelu_erf", "standardization": "timm"}
SHAPE = {"depth": [1, 2, 3, 1], "width": [16, 32, 48, 48], "stem_hidden": [2, 4, 8], "stem_width": 16, "group_size": 8}


def tiny(**overrides):
    given = {**SHAPE, **OPTIONS, "drop_rate": 0.0, "stochastic_depth_rate": 0.0, **overrides}
    return create_model("nfnet_f0", **{"num_classes": 10, **given}).double()


def tiny_of_timm():
    """The network of the golden file, built by timm itself, with values under which every path matters."""
    gates = {"rd_ratio": 0.5, "rd_divisor": 1}
    cfg = NfCfg(
        depths=(1, 2, 3, 1), channels=(16, 32, 48, 48), stem_type="deep_quad", stem_chs=16, group_size=8,
        bottle_ratio=0.5, extra_conv=True, gamma_in_act=True, same_padding=True, skipinit=True, num_features=96,
        ch_div=1, act_layer="gelu", attn_layer="se", attn_kwargs=gates,
    )  # fmt: skip
    return disturbed(NormFreeNet(cfg, num_classes=10).double().eval())


def disturbed(model):
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim < 2 or name.endswith("gain"):
                parameter.add_(torch.randn_like(parameter) * 0.2 + 0.1)
    return model


def relative(got, expected):
    return float((got.detach() - expected).abs().max() / expected.abs().max().clamp(min=1e-300))


@pytest.fixture
def arrays(golden_file):
    return golden_file("timm_dm_nfnet_tiny.npz")


@pytest.fixture
def model(arrays):
    network = tiny().eval()
    network.load_state_dict({name: value.double() for name, value in from_timm(arrays.under("param:")).items()})
    return network


# --- the function ---


@pytest.mark.parametrize("size", ["32x32", "75x53"])
def test_golden_logits(model, arrays, size):
    x, expected = arrays[f"input:{size}"].double(), arrays[f"out:{size}:logits"]
    assert relative(model(x), expected) < 1e-10
    assert relative(fold(model)(x), expected) < 1e-10
    for option in OPTIONS:
        released = tiny(**{option: {"activation": "gelu", "standardization": "deepmind"}[option]}).eval()
        released.load_state_dict(model.state_dict())
        assert relative(released(x), expected) > 1e-6, option


def test_golden_gradients(model, arrays):
    loss = F.cross_entropy(model(arrays["input:32x32"].double()), arrays["labels"], label_smoothing=0.1)
    loss.backward()
    assert loss.item() == pytest.approx(float(arrays["loss_ls0.1"]), rel=1e-12)
    expected = from_timm(arrays.under("grad:"))
    assert set(expected) == {name for name, _ in model.named_parameters()}
    for name, parameter in model.named_parameters():
        assert relative(parameter.grad, expected[name]) < 1e-10, name


@pytest.mark.parametrize("size", [(40, 40), (33, 47)])
def test_live_timm(size):
    theirs, ours = tiny_of_timm(), tiny().eval()
    ours.load_state_dict(from_timm(theirs.state_dict()))
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    assert relative(ours(x), theirs(x).detach()) < 1e-10


def test_compiled_and_in_half_precision(model, arrays):
    x = arrays["input:32x32"].double()
    torch.compiler.reset()  # other tests have compiled NFNets, and their number is limited
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), model(x))
    assert fold(model.bfloat16())(x.bfloat16()).dtype == torch.bfloat16


def test_the_derivative_and_what_has_no_variance():
    weight = torch.randn(4, 3, 3, 3, dtype=torch.float64)
    weight[1] = 0.3
    gain = torch.rand(4, dtype=torch.float64) + 0.5
    inputs = (weight.requires_grad_(), gain.requires_grad_(), 1.7, "timm")
    assert torch.autograd.gradcheck(standardize_weight, inputs)
    single = torch.randn(4, 1, 1, 1, requires_grad=True)
    standardized = standardize_weight(single, torch.ones(4), 1.0, "timm")
    standardized.sum().backward()
    assert (standardized == 0).all()
    assert (single.grad == 0).all()


# --- the files ---


def save(state, path, nested=False):
    if path.suffix == ".safetensors":
        save_file({name: value.contiguous() for name, value in state.items()}, path, {"format": "pt"})
    else:
        torch.save({"state_dict": state, "epoch": 3} if nested else state, path)
    return path


@pytest.fixture(scope="module")
def f0():
    torch.manual_seed(0)
    return disturbed(timm.create_model("dm_nfnet_f0").eval())


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "last.pth"])
def test_f0_has_timms_logits(tmp_path, f0, name):
    path = save(f0.state_dict(), tmp_path / name, nested=name == "last.pth")
    ours = create_model("nfnet_f0", **OPTIONS).eval()
    load_weights(ours, path)
    x = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        expected = f0.double()(x)
        f0.float()
        assert relative(ours.double()(x), expected) < 1e-10
    assert read_weights(path)[1]["kind"].endswith("of timm's dm_nfnet")


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_conversion(tmp_path, suffix, capsys):
    theirs = tiny_of_timm().float()
    source, target = save(theirs.state_dict(), tmp_path / f"timm.{suffix}"), tmp_path / "ours.safetensors"
    settings = {**SHAPE, **OPTIONS, "num_classes": 10}
    typed = [f"{key}={value}".replace(" ", "") for key, value in settings.items()]
    assert main([str(source), str(target), "model=nfnet_f0", *typed]) == 0
    _, about = read_weights(target)
    assert json.loads(about["overrides"]) == settings
    assert "timm" in json.loads(about["provenance"])["kind"]
    ours = create_model("nfnet_f0", **json.loads(about["overrides"])).double().eval()
    load_weights(ours, target)
    x = torch.randn(1, 3, 32, 32, dtype=torch.float64)
    assert relative(ours(x), theirs.double()(x).detach()) < 1e-10


def test_another_number_of_classes(tmp_path):
    path = save(tiny_of_timm().state_dict(), tmp_path / "timm.pth")
    assert "10 classes and the model 7" in refused(tiny(num_classes=7), path)
    ours = tiny(num_classes=7)
    load_weights(ours, path, keep_head=True)
    assert ours.classifier.out_features == 7
    load_weights(tiny(num_classes=0), save(headless(), tmp_path / "headless.pth"))


def headless():
    return {name: value for name, value in tiny_of_timm().state_dict().items() if not name.startswith("head.")}


# --- what is refused ---


def refused(model, path):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ValueError, match=r"\S") as caught:
        load_weights(model, path)
    text = str(caught.value)
    assert "\n" not in text
    assert path.name in text
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    return text


def hollow(name):
    """timm's state dict for `name`, of single zeros: the names decide."""
    with torch.device("meta"):
        names = timm.create_model(name).state_dict()
    return {key: torch.zeros(1) for key in names}


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("nf_resnet50", "timm's nf_resnet compute another function than the network here: it has no skip gains"),
        ("nf_ecaresnet50", "its shortcut is an average-pool"),
        ("nf_regnet_b0", "timm's nf_regnet compute another function"),
        ("nfnet_f0", "timm's nfnet or eca_nfnet compute another function"),
        ("eca_nfnet_l0", "timm's dm_nfnet can be read"),
        ("resnet50", "timm's or torchvision's resnet compute another function"),
        ("resnetv2_50", "its padding is symmetric"),
    ],
)
@pytest.mark.parametrize("file", ["w.safetensors", "w.pth"])
def test_other_families_are_refused_with_the_reason(tmp_path, name, part, file):
    state = hollow(name)
    assert is_timm(state)
    assert part in refused(create_model("nfnet_nano"), save(state, tmp_path / file, nested=True))


def test_networks_of_this_package_are_not_taken_for_timms():
    for name in ("resnet20", "resnet50", "nf_resnet50", "nfnet_nano", "bn_nfnet_nano"):
        with torch.device("meta"):
            assert not is_timm(create_model(name).state_dict())


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_truncated_and_corrupted_files(tmp_path, suffix):
    path = save(tiny_of_timm().state_dict(), tmp_path / f"timm.{suffix}")
    whole = path.read_bytes()
    for length in (20, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        refused(tiny(), path)
    if suffix == "safetensors":
        path.write_bytes((10 << 30).to_bytes(8, "little") + whole[8:])
        refused(tiny(), path)
        path.write_bytes(whole.replace(b'"data_offsets":[0,', b'"data_offsets":[9,', 1))
        refused(tiny(), path)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"stages.0.0.conv9.weight": (3,)}, "1 left over (stages.0.0.conv9.weight)"),
        ({"stages.0.0.strange": (3,)}, "1 left over (stages.0.0.strange)"),
        ({"stages.0.99999999.conv1.weight": (3,)}, "1 left over (stages.0.99999999.conv1.weight)"),
        ({"stages.3.1.conv1.weight": (3,)}, "1 left over (blocks.7.conv0.weight)"),
        ({"final_conv.gain": (48, 2, 1, 1)}, "final_conv.gain [48, 2, 1, 1] for [96]"),
        ({"stages.0.0.attn_last.fc1.weight": (8, 16, 3, 3)}, "squeeze_excite.reduce.weight [8, 16, 3, 3] for [8, 16]"),
        ({"final_conv.gain": None}, "1 missing (final_conv.gain)"),
        ({"classifier.bias": (10,)}, "two names of timm's dm_nfnet mean the same weight"),
    ],
)
def test_names_and_shapes_that_do_not_fit(tmp_path, change, part):
    state = dict(tiny_of_timm().state_dict())
    for name, shape in change.items():
        state.pop(name, None)
        if shape is not None:
            state[name] = torch.zeros(shape)
    assert part in refused(tiny(), save(state, tmp_path / "changed.pth"))


def test_the_standard_rule_is_the_default():
    network = create_model("nfnet_nano")
    standardizations = {module.standardization for module in network.modules() if hasattr(module, "standardization")}
    assert standardizations == {"deepmind"}
    assert isinstance(network.classifier, nn.Linear)
