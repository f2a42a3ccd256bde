"""What an optimizer is refused beside, in one line that names key, value and remedy."""

from __future__ import annotations

import importlib.util

import pytest
from tests.conftest import resolved

from normfree.config import UserError, optimizer_warnings
from normfree.config.optimizer import SIGN_BASED


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["optimizer.ema_decay=1"], "optimizer.ema_decay=1.0: must be at least 0 and below 1"),
        (["optimizer.ema_decay=-0.1"], "optimizer.ema_decay=-0.1: must be at least 0 and below 1"),
        (["optimizer.ema_decay=nan"], "optimizer.ema_decay=nan: must be at least 0 and below 1"),
        (["optimizer.sam_rho=0"], "optimizer.sam_rho=0.0: must be greater than 0"),
        (["optimizer.sam_share=1.5"], "optimizer.sam_share=1.5: must be greater than 0 and at most 1"),
        (["optimizer=adamw", "optimizer.beta1=1"], "optimizer.beta1=1.0: must be at least 0 and below 1"),
        (["optimizer=adamw", "optimizer.eps=null"], "optimizer.eps=null: optimizer=adamw needs a value"),
        (["optimizer.name=adamw"], "optimizer.beta1=null: optimizer=adamw needs a value"),
        (["optimizer.name=adagrad"], "optimizer.name=adagrad: choose one of sgd, adamw, lamb, lion, muon, sphere"),
        (["optimizer=lion", "clip=agc"], "clip=agc: beside optimizer=lion, which steps by the sign"),
        (
            ["optimizer=muon", "clip=agc"],
            "clip=agc: beside optimizer=muon, which gives every output of a kernel a step",
        ),
        (["optimizer=muon", "clip=none", "model.freeze=[all]"], "optimizer=muon: of what model.freeze=[all] leaves"),
        (["optimizer=muon", "clip=none", "optimizer.ns_steps=0"], "optimizer.ns_steps=0: must be at least 1"),
        (["optimizer=muon", "clip=none", "optimizer.others=lion"], "optimizer.others=lion: choose one of sgd, adamw"),
        (["optimizer=muon", "clip=none", "optimizer.adjust_lr=x"], "optimizer.adjust_lr=x: choose one of original, "),
        (["optimizer=muon", "clip=none", "optimizer.others_lr_ratio=0"], "optimizer.others_lr_ratio=0.0: must be gre"),
        (["optimizer=muon", "clip=none", "optimizer.others=null"], "optimizer.others=null: optimizer=muon needs a va"),
        (["optimizer=sphere", "clip=agc"], "clip=agc: beside optimizer=sphere, whose steps have the same length"),
        (["optimizer=sphere", "clip=none", "optimizer.head_lr=null"], "optimizer.head_lr=null: optimizer=sphere needs"),
        (["optimizer=sphere", "clip=none", "optimizer.bias_lr=0"], "optimizer.bias_lr=0.0: must be greater than 0"),
        (["optimizer.sam_rho=0.05", "precision=16-mixed"], "optimizer.sam_rho=0.05: not with precision=16-mixed"),
        (
            ["optimizer.sam_rho=0.05", "model=resnet20", "model.ghost_batch=16"],
            "optimizer.sam_share=0.2: 0.2 x 64 samples are no multiple of model.ghost_batch=16",
        ),
        (["optimizer.final_lr=2", "lr=1"], "optimizer.final_lr=2: greater than the learning rate of 1"),
        (
            ["optimizer.warmup_share=null", "optimizer.warmup_steps=600"],
            "optimizer.warmup_steps=600: 600 steps of warm-up are not shorter than the training of 600 steps",
        ),
    ],
)
def test_one_line(overrides: list[str], line: str) -> None:
    with pytest.raises(UserError) as caught:
        resolved(*overrides)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_what_comes_from_timm_says_so_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolved("optimizer=lamb").config.optimizer.eps == 1e-6
    monkeypatch.setattr("normfree.config.optimizer.find_spec", lambda name: None)
    with pytest.raises(UserError, match="optimizer=lamb: comes from the package timm, which is not installed"):
        resolved("optimizer=lamb")
    assert importlib.util.find_spec("timm") is not None


def test_agc_beside_an_adaptive_optimizer_is_warned_of() -> None:
    for name in ("adamw", "lamb"):
        (line,) = optimizer_warnings(resolved(f"optimizer={name}", "clip=agc").config)
        assert line.startswith(f"clip=agc beside optimizer={name}: AGC was made for SGD")
        assert not optimizer_warnings(resolved(f"optimizer={name}", "clip=norm").config)
    assert not optimizer_warnings(resolved("optimizer=sgd", "clip=agc").config)
    assert SIGN_BASED == ("lion",)


def test_one_limit_beside_muon_is_warned_of() -> None:
    for name in ("norm", "per_tensor"):
        (line,) = optimizer_warnings(resolved("optimizer=muon", f"clip={name}").config)
        assert line.startswith(f"clip={name} beside optimizer=muon: a kernel's step has one length")
    for name in ("none", "zclip", "adagc", "autoclip"):
        assert not optimizer_warnings(resolved("optimizer=muon", f"clip={name}").config)


def test_an_optimizers_own_values_win_over_the_recipes_and_the_recipes_over_sgds() -> None:
    paper = resolved("model=nfnet_f0").config.optimizer
    assert (paper.name, paper.weight_decay, paper.ema_decay, paper.warmup_epochs) == ("sgd", 2e-5, 0.99999, 5)
    adamw = resolved("model=nfnet_f0", "optimizer=adamw")
    assert (adamw.config.optimizer.weight_decay, adamw.config.optimizer.warmup_epochs) == (0.05, 5)
    assert adamw.lr == pytest.approx(2.5e-4 * 4096 / 256)
    assert resolved("optimizer=adamw").lr == pytest.approx(2.5e-4 * 64 / 256)
    assert resolved("optimizer=adamw", "optimizer.weight_decay=0.1").config.optimizer.weight_decay == 0.1
    assert resolved("model=nf_regnet_b2").config.optimizer.final_lr == 0.001
    assert resolved("model=nf_regnet_b2").config.optimizer.weight_decay == 7e-5


def test_low_strengths_of_the_papers_scale_are_warned_of() -> None:
    (line,) = optimizer_warnings(resolved("augment=paper_f0", "augment.magnitude=2.5").config)
    assert line.startswith("augment.magnitude=2.5: on the paper's scale images are the darker and coarser the lower")
    for words in (("augment.magnitude=3",), ("augment.magnitude=0", "augment.increasing=true")):
        assert not optimizer_warnings(resolved("augment=paper_f0", *words).config)
