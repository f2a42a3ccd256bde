"""AGC in a LightningModule that has never heard of this package."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from normfree.clip import clip_grad_agc_
from normfree.config import UserError
from normfree.lightning import GradientClipping


class Recorder(GradientClipping):
    """Keeps the gradients before and after each step's clipping."""

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        before = {name: one.grad.clone() for name, one in pl_module.named_parameters()}
        super().on_before_optimizer_step(trainer, pl_module, optimizer)
        after = {name: one.grad.clone() for name, one in pl_module.named_parameters()}
        weights = {name: one.detach().clone() for name, one in pl_module.named_parameters()}
        self.steps = [*getattr(self, "steps", []), (before, after, weights)]


def test_agc_is_the_pure_function_but_for_the_classifier(module: Any, trainer: Any, images: Any) -> None:
    clipping = Recorder("agc", clip_factor=0.01)
    trainer(clipping).fit(module(scale=100.0), images)
    assert clipping.exempted == ("fc.weight",)
    assert len(clipping.steps) == 6
    for before, after, weights in clipping.steps:
        assert torch.equal(before["fc.weight"], after["fc.weight"])
        expected = [nn.Parameter(weights[name]) for name in before if name != "fc.weight"]
        for one, name in zip(expected, (name for name in before if name != "fc.weight"), strict=True):
            one.grad = before[name]
        statistics = clip_grad_agc_(expected, 0.01)
        assert int(statistics.clipped_units) > 0
        for one, name in zip(expected, (name for name in before if name != "fc.weight"), strict=True):
            assert torch.equal(one.grad, after[name])  # type: ignore[arg-type]


@pytest.mark.parametrize(("accumulation", "steps"), [(1, 6), (3, 2)])
def test_once_an_optimizer_step_and_logged(
    module: Any, trainer: Any, images: Any, accumulation: int, steps: int
) -> None:
    clipping = Recorder("norm", max_norm=0.5)
    fit = trainer(clipping, accumulate_grad_batches=accumulation)
    fit.fit(module(scale=100.0), images)
    assert len(clipping.steps) == steps
    assert float(fit.callback_metrics["grad/norm_after"]) == pytest.approx(0.5, rel=1e-4)
    assert float(fit.callback_metrics["grad/norm_before"]) > 0.5
    assert float(fit.callback_metrics["clip/clipped_share"]) == 1


@pytest.mark.parametrize(
    ("options", "exempted"),
    [
        ({"scope": "timm"}, ("fc.weight", "fc.bias")),
        ({"scope": "all"}, ()),
        ({"classifier": "body.0"}, ("body.0.weight",)),
    ],
)
def test_the_scope_can_be_given(
    module: Any, trainer: Any, images: Any, options: dict[str, str], exempted: tuple[str, ...]
) -> None:
    clipping = GradientClipping("agc", **options)
    trainer(clipping).fit(module(), images)
    assert clipping.exempted == exempted


def test_a_function_of_ones_own(module: Any, trainer: Any, images: Any) -> None:
    def halve(parameters: list[Tensor]) -> None:
        for parameter in parameters:
            assert parameter.grad is not None
            parameter.grad.mul_(0.5)

    clipping = GradientClipping(halve, log=False)
    trainer(clipping).fit(module(), images)
    assert clipping.statistics is not None
    assert float(clipping.statistics.norm_after) == pytest.approx(0.5 * float(clipping.statistics.norm_before))


def test_each_optimizer_has_its_own_parameters(pl: ModuleType, trainer: Any, images: Any, module: Any) -> None:
    class Two(module):  # type: ignore[misc]
        automatic_optimization = False

        def training_step(self, batch: list[Tensor], index: int) -> None:
            for optimizer in self.optimizers():
                optimizer.zero_grad()
                self.manual_backward(nn.functional.cross_entropy(self.fc(self.body(batch[0])), batch[1]))
                optimizer.step()

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.body.parameters(), 0.1), torch.optim.SGD(self.fc.parameters(), 0.1)

    clipping = Recorder("agc", clip_factor=1e-6)
    trainer(clipping).fit(Two(), images)
    before, after, _ = clipping.steps[0]
    assert torch.equal(before["fc.bias"], after["fc.bias"])
    assert not torch.equal(before["body.0.weight"], after["body.0.weight"])


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: GradientClipping("acg"), r"^GradientClipping\('acg'\): no such clipper, did you mean 'agc'\?; choose"),
        (
            lambda: GradientClipping(3),
            r"^GradientClipping\(3\): give agc, norm, zclip, adagc, autoclip, per_tensor, or a function$",
        ),
        (
            lambda: GradientClipping("agc", clipfactor=1),
            r"clipfactor=1: it has no such option, did you mean 'clip",
        ),
        (
            lambda: GradientClipping("norm", clip_factor=1),
            r"clip_factor=1: it has no such option; its options are",
        ),
        (lambda: GradientClipping("agc", clip_factor=0), r"^GradientClipping\('agc'\): clip_factor=0: give a positive"),
        (lambda: GradientClipping("norm", max_norm=-1), r"^GradientClipping\('norm'\): max_norm=-1: give a positive"),
        (lambda: GradientClipping("agc", unit="layer"), r"^GradientClipping\('agc'\): .*layer"),
        (lambda: GradientClipping("agc", scope="body"), r"scope='body': choose one of deepmind, timm, all$"),
        (lambda: GradientClipping("zclip", decay=1), r"^GradientClipping\('zclip'\): decay=1: has to be at least 0"),
        (
            lambda: GradientClipping("adagc", percentile=1),
            r"percentile=1: it has no such option; its options are: max_r",
        ),
        (lambda: GradientClipping("autoclip", percentile=-1), r"percentile=-1: has to be from 0 to 100$"),
        (lambda: GradientClipping("per_tensor", scope="all"), r"scope and classifier are for 'agc' alone"),
        (
            lambda: GradientClipping("norm", classifier="fc"),
            r"scope and classifier are for 'agc' alone",
        ),
    ],
)
def test_mistakes_are_one_line(make: Callable[[], object], line: str) -> None:
    with pytest.raises(UserError, match=line) as error:
        make()
    assert "\n" not in str(error.value)


def test_what_would_be_wrong_is_refused(
    pl: ModuleType, module: Any, trainer: Any, images: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=r"^GradientClipping\('agc'\) and trainer.gradient_clip_val=1.0: gradients"):
        trainer(GradientClipping(), gradient_clip_val=1.0).fit(module(), images)
    monkeypatch.setattr(pl.Trainer, "precision", "16-mixed")
    with pytest.raises(UserError, match=r"^GradientClipping\('agc'\), precision=16-mixed and a fused optimizer: "):
        trainer(GradientClipping()).fit(module(fused=True), images)
    monkeypatch.undo()
    strategy = pl.strategies.FSDPStrategy
    fit = trainer()
    monkeypatch.setattr(pl.Trainer, "strategy", strategy.__new__(strategy))
    with pytest.raises(
        UserError, match=r"^GradientClipping\('agc'\) and strategy=FSDPStrategy: each device has a piece"
    ):
        GradientClipping().setup(fit, module(), "fit")


def test_agc_beside_muon_is_refused(module: Any, trainer: Any, images: Any) -> None:
    class Orthogonal(module):  # type: ignore[misc]
        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Muon([self.fc.weight], 0.02)

    with pytest.raises(
        UserError, match=r"^GradientClipping\('agc'\) and Muon: it gives every output of a matrix a step"
    ):
        trainer(GradientClipping()).fit(Orthogonal(), images)
    trainer(GradientClipping("adagc")).fit(Orthogonal(), images)


@pytest.mark.parametrize("name", ["zclip", "adagc", "autoclip"])
def test_what_it_knows_of_earlier_steps_is_kept(
    module: Any, trainer: Any, images: Any, tmp_path: Any, name: str
) -> None:
    options = {} if name == "autoclip" else {"warmup_steps": 2}
    whole, began, resumed = (Recorder(name, **options) for _ in range(3))
    network = module(scale=100.0)
    begun = {key: value.clone() for key, value in network.state_dict().items()}
    trainer(whole, max_epochs=2).fit(network, images)
    again = module(scale=100.0)
    again.load_state_dict(begun)
    first = trainer(began, max_epochs=1)
    first.fit(again, images)
    first.save_checkpoint(tmp_path / "half.ckpt")
    trainer(resumed, max_epochs=2).fit(module(scale=100.0), images, ckpt_path=tmp_path / "half.ckpt")
    assert (len(whole.steps), len(resumed.steps)) == (12, 6)
    for (_, after, _), (_, other, _) in zip(whole.steps[6:], resumed.steps, strict=True):
        assert all(torch.equal(after[key], other[key]) for key in after)
    assert any(not torch.equal(before[key], after[key]) for before, after, _ in resumed.steps for key in after)


def test_a_classifier_that_is_not_there(module: Any, trainer: Any, images: Any) -> None:
    with pytest.raises(UserError, match=r"classifier='head': Theirs has no such module; its linear layers are: fc$"):
        trainer(GradientClipping("agc", classifier="head")).fit(module(), images)
