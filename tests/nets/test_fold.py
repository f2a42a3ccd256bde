"""A folded network is the same function, for evaluation only."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

import normfree
from normfree.nets import WSConv2d, count_parameters, create_model, fold, list_models, model_options, skip_gains

SIZES = [(32, 32), (33, 47)]


def small(name):
    """The network `name` with narrow stages, and values under which every path matters."""
    options = model_options(name)
    stages = len(options["width"])
    overrides = {"width": [16, 32, 48, 64][:stages], "depth": [1, 2, 1, 1][:stages]}
    overrides |= {key: value for key, value in {"group_size": 8, "stem_width": 8}.items() if key in options}
    try:
        model = create_model(name, 10, **overrides)
    except ValueError:  # a family with widths of its own
        model = create_model(name, 10, depth=[1] * stages)
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        if parameter.ndim < 2:
            nn.init.uniform_(parameter, 0.3, 0.9, generator=generator)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, generator=generator)
            nn.init.uniform_(module.running_var, 0.5, 2, generator=generator)
    if isinstance(model.classifier, nn.Linear):
        nn.init.normal_(model.classifier.weight, generator=generator)
    return model.eval()


def shapes():
    """One name for each kind of network: depth and width alone are overridden."""
    kinds = {}
    for name in list_models():
        options = model_options(name)
        if {"depth", "width"} <= set(options):
            rest = {key: str(value) for key, value in options.items() if key not in ("depth", "width", "drop_rate")}
            kinds.setdefault((normfree.nets.model_info(name).family, str(rest)), name)
    return sorted(kinds.values())


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", shapes())
def test_same_outputs(name, size):
    model = small(name)
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    with torch.no_grad():
        expected = model(x.float())
        difference = (fold(model)(x.float()) - expected).abs().max() / expected.abs().max()
        assert float(difference) <= 1e-5
        model.double()
        expected = model(x)
        difference = (fold(model)(x) - expected).abs().max() / expected.abs().max()
    assert float(difference) <= 1e-12


@pytest.mark.parametrize("name", shapes())
def test_nothing_is_left_to_standardise(name):
    model = small(name)
    folded = fold(model)
    assert not any(isinstance(module, WSConv2d) for module in folded.modules())
    assert type(folded) is type(model)
    assert count_parameters(folded) <= count_parameters(model) - (model.normalizer == "none")
    assert not any(parameter.requires_grad for parameter in folded.parameters())
    assert len(skip_gains(folded)) == len(skip_gains(model))


def test_norms_that_follow_a_convolution_vanish_and_others_stay():
    folded = fold(small("resnet50"))
    left = {name for name, module in folded.named_modules() if isinstance(module, nn.BatchNorm2d)}
    assert left == {*(f"blocks.{index}.bn0" for index in range(5)), "final_bn"}


@pytest.mark.parametrize("name", ["nfnet_nano", "resnet20"])
def test_the_original_is_untouched(name):
    model = small(name).train()
    before = copy.deepcopy(model.state_dict())
    folded = fold(model)
    for parameter in folded.parameters():
        parameter.add_(1)
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert before.keys() == model.state_dict().keys()
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("name", ["nfnet_nano", "nf_resnet20", "resnet20"])
def test_training_is_refused(name):
    folded = fold(small(name))
    with pytest.raises(ValueError, match="for evaluation"):
        folded.train()
    assert not any(module.training for module in folded.modules())
    assert folded.eval() is folded


def test_a_part_of_a_network_folds_too():
    conv = WSConv2d(8, 16, 3, stride=2, groups=2, input_scale=1.7).double()
    x = torch.randn(2, 8, 9, 8, dtype=torch.float64)
    folded = fold(conv)
    assert torch.equal(folded(x), conv(x))
    with pytest.raises(ValueError, match="for evaluation"):
        nn.Sequential(folded).train()


def test_folding_draws_no_random_numbers_and_folds_again():
    model = small("nfnet_nano")
    state = torch.get_rng_state()
    once = fold(model)
    assert torch.equal(torch.get_rng_state(), state)
    x = torch.randn(2, 3, 16, 16)
    assert torch.equal(fold(once)(x), once(x))


@pytest.mark.parametrize("name", ["nfnet_nano", "resnet20"])
def test_channels_last_half_precision_and_compilation(name):
    model = small(name).to(memory_format=torch.channels_last)
    x = torch.randn(2, 3, 16, 16).contiguous(memory_format=torch.channels_last)
    folded = fold(model)
    assert all(w.is_contiguous(memory_format=torch.channels_last) for w in folded.parameters() if w.ndim == 4)
    compiled = torch.compile(folded, backend="aot_eager", fullgraph=True)
    with torch.no_grad():
        torch.testing.assert_close(compiled(x), folded(x))
        assert fold(model.bfloat16())(x.bfloat16()).dtype == torch.bfloat16


def test_folded_networks_are_public():
    assert normfree.fold is fold
    assert "fold" in dir(normfree)
