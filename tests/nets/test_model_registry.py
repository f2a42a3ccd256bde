"""Names, overrides and their errors."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

import normfree
from normfree.nets import create_model, list_models, model_info, model_options
from normfree.nets.haiku_names import torch_name
from normfree.nets.registry import register


def test_importing_normfree_does_not_import_torch():
    code = "import sys, normfree; assert 'torch' not in sys.modules; assert 'create_model' in dir(normfree)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_public_names():
    assert normfree.create_model is create_model
    assert normfree.list_models is list_models
    assert {getattr(normfree, name) is not None for name in normfree.__all__} == {True}
    with pytest.raises(AttributeError, match="no attribute 'create_modle'"):
        normfree.create_modle  # noqa: B018


def test_families():
    assert "nfnet_f0" in list_models("nfnet")
    layers = ("101", "152", "20", "200", "50", "56")
    plain = [f"resnet{count}" for count in layers]
    assert list_models("resnet") == sorted([*plain, "resnet50_v1", "se_resnet50", "wrn_28_10"])
    families = {model_info(name).family for name in list_models()}
    assert families >= {"resnet", "nf_resnet", "nf_regnet", "nfnet", "bn_nfnet"}
    assert sorted(name for family in families for name in list_models(family)) == list_models()
    with pytest.raises(ValueError, match="unknown model family 'nfnets'; did you mean nfnet"):
        list_models("nfnets")


def test_information_without_building():
    info = model_info("nfnet_f1")
    assert (info.family, info.normalizer, info.train_size, info.test_size) == ("nfnet", "none", 224, 320)
    options = model_options("nfnet_f1")
    assert options["drop_rate"] == 0.3
    assert options["stochastic_depth_rate"] == 0.25
    for name in ("resnet20", "nf_resnet20", "nfnet_nano"):
        assert model_options(name)["drop_rate"] == model_options(name)["stochastic_depth_rate"] == 0


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("nf_resnet21", {}, "unknown model 'nf_resnet21'; did you mean nf_resnet20"),
        ("foo", {}, r"^unknown model 'foo'; choose one of (\S+, ){3}\S+ and \d+ others$"),
        (
            "resnet20",
            {"ghost_bach": 4},
            "override of resnet20 'ghost_bach'; did you mean ghost_batch",
        ),
        ("nf_resnet20", {"activation": "swish"}, "unknown activation 'swish'"),
        ("nf_resnet20", {"drop_rate": 1.0}, r"drop_rate=1.0: give a probability"),
        ("nf_resnet20", {"stochastic_depth_rate": -0.1}, r"stochastic_depth_rate=-0.1"),
        ("nf_resnet20", {"depth": [1, 2]}, r"depth=\[1, 2\] and width=\[16, 32, 64\]"),
        ("nf_resnet20", {"depth": [1, 0, 1]}, "need positive numbers"),
        ("nfnet_f0", {"depth": [1, 2, 6]}, r"depth=\[1, 2, 6\] and width=\[256, 512, 1536, 1536\] need one number"),
        ("nfnet_nano", {"standardization": "tim"}, "unknown standardization 'tim'; did you mean timm"),
        ("nfnet_nano", {"activation": "gelu_err"}, "unknown activation 'gelu_err'; did you mean gelu_erf"),
        ("nfnet_nano", {"width": [40, 64, 128]}, "width=40 is no multiple of group_size=16; give it width=32 or 64"),
        ("nfnet_nano", {"group_size": 0}, "group_size=0: give 1 or more"),
        ("nfnet_nano", {"group_size": 32}, "group_size=32 is more than half of a stage's width=32"),
        ("resnet20", {"num_classes": -1}, "num_classes=-1"),
    ],
)
def test_errors_are_one_line(name, overrides, message):
    with pytest.raises(ValueError, match=message) as error:
        create_model(name, **overrides)
    assert "\n" not in str(error.value)


def test_only_the_released_f4_plus_rounds_to_whole_groups():
    assert model_options("nfnet_f4_plus")["round_groups"]
    with torch.device("meta"):
        assert create_model("nfnet_f4_plus").blocks[0].conv1.groups == 1
        with pytest.raises(ValueError, match="half of a stage's width=384 is no multiple of group_size=128"):
            create_model("nfnet_f4_plus", round_groups=False)


def test_a_name_is_taken_once():
    with pytest.raises(ValueError, match="registered already"):
        register(model_info("resnet20"), lambda **_: None)


@pytest.mark.parametrize(
    ("haiku", "torch"),
    [
        ("NFNet/~/nf_block_1/~/conv1b/w", "blocks.1.conv1b.weight"),
        ("NFNet/~/nf_block/skip_gain", "blocks.0.skip_gain"),
        ("NFNet/~/nf_block/~/squeeze_excite/~/linear_1/b", "blocks.0.squeeze_excite.expand.bias"),
        ("NFNet/~/linear/w", "classifier.weight"),
        ("NFNet/~/stem_conv3/gain", "stem_convs.3.gain"),
        ("ResNet/~/final_bn/~/mean_ema/average", "final_bn.running_mean"),
        ("ResNet/~/res_block_v2_2/~/bn1/scale", "blocks.2.bn1.weight"),
    ],
)
def test_haiku_names(haiku, torch):
    assert torch_name(haiku) == torch


@pytest.mark.parametrize("name", ["w", "ResNet/~/final_bn/~/mean_ema/hidden"])
def test_haiku_names_without_a_counterpart(name):
    with pytest.raises(ValueError, match=r"(not a parameter|no counterpart)"):
        torch_name(name)
